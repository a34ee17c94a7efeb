package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
)

// How often it is tried to discover what could not be discovered at first.
const (
	laterFirst   = time.Second
	laterLongest = time.Minute
)

// First discovers what there is, or leaves that for later where it may.
func (d *Discovery) First(ctx context.Context) error {
	<-d.turn
	cat, done, err := d.within(ctx)
	defer done()
	if err != nil && d.Later && mayPass(err) && !errors.Is(ctx.Err(), context.Canceled) {
		d.Log.ErrorContext(ctx, "duvotool: the Assignments cannot be listed; there are no tools until they are", "error", hitl.SafeLine(err.Error(), 500))
		return nil
	}
	if err != nil {
		return err
	}
	if missing := cat.CheckNames(d.Rules, d.book); len(missing) > 0 {
		return catalog.Unmatched(missing)
	}
	d.Offer(cat)
	close(d.listed)
	if len(cat.Entries) == 0 {
		d.Log.WarnContext(ctx, "duvotool: no Assignments found", "selectors", fmt.Sprint(d.Rules.Keep))
	}
	return nil
}

// mayPass tells whether a discovery that failed may succeed without a change of
// the program.
func mayPass(err error) bool {
	for _, passing := range []error{duvo.ErrUnauthorized, duvo.ErrForbidden, duvo.ErrMalformed, context.DeadlineExceeded} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return duvo.Temporary(err)
}

// untilFound refreshes until the Assignments were listed, or ctx ends.
func (d *Discovery) untilFound(ctx context.Context) {
	for pause := laterFirst; !d.Done(); pause = min(2*pause, laterLongest) {
		if !pauseFor(ctx, pause-pause/10+rand.N(pause/5+1)) || d.Done() {
			return
		}
		if err := d.safely(ctx); err != nil && ctx.Err() == nil {
			d.Log.Error("duvotool: the Assignments cannot be listed yet; there are no tools until they are", "error", hitl.SafeLine(err.Error(), 500))
		}
	}
}

// Guard returns a policy that is asked nothing before the first discovery. It is for
// Jobs that were taken up before.
func (d *Discovery) Guard(p hitl.Policy) hitl.Policy {
	if d.Done() {
		return p
	}
	return onceNamesAreChecked{d.listed, p}
}

// onceNamesAreChecked is the policy of a Job that was taken up before anybody could
// tell whether what policies and options name is there.
type onceNamesAreChecked struct {
	listed <-chan struct{}
	p      hitl.Policy
}

// Decide waits for the first discovery, and asks the policy then.
func (o onceNamesAreChecked) Decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	select {
	case <-o.listed:
		return o.p.Decide(ctx, req)
	case <-ctx.Done():
		return hitl.Decision{}, context.Cause(ctx)
	}
}

// Vetoes asks the policy.
func (o onceNamesAreChecked) Vetoes(req hitl.Request) bool { return hitl.Vetoes(o.p, req) }

// CheckDecision asks the policy.
func (o onceNamesAreChecked) CheckDecision(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	return hitl.CheckDecision(ctx, o.p, req, d)
}

// Foresee asks the policy.
func (o onceNamesAreChecked) Foresee(req hitl.Request, at time.Time) (hitl.Verdict, bool) {
	return hitl.Foresee(o.p, req, at)
}

// String is the policy's.
func (o onceNamesAreChecked) String() string { return hitl.SafePolicyName(o.p) }
