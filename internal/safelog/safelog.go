// Package safelog keeps what a program's log handler does from ending a Job, or
// the process.
package safelog

import (
	"context"
	"errors"
	"log/slog"

	"github.com/duvotool/duvotool/internal/guard"
)

// New returns a logger to the same place, also what is made of it with attributes
// and groups: a line that its handler panics at is lost.
func New(l *slog.Logger) *slog.Logger {
	if l.Handler() == slog.DiscardHandler { // harmless, and asked often
		return l
	}
	return slog.New(handler{l.Handler()})
}

type handler struct{ inner slog.Handler }

var errLogger = errors.New("duvotool: the log handler panicked")

func (h handler) Enabled(ctx context.Context, level slog.Level) (is bool) {
	err := guard.Run(errLogger, func() error { is = h.inner.Enabled(ctx, level); return nil })
	return is && err == nil
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	return guard.Run(errLogger, func() error { return h.inner.Handle(ctx, r) })
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.made(func() slog.Handler { return h.inner.WithAttrs(attrs) })
}

func (h handler) WithGroup(name string) slog.Handler {
	return h.made(func() slog.Handler { return h.inner.WithGroup(name) })
}

// made returns what a handler makes of itself, or h where it panics or makes none.
func (h handler) made(of func() slog.Handler) slog.Handler {
	var out slog.Handler
	if err := guard.Run(errLogger, func() error { out = of(); return nil }); err != nil || out == nil {
		return h
	}
	return handler{out}
}
