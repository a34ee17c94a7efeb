package engine

import (
	"context"
	"io/fs"

	"github.com/duvotool/duvotool/hitl"
)

func callerOf(ctx context.Context) hitl.Caller {
	c, _ := ctx.Value(callerKey{}).(hitl.Caller)
	return c
}

type (
	callerKey struct{}
	opKey     struct{}
	scopeKey  struct{}
	startKey  struct{} // of a follow-up: what its Job was started with
)

// WithCallerOf tells for whom calls are made.
func WithCallerOf(ctx context.Context, c hitl.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// WithKey tells the operation key of a call.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, opKey{}, key)
}

// WithScope tells the operation scope of calls.
func WithScope(ctx context.Context, scope string) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope)
}

// WithFilesOf tells the files of a call.
func WithFilesOf(ctx context.Context, files fs.FS) context.Context {
	return context.WithValue(ctx, filesKey{}, files)
}
