// Package pause lets a transport that has a way to open first do so on time of its
// own: the timeout of the request that waits for it does not run meanwhile.
package pause

import (
	"context"
	"time"
)

type key struct{}

// WithTimeout returns a context that ends after a timeout, for this reason, less the
// time in which it is paused. stop must be called.
func WithTimeout(ctx context.Context, timeout time.Duration, reason error) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(timeout, func() { cancel(reason) })
	pause := func() func() {
		if !timer.Stop() {
			return func() {} // it has ended
		}
		return func() { timer.Reset(timeout) }
	}
	return context.WithValue(ctx, key{}, pause), func() {
		timer.Stop()
		cancel(nil)
	}
}

// Begin stops the clock of a context of [WithTimeout], which begins anew with what it
// returns; that must be called, before anybody pauses again. Of any other context it
// does nothing.
func Begin(ctx context.Context) (end func()) {
	if pause, ok := ctx.Value(key{}).(func() func()); ok {
		return pause()
	}
	return func() {}
}
