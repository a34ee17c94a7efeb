package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/duvotool/duvotool/internal/errtext"
)

// InputDigest stands for what a Job was started with: the SHA-256 of its bytes, in
// hexadecimal. Who has the input can tell that it is the one; a short one can be
// guessed.
func InputDigest(input string) string {
	sum := sha256.Sum256([]byte(input))
	return hex.EncodeToString(sum[:])
}

// CheckRequest tells whether the request that a record holds, see
// duvotool.WithAuditTexts, is the one that its digests stand for. A record without one is
// sound.
func (r Record) CheckRequest() error {
	err := r.sameRequest()
	if err == nil && r.Request != nil && InputDigest(r.Request.Input) != r.InputDigest {
		err = errors.New("the input of the request in the record is not the one that was decided about")
	}
	if err != nil {
		return errtext.Errorf("duvotool: the audit file: %w", err)
	}
	return nil
}
