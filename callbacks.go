package duvotool

import (
	"context"
	"errors"

	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/outcome"
)

// callbackStart tells langchaingo's handler that a tool call begins, and
// returns what tells its end. A panic of the handler is logged and changes
// nothing.
func (r *Registry) callbackStart(ctx context.Context, input string) (end func(out string, err error)) {
	h := r.cfg.callbacks
	if h == nil {
		return func(string, error) {}
	}
	safely := func(f func()) {
		if err := guard.Run(errCallbacks, func() error { f(); return nil }); err != nil {
			r.log.ErrorContext(ctx, "duvotool: a tool call was not told to the callbacks handler", "error", err.Error())
		}
	}
	safely(func() { h.HandleToolStart(ctx, input) })
	return func(out string, err error) {
		safely(func() {
			if err != nil {
				h.HandleToolError(ctx, outcome.CloneError(err))
				return
			}
			h.HandleToolEnd(ctx, out)
		})
	}
}

// tellEvent returns what the events go to: the observer, and langchaingo's
// handler, to which each is a line of text. Nil: nobody wants them.
func (r *Registry) tellEvent() func(outcome.Event) {
	observer, h := r.cfg.observer, r.cfg.callbacks
	switch {
	case h == nil:
		return observer
	case observer == nil:
		return func(e outcome.Event) { h.HandleText(e.Context(), e.String()) }
	}
	return func(e outcome.Event) {
		defer h.HandleText(e.Context(), e.String()) // also if the observer panics
		observer(e)
	}
}

var errCallbacks = errors.New("the callbacks handler panicked")
