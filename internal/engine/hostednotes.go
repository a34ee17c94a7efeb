package engine

import (
	"errors"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// A Note is an error that can be written: its words, and which of the errors it matches
// that callers test for.
type Note struct {
	Text  string              `json:"text"`
	Is    []string            `json:"is,omitempty"`
	Input *outcome.InputError `json:"input,omitempty"`
}

// known are the errors that callers test for.
func known() []error {
	return []error{duvo.ErrUnauthorized, duvo.ErrForbidden, duvo.ErrNotFound, duvo.ErrConflict, duvo.ErrInvalid, duvo.ErrRateLimited, duvo.ErrUnavailable,
		duvo.ErrMalformed, duvo.ErrTooLarge, duvo.ErrTooLate, outcome.ErrClosed, outcome.ErrForeignJob, outcome.ErrOtherJob, outcome.ErrKeyReused,
		hitl.ErrRefused, hitl.ErrInvalidDecision, hitl.ErrPolicyPanic, hitl.ErrTimeout, journal.ErrFailed, audit.ErrWrite}
}

// NoteOf writes an error.
func NoteOf(err error) Note {
	n := Note{}
	n.Text, _ = policyFailure(err)
	for _, k := range known() {
		if is(err, k) {
			n.Is = append(n.Is, k.Error())
		}
	}
	var bad *outcome.InputError
	if errors.As(err, &bad) {
		n.Input = &outcome.InputError{Tool: bad.Tool, Problem: bad.Problem, Gone: bad.Gone}
	}
	return n
}

// Err returns an error with the words of the one that was written, which matches what
// that did.
func (n Note) Err() error {
	if n.Input != nil {
		return &outcome.InputError{Tool: n.Input.Tool, Problem: n.Input.Problem, Gone: n.Input.Gone}
	}
	return &notedError{n}
}

type notedError struct{ note Note }

func (e *notedError) Error() string { return e.note.Text }

// Is reports whether the error that was written matches target.
func (e *notedError) Is(target error) bool {
	for _, name := range e.note.Is {
		for _, k := range known() {
			if k == target && k.Error() == name {
				return true
			}
		}
	}
	return false
}

// Notes returns the latest error of each cause that came up here.
func (t *Seat) Notes() map[lifecycle.Cause]Note {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	out := map[lifecycle.Cause]Note{}
	for c, err := range t.r.extrasLocked().errs {
		if err != nil {
			out[c] = NoteOf(err)
		}
	}
	return out
}

// Remember takes in errors that came up elsewhere.
func (t *Seat) Remember(notes map[lifecycle.Cause]Note) {
	for c, n := range notes {
		t.r.note(c, n.Err())
	}
}
