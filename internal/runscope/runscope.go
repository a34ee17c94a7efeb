// Package runscope carries the run of an agent from the adapter that knows it
// to the registry. It is weaker than a scope that the host program gave: it
// keeps a run from starting the same work twice, and answers for nothing else.
package runscope

import "context"

type key struct{}

// With returns a context for the calls of one run.
func With(ctx context.Context, run string) context.Context {
	return context.WithValue(ctx, key{}, run)
}

// Of returns the run, or nothing.
func Of(ctx context.Context) string {
	run, _ := ctx.Value(key{}).(string)
	return run
}
