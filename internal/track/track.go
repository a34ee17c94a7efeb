// Package track lets policies start goroutines that the registry waits for and
// names when it is closed.
package track

import "context"

// A Tracker counts what runs.
type Tracker interface {
	// Begin notes that something of this name runs; end notes that it is over.
	Begin(name string) (end func())
}

type key struct{}

// With returns a context whose goroutines t counts.
func With(ctx context.Context, t Tracker) context.Context { return context.WithValue(ctx, key{}, t) }

// Go runs f in a goroutine, counted where the context has a tracker.
func Go(ctx context.Context, name string, f func()) {
	end := func() {}
	if t, ok := ctx.Value(key{}).(Tracker); ok {
		end = t.Begin(name)
	}
	go func() {
		defer end()
		f()
	}()
}
