// Package pause lets a transport that has a way to open first do so on time of its
// own: the timeout of the request that waits for it does not run meanwhile.
package pause

import (
	"context"
	"sync"
	"time"
)

type key struct{}

// A timed is a context that ends after a timeout, less the time in which it is paused.
type timed struct {
	context.Context
	timeout time.Duration
	timer   *time.Timer

	mu sync.Mutex
	by time.Time // zero: it is paused
}

// WithTimeout returns a context that ends after a timeout, for this reason, unless it
// is paused. stop must be called.
func WithTimeout(ctx context.Context, timeout time.Duration, reason error) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := &timed{Context: ctx, timeout: timeout, by: time.Now().Add(timeout)}
	t.timer = time.AfterFunc(timeout, func() { cancel(reason) })
	return t, func() {
		t.timer.Stop()
		cancel(nil)
	}
}

// Value implements context.Context.
func (t *timed) Value(k any) any {
	if k == (key{}) {
		return t
	}
	return t.Context.Value(k)
}

// Deadline implements context.Context. While the context is paused it is that of the
// one that it was made from.
func (t *timed) Deadline() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	by, ok := t.Context.Deadline()
	if t.by.IsZero() || ok && by.Before(t.by) {
		return by, ok
	}
	return t.by, true
}

// Begin stops the clock of a context of [WithTimeout]. It begins anew, with the whole
// timeout, when end is called, which must be before anybody pauses again. Of any other
// context Begin does nothing.
func Begin(ctx context.Context) (end func()) {
	t, ok := ctx.Value(key{}).(*timed)
	if !ok || !t.timer.Stop() { // or it has ended
		return func() {}
	}
	t.set(time.Time{})
	return func() {
		t.set(time.Now().Add(t.timeout))
		t.timer.Reset(t.timeout)
	}
}

func (t *timed) set(by time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.by = by
}
