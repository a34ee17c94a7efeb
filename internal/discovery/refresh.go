package discovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/outcome"
)

// Refresh reads the catalog again and offers what it has found. On an error
// everything stays as it was. One is under way at a time; others wait for it. Each
// ends with its context, and with an error that matches [outcome.ErrClosed] when Close
// begins.
func (d *Discovery) Refresh(ctx context.Context) (outcome.Changes, error) {
	if !d.Life.Enter() {
		return outcome.Changes{}, outcome.ErrClosed
	}
	defer d.Life.Leave()
	ctx, cancel := d.untilClosed(ctx)
	defer cancel()
	select {
	case <-d.turn:
	case <-ctx.Done():
		return outcome.Changes{}, ended(ctx)
	}
	now, done, err := d.within(ctx)
	defer done()
	if err != nil {
		return outcome.Changes{}, err
	}
	missing := now.CheckNames(d.Rules, d.book)
	first := !d.Done()
	if first && len(missing) > 0 {
		return outcome.Changes{}, catalog.Unmatched(missing)
	}
	before := d.Latest()
	d.Offer(now)
	if first { // and nobody else has the turn
		close(d.listed)
	}
	c := catalog.Changes(before, now)
	d.warnUnmatched(ctx, c, catalog.NewOnes(before.Lasting, now.Lasting))
	c = c.Clone()
	if !c.Empty() {
		d.Log.InfoContext(ctx, "duvotool: the Assignments have changed", "changes", c.String())
		d.Tell(ctx, c.Clone())
	}
	return c, nil
}

// untilClosed returns a context that ends with ctx and when Close begins.
func (d *Discovery) untilClosed(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(d.closing, func() { cancel(outcome.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Begin does in the background what is asked for: it reads until there is a catalog,
// and then again and again.
func (d *Discovery) Begin() {
	if d.Every == 0 && d.Done() || !d.Life.Enter() {
		return
	}
	ctx := duvo.WithPriority(d.closing, duvo.Background)
	go func() {
		defer d.Life.Leave()
		if d.untilFound(ctx); d.Every == 0 {
			return
		}
		for d.next(ctx) {
		}
	}()
}

// next waits for the next time and refreshes. It returns false at the
// end of the registry.
func (d *Discovery) next(ctx context.Context) bool {
	every := d.Every
	if !pauseFor(ctx, every-every/10+rand.N(every/5+1)) {
		return false
	}
	if err := d.safely(ctx); err != nil && ctx.Err() == nil {
		d.Log.Warn("duvotool: refreshing in the background", "error", hitl.SafeLine(err.Error(), 500))
	}
	return ctx.Err() == nil
}

// pauseFor waits, and returns false if ctx ended meanwhile.
func pauseFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// safely keeps a panic of a backend from ending the process.
func (d *Discovery) safely(ctx context.Context) error {
	return guard.Run(errBackend, func() error {
		_, err := d.Refresh(ctx)
		return err
	})
}

// warnUnmatched logs what options and policies name in vain since a refresh.
func (d *Discovery) warnUnmatched(ctx context.Context, c outcome.Changes, lasting []string) {
	for _, problem := range c.Unmatched {
		d.Log.WarnContext(ctx, "duvotool: something that an option or a policy names is gone; correct it before the next start, which refuses it", "reason", problem)
	}
	for _, selector := range lasting {
		d.Log.WarnContext(ctx, "duvotool: a selector holds for nothing but Assignments that were renamed or moved; correct it before the next start, which refuses it",
			"selector", selector)
	}
}

var errBackend = errors.New("duvotool: the backend panicked")
