package duvotool

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// WithRefreshEvery refreshes the registry in the background, about every d, until
// it is closed: as [Registry.Refresh] does, at low priority, with d give or take
// a tenth, so that many programs do not come at once. An error is logged, and the
// registry stays as it was until the next time. Changes are told to the observer
// by [EventRefreshed]. The default is to refresh only when asked to.
func WithRefreshEvery(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithRefreshEvery: %v is not positive", d)
		}
		c.refresh = d
		return nil
	})
}

// refreshAlways begins what WithRefreshEvery asks for. It is the last step of
// Discover.
func (r *Registry) refreshAlways() {
	if r.cfg.refresh == 0 || !r.life.enter() {
		return
	}
	ctx, cancel := context.WithCancel(duvo.WithPriority(context.Background(), duvo.Background))
	r.stopRefresh = cancel
	go func() {
		defer r.life.leave()
		for r.refreshNext(ctx) {
		}
	}()
}

// refreshNext waits for the next time and refreshes. It returns false at the
// end of the registry.
func (r *Registry) refreshNext(ctx context.Context) bool {
	d := r.cfg.refresh
	timer := time.NewTimer(d - d/10 + rand.N(d/5+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	if err := r.refreshSafely(ctx); err != nil && ctx.Err() == nil {
		r.log.Warn("duvotool: refreshing in the background", "error", SafeLine(err.Error(), 500))
	}
	return ctx.Err() == nil
}

// refreshSafely keeps a panic of a backend from ending the process.
func (r *Registry) refreshSafely(ctx context.Context) (err error) {
	defer recoverAs(&err, errBackendPanic)
	_, err = r.Refresh(ctx)
	return err
}

// tellChanges tells the observer what a refresh found.
func (r *Registry) tellChanges(ctx context.Context, c Changes) {
	if c.Empty() {
		return
	}
	r.log.InfoContext(ctx, "duvotool: the Assignments have changed", "changes", c.String())
	c = Changes{slices.Clone(c.Added), slices.Clone(c.Removed), slices.Clone(c.Changed), slices.Clone(c.Collided)} // the observer's own
	r.events.send(Event{ctx: context.WithoutCancel(ctx), Kind: EventRefreshed, At: time.Now(), Changes: &c})
}

// String tells the changes on one line that is safe to print.
func (c Changes) String() string {
	if c.Empty() {
		return "no changes"
	}
	return fmt.Sprintf("%d added, %d removed, %d changed, %d names collide", len(c.Added), len(c.Removed), len(c.Changed), len(c.Collided))
}
