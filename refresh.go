package duvotool

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/outcome"
)

// Refresh lists the Assignments again, and tells the observer what changed.
// Tools handed out before keep their names and options, and their
// [Tool.Description] is the new one: an agent that reads it at each turn needs
// no restart. One whose Assignment is gone answers the model that it is. A name
// that has stood for one Assignment is no other's for as long as the registry
// lives: where two swap their names in Duvo, their tools get suffixes. On an
// error everything stays as it was. See [WithRefreshEvery].
//
// One Refresh is under way at a time; others wait for it. Each ends with its
// context, and with an error that matches [outcome.ErrClosed] when Close begins.
//
// That something which an option or a policy names is gone is no error: it is
// logged as a warning and told by [outcome.Changes.Unmatched]. An Assignment that was
// renamed or moved keeps what [Configure] had set for it. Only in the first
// discovery of a registry that was made with [DiscoverLater] it is an error, as it
// is of [Discover].
func (r *Registry) Refresh(ctx context.Context) (outcome.Changes, error) {
	if !r.life.Enter() {
		return outcome.Changes{}, outcome.ErrClosed
	}
	defer r.life.Leave()
	ctx, cancel := r.untilClosed(ctx)
	defer cancel()
	select {
	case <-r.turn:
	case <-ctx.Done():
		return outcome.Changes{}, discoveryEnded(ctx)
	}
	now, done, err := r.discoverWithin(ctx)
	defer done()
	if err != nil {
		return outcome.Changes{}, err
	}
	missing, lasting := r.checkNames(now)
	first := !r.discovered()
	if first && len(missing) > 0 {
		return outcome.Changes{}, unmatchedError(missing)
	}
	now.missing, now.lasting = problems(missing), lasting
	r.mu.Lock()
	before := r.catalog
	r.catalog = now
	r.mu.Unlock()
	if first { // and nobody else has the turn
		close(r.listed)
	}
	c := changes(before, now)
	r.warnUnmatched(ctx, c, newOnes(before.lasting, now.lasting))
	c = c.Clone()
	r.tellChanges(ctx, c)
	return c, nil
}

// untilClosed returns a context that ends with ctx and when Close begins.
func (r *Registry) untilClosed(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.closing, func() { cancel(outcome.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// discoverWithin is discover for who holds the turn, and returns when ctx ends,
// whatever the backend does. The turn is given back by done, or, where the backend
// still runs, once that has ended; then nothing comes of what it finds.
func (r *Registry) discoverWithin(ctx context.Context) (cat catalog, done func(), err error) {
	type found struct {
		cat catalog
		err error
	}
	back := make(chan found, 1)
	r.life.Again()
	go func() {
		defer r.life.Leave()
		defer r.life.Callback("backend")()
		f := found{err: errDiscoverPanic}
		defer func() { back <- f }()
		f.cat, f.err = r.discover(ctx)
	}()
	giveBack := func() { r.turn <- struct{}{} }
	select {
	case f := <-back:
		return f.cat, giveBack, f.err
	case <-ctx.Done():
	}
	r.life.Again()
	go func() {
		defer r.life.Leave()
		<-back
		giveBack()
	}()
	return catalog{}, func() {}, discoveryEnded(ctx)
}

func discoveryEnded(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), outcome.ErrClosed) {
		return outcome.ErrClosed
	}
	return errtext.Errorf("duvotool: discovering Assignments: %w", context.Cause(ctx))
}

// changes tells what differs between two catalogs.
func changes(before, now catalog) outcome.Changes {
	c := outcome.Changes{Unmatched: newOnes(before.missing, now.missing)}
	for _, t := range now.tools {
		old, ok := before.byID[strings.ToLower(t.work.Assignment.ID)]
		switch {
		case !ok:
			c.Added = append(c.Added, t.work.Assignment)
		case old.work.Name != t.work.Name || old.description != t.description || !sameAssignment(old.work.Assignment, t.work.Assignment):
			c.Changed = append(c.Changed, outcome.Change{Before: old.work.Assignment, After: t.work.Assignment, NameBefore: old.work.Name, NameAfter: t.work.Name})
		}
	}
	for _, t := range before.tools {
		if now.byID[strings.ToLower(t.work.Assignment.ID)] == nil {
			c.Removed = append(c.Removed, t.work.Assignment)
		}
	}
	c.Collided = newOnes(before.collided, now.collided)
	c.Held = now.held
	return c
}

// newOnes are those that were not there before.
func newOnes(before, now []string) (out []string) {
	for _, n := range now {
		if !slices.Contains(before, n) {
			out = append(out, n)
		}
	}
	return out
}

func sameAssignment(a, b duvo.Assignment) bool {
	build := func(a duvo.Assignment) duvo.Build {
		if a.LatestBuild == nil {
			return duvo.Build{}
		}
		return *a.LatestBuild
	}
	x, y := build(a), build(b)
	return a.Name == b.Name && a.FolderID == b.FolderID && x.ID == y.ID && x.Description == y.Description
}

// refreshAlways begins what WithRefreshEvery and DiscoverLater ask for. It is the
// last step of Discover.
func (r *Registry) refreshAlways() {
	if r.cfg.refresh == 0 && r.discovered() || !r.life.Enter() {
		return
	}
	ctx := duvo.WithPriority(r.closing, duvo.Background)
	go func() {
		defer r.life.Leave()
		if r.discoverUntilFound(ctx); r.cfg.refresh == 0 {
			return
		}
		for r.refreshNext(ctx) {
		}
	}()
}

// refreshNext waits for the next time and refreshes. It returns false at the
// end of the registry.
func (r *Registry) refreshNext(ctx context.Context) bool {
	d := r.cfg.refresh
	if !pauseFor(ctx, d-d/10+rand.N(d/5+1)) {
		return false
	}
	if err := r.refreshSafely(ctx); err != nil && ctx.Err() == nil {
		r.log.Warn("duvotool: refreshing in the background", "error", hitl.SafeLine(err.Error(), 500))
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
