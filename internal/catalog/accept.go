package catalog

import (
	"errors"
	"strings"

	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/outcome"
)

// accept reports whether an entry may be offered, and notes it either way.
func (c *Catalog) accept(rules Rules, before *Catalog, e *Entry) bool {
	if rules.Accept == nil {
		return true
	}
	if c.accepted == nil {
		c.accepted = map[string]*Entry{}
	}
	id := strings.ToLower(e.Work.Assignment.ID)
	was := before.accepted[id]
	change := outcome.Change{After: e.Work.Assignment, NameAfter: e.Work.Name}
	if was != nil {
		c.accepted[id] = was // unless the new one is
		change.Before, change.NameBefore = was.Work.Assignment, was.Work.Name
	}
	ok := was != nil && sameAssignment(was.Work.Assignment, e.Work.Assignment)
	if !ok {
		ok = guard.Run(errAcceptPanic, func() error {
			if !rules.Accept(change.Clone()) {
				return errHeldBack
			}
			return nil
		}) == nil
	}
	if !ok {
		c.held = append(c.held, e.Work.Assignment)
		return false
	}
	c.accepted[id] = e
	return true
}

var (
	errAcceptPanic = errors.New("duvotool: the function of WithAcceptance panicked")
	errHeldBack    = errors.New("duvotool: the Assignment is held back")
)
