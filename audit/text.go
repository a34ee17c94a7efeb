package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// A Text is all that a request said besides its title. What it holds is a stranger's
// and a model's: it is to be shown with care, and may be somebody's personal data.
type Text struct {
	Description string              `json:"description,omitempty"`
	Questions   []duvo.QuestionItem `json:"questions,omitempty"`
	Input       string              `json:"input"` // what the Job was started with
	FollowUp    string              `json:"follow_up,omitempty"`
}

// InputDigest stands for what a Job was started with: the SHA-256 of its bytes, in
// hexadecimal. Who has the input can tell that it is the one; a short one can be
// guessed.
func InputDigest(input string) string {
	sum := sha256.Sum256([]byte(input))
	return hex.EncodeToString(sum[:])
}

// CheckText tells whether a record's text is the one that its digests stand for. A
// record without a text is sound.
func (r Record) CheckText() error {
	if r.Text == nil {
		return nil
	}
	q := duvo.HumanRequest{ID: r.RequestID, Type: r.Kind, Title: r.Title, Description: r.Text.Description, Questions: r.Text.Questions}
	if hitl.Digest(r.JobID, r.Text.FollowUp, q) != r.Digest || InputDigest(r.Text.Input) != r.InputDigest {
		return fmt.Errorf("duvotool: the text that is kept of the request %s is not the one that was decided about", hitl.SafeLine(r.RequestID, 64))
	}
	return nil
}
