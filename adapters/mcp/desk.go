package mcp

import (
	"errors"
	"sync"

	"github.com/duvotool/duvotool/hitl"
)

// A Desk is where a Job's request waits for a host when the call that started the
// Job is gone: after a restart, when the registry takes up from its journal what
// waits. The next call of the same user carries it, whatever that call is about.
// Give it to the registry by [Desk.Elicit], and to the server by [WithDesk].
type Desk struct {
	mu   sync.Mutex
	asks map[string]chan *ask // unbuffered, by user
}

// NewDesk makes a desk.
func NewDesk() *Desk { return &Desk{asks: map[string]chan *ask{}} }

// Elicit is [Elicit] with this desk: where it would tell that no host started the
// Job, the request waits at the desk instead, as long as it does; bound it with
// hitl.Timeout.
func (d *Desk) Elicit(fallback hitl.Policy, allowed ...hitl.Rule) hitl.Policy {
	e := Elicit(fallback, allowed...).(elicit)
	e.desk = d
	return e
}

// WithDesk lets the server's calls carry what waits at a desk.
func WithDesk(d *Desk) ServerOption {
	return func(s *Server) error {
		if d == nil {
			return errors.New("WithDesk: the desk is nil")
		}
		s.desk = d
		return nil
	}
}

// of returns where the requests of a user's Jobs wait; of no desk, nil.
func (d *Desk) of(user string) chan *ask {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.asks[user]
	if c == nil {
		c = make(chan *ask)
		d.asks[user] = c
	}
	return c
}
