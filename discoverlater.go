package duvotool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/search"
)

// DiscoverLater lets [Discover] return a registry also while Duvo cannot be
// reached, is overloaded or refuses the key, or where the context's deadline comes
// first: a service then does not restart again and again, and what its journal
// holds is taken up, with the options that fit each Assignment as it was recorded.
// There are no tools until the Assignments were listed; that is tried in the
// background, after a second and then less and less often, up to once a minute, and
// by [Registry.Refresh]. [Registry.Discovered] tells whether it was done, and the
// observer is told by an [outcome.EventRefreshed].
//
// What options and policies name must be there then, as it must for Discover:
// otherwise no tool is offered, and an error is logged each time it was tried.
// Until then no policy is asked either, since a name that nothing has may be that of
// a guard: requests of Jobs that were taken up wait, but for those that had been
// suspended, which [Registry.Decide] answers. What was decided before is sent.
func DiscoverLater() Option {
	return optionFunc(func(c *config) error { c.later = true; return nil })
}

// How often it is tried to discover what could not be discovered at first.
const (
	laterFirst   = time.Second
	laterLongest = time.Minute
	laterTakeUp  = time.Minute // bounds reading the journal where the context has ended
)

// Discovered reports whether the Assignments were listed: always, but for a
// registry that was made with [DiscoverLater].
func (r *Registry) Discovered() bool { return r.discovered() }

func (r *Registry) discovered() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.catalog.byID != nil
}

// firstCatalog discovers what there is, or leaves that for later where it may.
func (r *Registry) firstCatalog(ctx context.Context) error {
	<-r.turn
	cat, done, err := r.discoverWithin(ctx)
	defer done()
	if err != nil && r.cfg.later && mayPass(err) && !errors.Is(ctx.Err(), context.Canceled) {
		r.log.ErrorContext(ctx, "duvotool: the Assignments cannot be listed; there are no tools until they are", "error", hitl.SafeLine(err.Error(), 500))
		r.catalog = catalog{bound: r.cfg.bind(nil, nil, nil), index: sync.OnceValue(func() *search.Index { return newIndex(nil) })}
		return nil
	}
	if err != nil {
		return err
	}
	if missing, _ := r.checkNames(cat); len(missing) > 0 {
		return unmatchedError(missing)
	}
	r.catalog = cat
	close(r.listed)
	if len(cat.tools) == 0 {
		r.log.WarnContext(ctx, "duvotool: no Assignments found", "kept by", fmt.Sprint(r.cfg.keep))
	}
	return nil
}

func unmatchedError(missing []error) error {
	return errtext.Errorf("duvotool: %w; correct it, or where it may be missing say so with Optional", oneLine(missing))
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

// discoverUntilFound refreshes until the Assignments were listed, or ctx ends.
func (r *Registry) discoverUntilFound(ctx context.Context) {
	for pause := laterFirst; !r.discovered(); pause = min(2*pause, laterLongest) {
		if !pauseFor(ctx, pause-pause/10+rand.N(pause/5+1)) || r.discovered() {
			return
		}
		if err := r.refreshSafely(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("duvotool: the Assignments cannot be listed yet; there are no tools until they are", "error", hitl.SafeLine(err.Error(), 500))
		}
	}
}

// onceNamesAreChecked is the policy of a Job that was taken up before anybody could
// tell whether what policies and options name is there.
type onceNamesAreChecked struct {
	reg *Registry
	p   hitl.Policy
}

// Decide waits for the first discovery, and asks the policy then.
func (o onceNamesAreChecked) Decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	select {
	case <-o.reg.listed:
		return o.p.Decide(ctx, req)
	case <-ctx.Done():
		return hitl.Decision{}, context.Cause(ctx)
	}
}

// Vetoes asks the policy.
func (o onceNamesAreChecked) Vetoes(req hitl.Request) bool { return hitl.Vetoes(o.p, req) }

// Foresee asks the policy.
func (o onceNamesAreChecked) Foresee(req hitl.Request, at time.Time) (hitl.Verdict, bool) {
	return hitl.Foresee(o.p, req, at)
}

// String is the policy's.
func (o onceNamesAreChecked) String() string { return hitl.SafePolicyName(o.p) }
