package hitl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrTimeout is the cause that ends the context of a policy whose time is over.
var ErrTimeout = errors.New("duvotool: the time to decide is over")

// Timeout asks p, and where it has not decided within d of the request being
// first seen, the fallback. What a fallback decides that asks nobody is recorded
// as a timeout, and a denial of its is told as that: nobody decided in time. A
// fallback that asks people decides in their name. An answer of p that comes at
// the deadline or later does not count.
//
// A p that suspends has answered in time, and no deadline runs on what it put off: what
// is decided later, with Registry.Decide or at a desk, is not late, until the policy is
// asked anew after a restart. Where such a wait is to end, let the program deny what
// Registry.Pending lists for too long.
//
// After a restart the deadline is still that of the first time.
func Timeout(d time.Duration, p, fallback Policy) Policy {
	return timeout{d, p, fallback}
}

type timeout struct {
	d           time.Duration
	p, fallback Policy
}

func (t timeout) Decide(ctx context.Context, req Request) (Decision, error) {
	if t.Validate() != nil {
		return Decision{}, errUnusable
	}
	if d, vetoed, err := vetoed(ctx, "Timeout", req, t.p, t.fallback); vetoed {
		return d, err
	}
	deadline := firstSeen(req).Add(t.d)
	left := time.Until(deadline)
	if left > 0 {
		inner, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		answers := make(chan answer, 1)
		ask(inner, 0, t.p, req, answers)
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case a := <-answers:
			if time.Now().Before(deadline) {
				return a.d.Via("Timeout"), a.err
			}
		case <-ctx.Done():
			return Decision{}, context.Cause(ctx)
		case <-timer.C:
		}
		cancel(ErrTimeout)
	}
	if ctx.Err() != nil {
		return Decision{}, context.Cause(ctx)
	}
	d, err := decide(ctx, "Timeout(over)", t.fallback, req)
	return t.expired(d), err
}

// expired tells what the fallback decided as what the deadline came to.
func (t timeout) expired(d Decision) Decision {
	if d.Verdict == Passed || d.Source != "" && d.Source != SourcePolicy {
		return d // no opinion, or somebody's
	}
	d.Source = SourceTimeout
	over := fmt.Sprintf("nobody decided within %v", t.d)
	switch {
	case d.Reason == "":
		d.Reason = over
	case d.Verdict == Denied:
		plain, _ := AlwaysDeny().Decide(context.Background(), Request{})
		if d.Reason = over + "; " + d.Reason; strings.HasSuffix(d.Reason, "; "+plain.Reason) {
			d.Reason = over // that it approves nothing is no reason here
		}
	}
	if d.Verdict == Denied {
		d.By = "policy " + t.String()
	}
	return d
}

// Vetoes asks both.
func (t timeout) Vetoes(req Request) bool {
	return Vetoes(t.p, req) || Vetoes(t.fallback, req)
}

// Foresee knows what its first policy does for certain, and, where the time was
// over, its fallback.
func (t timeout) Foresee(req Request, at time.Time) (Verdict, bool) {
	if at.Before(firstSeen(req).Add(t.d)) {
		return Foresee(t.p, req, at)
	}
	return Foresee(t.fallback, req, at)
}

func (t timeout) Validate() error {
	if t.d <= 0 {
		return fmt.Errorf("Timeout: %v is no time to decide in", t.d)
	}
	return validate("Timeout", t.p, t.fallback)
}

func (t timeout) String() string { return fmt.Sprintf("Timeout(%v)", t.d) }

// firstSeen is when the request was first seen; now, where it is not told.
func firstSeen(req Request) time.Time {
	if req.FirstSeen.IsZero() {
		return time.Now()
	}
	return req.FirstSeen
}
