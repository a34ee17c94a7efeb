package duvotool

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/outcome"
)

// refreshAlways begins what WithRefreshEvery asks for. It is the last step of
// Discover.
func (r *Registry) refreshAlways() {
	if r.cfg.refresh == 0 || !r.life.Enter() {
		return
	}
	ctx, cancel := context.WithCancel(duvo.WithPriority(context.Background(), duvo.Background))
	r.stopRefresh = cancel
	go func() {
		defer r.life.Leave()
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
		r.log.Warn("duvotool: refreshing in the background", "error", hitl.SafeLine(err.Error(), 500))
	}
	return ctx.Err() == nil
}

// refreshSafely keeps a panic of a backend from ending the process.
func (r *Registry) refreshSafely(ctx context.Context) error {
	return guard.Run(errBackend, func() error {
		_, err := r.Refresh(ctx)
		return err
	})
}

// tellChanges tells the observer what a refresh found.
func (r *Registry) tellChanges(ctx context.Context, c outcome.Changes) {
	if c.Empty() {
		return
	}
	r.log.InfoContext(ctx, "duvotool: the Assignments have changed", "changes", c.String())
	c = c.Clone() // the observer's own
	r.eng.Tell(outcome.Event{Kind: outcome.EventRefreshed, At: time.Now(), Changes: &c}.WithContext(context.WithoutCancel(ctx)))
}

// warnUnmatched logs what options and policies name in vain since a refresh.
func (r *Registry) warnUnmatched(ctx context.Context, c outcome.Changes, lasting []string) {
	for _, problem := range c.Unmatched {
		r.log.WarnContext(ctx, "duvotool: something that an option or a policy names is gone; correct it before the next start, which refuses it", "problem", problem)
	}
	for _, selector := range lasting {
		r.log.WarnContext(ctx, "duvotool: a selector holds for nothing but Assignments that were renamed or moved; correct it before the next start, which refuses it",
			"selector", selector)
	}
}

// accept reports whether a tool may be offered, and notes it either way.
func (cat *catalog) accept(cfg config, before catalog, t *Tool) bool {
	if cfg.accept == nil {
		return true
	}
	if cat.accepted == nil {
		cat.accepted = map[string]*Tool{}
	}
	id := strings.ToLower(t.work.Assignment.ID)
	was := before.accepted[id]
	change := outcome.Change{After: t.work.Assignment, NameAfter: t.work.Name}
	if was != nil {
		cat.accepted[id] = was // unless the new one is
		change.Before, change.NameBefore = was.work.Assignment, was.work.Name
	}
	ok := was != nil && sameAssignment(was.work.Assignment, t.work.Assignment)
	if !ok {
		ok = guard.Run(errAcceptPanic, func() error {
			if !cfg.accept(change.Clone()) {
				return errHeldBack
			}
			return nil
		}) == nil
	}
	if !ok {
		cat.held = append(cat.held, t.work.Assignment)
		return false
	}
	cat.accepted[id] = t
	return true
}

var (
	errAcceptPanic = errors.New("duvotool: the function of WithAcceptance panicked")
	errHeldBack    = errors.New("duvotool: the Assignment is held back")
)

var errBackend = errors.New("duvotool: the backend panicked")
