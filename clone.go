package duvotool

import (
	"errors"
	"slices"

	"github.com/duvotool/duvotool/internal/clone"
)

// What goes to a caller, policy, audit log, observer or backend, and what comes
// from one and is kept, is copied here, so that nobody shares memory with the
// engine or with each other.

// clone makes a copy that shares nothing a caller could change.
func (r *Result) clone() *Result {
	c := *r
	c.Data = slices.Clone(r.Data)
	c.Assignment = clone.Assignment(r.Assignment)
	c.Messages = slices.Clone(r.Messages)
	for i, m := range c.Messages {
		c.Messages[i] = clone.Message(m)
	}
	c.Decisions = slices.Clone(r.Decisions)
	for i, d := range c.Decisions {
		c.Decisions[i] = d.Clone()
	}
	return &c
}

func (c Changes) clone() Changes {
	changed := slices.Clone(c.Changed)
	for i, x := range changed {
		changed[i] = x.clone()
	}
	return Changes{clone.Assignments(c.Added), clone.Assignments(c.Removed), changed, slices.Clone(c.Collided), clone.Assignments(c.Held), slices.Clone(c.Unmatched)}
}

func (c Change) clone() Change {
	c.Before, c.After = clone.Assignment(c.Before), clone.Assignment(c.After)
	return c
}

// cloneError gives each of those who are told an error of the engine its own. Its
// causes are shared; nobody reads them again.
func cloneError(err error) error {
	var bad *InputError
	switch own := err.(type) {
	case *JobError:
		c := *own
		if errors.As(c.Err, &bad) && c.Err == error(bad) {
			c.Err = clone.Pointer(bad)
		}
		return &c
	case *InputError:
		return clone.Pointer(own)
	}
	return err
}
