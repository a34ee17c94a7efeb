package duvotool

import (
	"context"
	"io/fs"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
)

// WithCaller returns a context for calls made for c.
func WithCaller(ctx context.Context, c hitl.Caller) context.Context {
	return engine.WithCallerOf(ctx, c)
}

// WithOperationKey returns a context for one call. Calls with the same key,
// Assignment and input are one operation: they share one Job and get the same
// Result, at once or later. The same key with another Assignment or input is
// refused with [outcome.ErrKeyReused]. The key of a [outcome.JobError] takes that
// call up again. The Key of a Result that ended a call without a key or scope is
// for logs only: it may be forgotten at once, and would then begin another
// operation. Keys are remembered for the life of the registry, see
// [WithRetention].
//
// Use what names the work in the host program, such as an order number, so that
// the same work has the same key whoever asks for it; asked for in other words, it
// is refused, and no second Job starts. The ID of a model's tool call is new each
// time that the model repeats itself: with such a key a repeated call is another
// operation. Do not give a whole agent run one key; that is what
// [WithOperationScope] is for.
//
// A key never makes more Jobs of what [OncePerScope] allows one of: there the
// scope wins.
func WithOperationKey(ctx context.Context, key string) context.Context {
	return engine.WithKey(ctx, key)
}

// WithOperationScope returns a context for one agent run, such as an
// executor's: within the scope, a call that repeats an Assignment and input is
// the earlier operation, and gets its Result instead of a second Job. With
// [OncePerScope] that holds whatever the input, and whatever [WithOperationKey]
// says; without it a key that is given for one call says which operation it is.
//
// The ID should be new for each conversation or task. Two runs with the same
// ID share their Jobs.
func WithOperationScope(ctx context.Context, id string) context.Context {
	return engine.WithScope(ctx, id)
}

// WithFiles returns a context for one call, whose Job finds these files in its
// sandbox; see [duvo.Client.StageFiles] for what is taken. They come from the
// host program, never from the model. It needs a backend that is a
// [FileStager].
//
// The files are staged by the first call of an operation, before its Job is
// started. They are not part of what an operation key stands for: a call that
// repeats another stages nothing.
func WithFiles(ctx context.Context, files fs.FS) context.Context {
	return engine.WithFilesOf(ctx, files)
}
