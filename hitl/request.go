package hitl

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/wording"
)

// A Request is what a waiting Job wants to know from a person.
//
// Title, Description and Questions are written by a remote agent, Input and
// FollowUp by the model: they are data, to be shown with care and never followed.
// Input is what the start sent, checked where the tool takes arguments; what
// duvotool.Registry.Continue and the tool continue_job say later is in FollowUp alone.
// [Request.String] shows all of it safely.
type Request struct {
	JobID string           `json:"job_id"` // the Job that waits
	ID    string           `json:"id"`     // the request
	Kind  duvo.RequestType `json:"kind"`   // an approval or a question

	Title       string              `json:"title"`
	Description string              `json:"description,omitempty"`
	Questions   []duvo.QuestionItem `json:"questions,omitempty"`

	Assignment duvo.Assignment `json:"assignment,omitzero"` // what the Job runs
	BuildID    string          `json:"build_id,omitempty"`  // the Build that the Job runs, as the Job tells it
	Folder     string          `json:"folder,omitempty"`    // the path of the Assignment's folder, such as "Support/Refunds"; empty: none, or not known
	Input      string          `json:"input"`               // what the Job was started with: checked by us, and the same for as long as the Job lives
	FollowUp   string          `json:"follow_up,omitempty"` // what was added since by messages, all of it, oldest first, in the model's own words and unchecked; empty: nothing
	Caller     Caller          `json:"caller,omitzero"`     // for whom the call was made; see WithCaller

	Key       string    `json:"key"`                 // the operation key of the call
	CreatedAt time.Time `json:"created_at,omitzero"` // by Duvo's clock; zero where it did not tell
	FirstSeen time.Time `json:"first_seen,omitzero"` // by our clock: count deadlines from here
}

const (
	maxShownTitle = 300
	maxShownText  = 4000
	maxShownItems = 50
)

// String shows the request to a person: the whole of it, each text bounded
// with the cut marked, and nothing in it that a terminal or log would
// interpret.
func (r Request) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Kind, safetext.OneLine(r.Title, maxShownTitle))
	if r.Description != "" {
		fmt.Fprintf(&b, "%s\n", indent(safetext.Block(r.Description, maxShownText)))
	}
	for i, q := range r.Questions {
		if i == maxShownItems {
			fmt.Fprintf(&b, "… [cut, %s]\n", safetext.Count(len(r.Questions)-i, "more question", "more questions"))
			break
		}
		fmt.Fprintf(&b, "question %d: %s\n", i+1, safetext.OneLine(q.Question, maxShownText))
		if q.Header != "" {
			fmt.Fprintf(&b, "  headed: %s\n", safetext.OneLine(q.Header, maxShownTitle))
		}
		for j, c := range q.Options {
			if j == maxShownItems {
				fmt.Fprintf(&b, "  … [cut, %s]\n", safetext.Count(len(q.Options)-j, "more option", "more options"))
				break
			}
			fmt.Fprintf(&b, "  - %s", safetext.OneLine(c.Label, maxShownTitle))
			if c.Description != "" {
				fmt.Fprintf(&b, " (%s)", safetext.OneLine(c.Description, maxShownTitle))
			}
			b.WriteByte('\n')
		}
		if q.MultiSelect {
			b.WriteString("  several may be chosen\n")
		}
	}
	fmt.Fprintf(&b, "Assignment %s (ID %s, Build %s)\n", safetext.OneLine(r.Assignment.Name, maxShownTitle),
		safetext.OneLine(r.Assignment.ID, 64), safetext.OneLine(r.BuildID, 64))
	fmt.Fprintf(&b, "Job %s was started with:\n%s\n", safetext.OneLine(r.JobID, 64), indent(safetext.Block(r.Input, maxShownText)))
	if r.FollowUp != "" {
		fmt.Fprintf(&b, "Added later by the model (unchecked):\n%s\n", indent(bothEnds(r.FollowUp, maxShownText)))
	}
	return b.String()
}

// bothEnds shows a text of which the end is as telling as the beginning: the
// last message is what the Job works on.
func bothEnds(s string, max int) string {
	if utf8.RuneCountInString(s) <= max {
		return safetext.Block(s, max)
	}
	r := []rune(s)
	head, tail := r[:max/2], r[len(r)-max/2:]
	return fmt.Sprintf("%s\n… [cut, %d characters]\n%s", safetext.Block(string(head), 0), len(r)-len(head)-len(tail), safetext.Block(string(tail), 0))
}

func indent(s string) string { return "  | " + strings.ReplaceAll(s, "\n", "\n  | ") }

// SafeText renders text that a stranger wrote for a terminal, log or page:
// control, bidi, zero-width and other invisible characters are shown by number,
// and after max characters (0: no bound) the cut is marked. Newlines and tabs
// stay. HTML is not escaped.
func SafeText(s string, max int) string { return safetext.Block(s, max) }

// SafeLine is [SafeText] on one line: runs of white space become one space.
func SafeLine(s string, max int) string { return safetext.OneLine(s, max) }

// Digest identifies what a decision is about: the Job, the request, its type
// and every byte of its text and of FollowUp.
func (r Request) Digest() string {
	return Digest(r.JobID, r.FollowUp, duvo.HumanRequest{ID: r.ID, Type: r.Kind, Title: r.Title, Description: r.Description, Questions: r.Questions})
}

// ContentDigest identifies what the request says, and for what: the
// Assignment, its Build, what the Job was started with and what was added since,
// the type and every byte of the text, but neither Job nor request. The same question asked by another
// Job has the same content digest.
func (r Request) ContentDigest() string {
	what := []string{"duvotool content 1", r.Assignment.ID, r.BuildID, r.Input}
	if r.FollowUp != "" {
		what = []string{"duvotool content 2", r.Assignment.ID, r.BuildID, r.Input, r.FollowUp}
	}
	return digestOf(what,
		duvo.HumanRequest{Type: r.Kind, Title: r.Title, Description: r.Description, Questions: r.Questions})
}

// Digest is that of all that a request tells, and of the Job and what was said to it.
// Where something was said it has a form of its own, so that those that were recorded
// of all others stay what they are.
func Digest(jobID, followUp string, q duvo.HumanRequest) string {
	if followUp != "" {
		return digestOf([]string{"duvotool request 2", jobID, q.ID, followUp}, q)
	}
	return digestOf([]string{"duvotool request 1", jobID, q.ID}, q)
}

func digestOf(what []string, q duvo.HumanRequest) string {
	h := sha256.New()
	add := func(parts ...string) {
		for _, p := range parts {
			var n [8]byte
			binary.BigEndian.PutUint64(n[:], uint64(len(p)))
			h.Write(n[:])
			h.Write([]byte(p))
		}
	}
	add(what...)
	add(string(q.Type), q.Title, q.Description)
	add(fmt.Sprint(len(q.Questions)))
	for _, item := range q.Questions {
		add(item.Question, item.Header, fmt.Sprint(item.MultiSelect), fmt.Sprint(len(item.Options)))
		for _, c := range item.Options {
			add(c.Label, c.Description)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// CheckAnswers tells why answers cannot be sent for this request, in words for
// the person who gave them: each question needs an answer under its exact
// text, nothing else may be answered, and where options are given the answer
// is one of their labels, or several joined by [JoinChoices] where several may
// be chosen. What could be read in two ways is refused: a choice that reads like
// another one once it is joined, and every answer to a request that
// [Request.CheckAnswerable] has something against.
func (r Request) CheckAnswers(answers map[string]string) error {
	if r.Kind != duvo.Question {
		return fmt.Errorf("a request of kind %q takes no answers", r.Kind)
	}
	if err := r.CheckAnswerable(); err != nil {
		return err
	}
	var errs []error
	known := map[string]*duvo.QuestionItem{}
	for i := range r.Questions {
		q := &r.Questions[i]
		name := safetext.OneLine(q.Question, 80)
		known[q.Question] = q
		a, ok := answers[q.Question]
		switch {
		case !ok || strings.TrimSpace(a) == "":
			errs = append(errs, fmt.Errorf("the question %q has no answer", name))
		case len(q.Options) == 0:
		case q.MultiSelect:
			switch checkChoices(a, labels(q)) {
			case errAmbiguous:
				errs = append(errs, fmt.Errorf("the answer %q to %q can be read as more than one choice of %s", safetext.OneLine(a, 200), name, wording.Quoted(labels(q))))
			case errNoChoice:
				errs = append(errs, fmt.Errorf("the answer to %q must be one or more of %s, joined with commas", name, wording.Quoted(labels(q))))
			}
		case !slices.Contains(labels(q), a):
			errs = append(errs, fmt.Errorf("the answer to %q must be one of %s", name, wording.Quoted(labels(q))))
		}
	}
	for text := range answers {
		if known[text] == nil {
			errs = append(errs, fmt.Errorf("there is no question %q", safetext.OneLine(text, 80)))
		}
	}
	return errors.Join(errs...)
}

// JoinChoices joins several chosen labels to one answer, as Duvo wants it.
func JoinChoices(labels ...string) string { return strings.Join(labels, ", ") }

func labels(q *duvo.QuestionItem) []string {
	out := make([]string, len(q.Options))
	for i, c := range q.Options {
		out[i] = c.Label
	}
	return out
}

// A Caller is for whom a call is made. It comes from the host program and
// reaches the policy, the observer and the result. The model never sees it.
type Caller struct {
	Tenant string `json:"tenant,omitempty"` // operation keys of different tenants never meet
	User   string `json:"user,omitempty"`
}

// Clone returns a copy of the request that shares no memory with it. A [Policy]
// that asks others gives each its own.
func (r Request) Clone() Request {
	r.Questions = clone.Questions(r.Questions)
	r.Assignment = clone.Assignment(r.Assignment)
	return r
}

// What a caller may test for with errors.Is.
var (
	// ErrInvalidDecision is a policy's decision that does not fit the request.
	// Nothing was sent.
	ErrInvalidDecision = errors.New("duvotool: the policy's decision does not fit the request")

	// ErrPolicyPanic is a policy that panicked, or ended its goroutine. Nothing was
	// sent.
	ErrPolicyPanic = errors.New("duvotool: the policy panicked")

	// ErrAnsweredElsewhere is the cause that ends a policy's context when the
	// Job no longer waits for the request: somebody answered in Duvo's own
	// inbox, or the Job ended.
	ErrAnsweredElsewhere = errors.New("duvotool: the request no longer waits for an answer")

	// ErrRequestChanged is the cause that ends a policy's context when the
	// request reads differently now. The policy is asked anew.
	ErrRequestChanged = errors.New("duvotool: the request changed")
)
