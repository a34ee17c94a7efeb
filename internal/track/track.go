// Package track lets policies start goroutines that the registry waits for and
// names when it is closed.
package track

import "context"

// A Tracker counts what runs.
type Tracker interface {
	// Begin notes that something is about to run; end notes that it is over.
	Begin() (end func())
	// Callback notes that something of this name runs in the goroutine that calls it,
	// and is to end with ctx.
	Callback(ctx context.Context, name string) (end func())
}

type key struct{}

// With returns a context whose goroutines t counts.
func With(ctx context.Context, t Tracker) context.Context { return context.WithValue(ctx, key{}, t) }

// Go runs f in a goroutine, counted where the context has a tracker.
func Go(ctx context.Context, name string, f func()) {
	t, ok := ctx.Value(key{}).(Tracker)
	if !ok {
		go f()
		return
	}
	end := t.Begin()
	go func() {
		defer end()
		defer t.Callback(ctx, name)()
		f()
	}()
}
