package hitl

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/safetext"
)

// Budget lets p approve n times within any window of this length, for each
// tenant and Assignment of its own; further approvals are not p's to give, and the request
// goes to then. It is a circuit breaker: an agent that runs wild meets a person
// after n.
//
// An approval counts when it is given, also where it does not reach the Job.
// The count is kept in this process.
func Budget(n int, window time.Duration, p, then Policy) Policy {
	return &budget{n: n, window: window, p: p, then: then, given: map[purse][]time.Time{}}
}

// A purse is what is counted by itself: one tenant's agent cannot use up what
// another's may spend.
type purse struct{ tenant, assignment string }

type budget struct {
	n       int
	window  time.Duration
	p, then Policy

	mu    sync.Mutex
	given map[purse][]time.Time // oldest first, within the window
}

func (b *budget) Decide(ctx context.Context, req Request) (Decision, error) {
	if b.Validate() != nil {
		return Decision{}, errUnusable
	}
	if d, vetoed, err := vetoed(ctx, "Budget", req, b.p, b.then); vetoed {
		return d, err
	}
	d, err := decide(ctx, "Budget", b.p, req)
	if err != nil || d.Verdict != Approved || b.take(purse{req.Caller.Tenant, strings.ToLower(req.Assignment.ID)}) {
		return d, err
	}
	if ctx.Err() != nil {
		return Decision{}, context.Cause(ctx)
	}
	return decide(ctx, "Budget(used up)", b.then, req)
}

// take counts one approval; false if none is left.
func (b *budget) take(from purse) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for id, times := range b.given {
		for len(times) > 0 && now.Sub(times[0]) >= b.window {
			times = times[1:]
		}
		if b.given[id] = times; len(times) == 0 {
			delete(b.given, id)
		}
	}
	if len(b.given[from]) >= b.n {
		return false
	}
	b.given[from] = append(b.given[from], now)
	return true
}

// Vetoes asks both.
func (b *budget) Vetoes(req Request) bool {
	return Vetoes(b.p, req) || Vetoes(b.then, req)
}

// Foresee knows what p does for certain, but for approvals, which are counted.
func (b *budget) Foresee(req Request, at time.Time) (Verdict, bool) {
	v, certain := Foresee(b.p, req, at)
	return v, certain && v != Approved
}

func (b *budget) Validate() error {
	if b.n < 1 || b.window <= 0 {
		return fmt.Errorf("Budget: %s in %v cannot be", safetext.Count(b.n, "approval", "approvals"), b.window)
	}
	return validate("Budget", b.p, b.then)
}

func (b *budget) String() string { return fmt.Sprintf("Budget(%d in %v)", b.n, b.window) }
