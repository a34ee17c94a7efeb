package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/runscope"
	"github.com/duvotool/duvotool/outcome"
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

// KeyIn returns the key of WithKey; empty: there is none.
func KeyIn(ctx context.Context) string {
	key, _ := ctx.Value(opKey{}).(string)
	return key
}

// WithScope tells the operation scope of calls.
func WithScope(ctx context.Context, scope string) context.Context {
	return context.WithValue(ctx, scopeKey{}, scope)
}

// WithFilesOf tells the files of a call.
func WithFilesOf(ctx context.Context, files fs.FS) context.Context {
	return context.WithValue(ctx, filesKey{}, files)
}

// A callKey is the operation key of a call.
type callKey struct {
	key   string
	exact bool   // it stands for this very input
	fresh bool   // nobody has called with it before
	known bool   // it is good for an operation that is there, and begins none
	own   string // the caller's, where the operation has that of its scope; empty: none
	scope string // of the operation, where it is begun
	stale bool   // an alias of long ago led to it
}

// onceInScope reports whether the operation is the one of its Assignment in its
// scope, whatever the input.
func (op *operation) onceInScope() bool {
	id := op.work.Assignment.ID
	return op.order.Scope != "" && (op.order.Key == onceKey(op.order.Scope, strings.ToLower(id)) || op.order.Key == onceKey(op.order.Scope, id))
}

func onceKey(scope, assignment string) string {
	return scopePrefix + digest.Of("once", scope, assignment)
}

// startInput is what the Job of a call was, or is to be, started with.
func startInput(ctx context.Context, input string, follow *lifecycle.FollowUp) string {
	if follow == nil {
		return input
	}
	start, _ := ctx.Value(startKey{}).(string)
	return start
}

// keyFor makes the operation key of a call.
func keyFor(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp) (callKey, error) {
	refuse := func(err error) (callKey, error) {
		return callKey{}, &outcome.JobError{Phase: outcome.PhaseNew, Assignment: w.Assignment.Name, Err: err}
	}
	if scope, _ := ctx.Value(scopeKey{}).(string); !utf8.ValidString(callerOf(ctx).Tenant) || !utf8.ValidString(scope) {
		return refuse(fmt.Errorf("%w: the tenant or the operation scope is not valid UTF-8", duvo.ErrInvalid))
	}
	own := ""
	if v := ctx.Value(opKey{}); v != nil {
		if own = v.(string); own == "" || len(own) > maxKey || !utf8.ValidString(own) {
			return refuse(fmt.Errorf("%w: the operation key has %d bytes; 1 to %d of UTF-8 are allowed", duvo.ErrInvalid, len(own), maxKey))
		}
	}
	switch once, v := w.Settings.OncePerScope && follow == nil, ctx.Value(scopeKey{}); {
	case own != "" && !once:
		return callKey{key: own, exact: true}, nil
	case own != "" && v == nil:
		return callKey{key: own, own: own, known: true, exact: true}, nil
	case v != nil:
		scope := v.(string)
		if scope == "" || len(scope) > maxKey {
			return refuse(fmt.Errorf("%w: the operation scope has %d bytes; 1 to %d are allowed", duvo.ErrInvalid, len(scope), maxKey))
		}
		switch {
		case follow != nil:
			return callKey{key: scopePrefix + digest.Of("follow-up", scope, follow.Job, follow.Turn, input), exact: true}, nil
		case w.Settings.OncePerScope:
			return callKey{key: onceKey(scope, w.Assignment.ID), own: own}, nil
		}
		return callKey{key: scopePrefix + digest.Of("call", scope, w.Assignment.ID, input), exact: true}, nil
	}
	if w.Settings.OncePerScope && follow == nil {
		return refuse(outcome.ErrNoScope)
	}
	if run := runscope.Of(ctx); run != "" {
		if follow != nil {
			return callKey{key: scopePrefix + digest.Of("run's follow-up", run, follow.Job, follow.Turn, input), exact: true}, nil
		}
		return callKey{key: scopePrefix + digest.Of("run", run, w.Assignment.ID, input), exact: true}, nil
	}
	return callKey{key: freshPrefix + rand.Text(), exact: true, fresh: true}, nil
}

type filesKey struct{}

const (
	freshPrefix = "once-"  // keys that no context asked for; a caller's may begin so too
	scopePrefix = "scope-" // keys made of a scope and a call; a caller's may begin so too
	maxKey      = 1024     // bytes of a caller's key or scope
)

// reword gives an operation another input, if a run with the one it has has
// proved that it starts nothing.
func (op *operation) reword(input string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	r := &op.state.Record
	if op.busyLocked() || r.Result != nil || !startedNothing(r) || r.Order.After != nil || op.ended == 0 || r.Order.Input == input {
		return
	}
	order := *r.Order
	order.Input = input
	op.moreLocked().next = &order
}
