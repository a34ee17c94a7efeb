package duvotool

import (
	"context"
	"errors"
	"log/slog"

	"github.com/duvotool/duvotool/internal/guard"
)

// safeLogger keeps what a program's log handler does from ending a Job, or the
// process: a line that it panics at is lost.
func safeLogger(l *slog.Logger) *slog.Logger { return slog.New(safeHandler{l.Handler()}) }

type safeHandler struct{ slog.Handler }

var errLogger = errors.New("duvotool: the log handler panicked")

func (h safeHandler) Enabled(ctx context.Context, level slog.Level) (is bool) {
	err := guard.Run(errLogger, func() error { is = h.Handler.Enabled(ctx, level); return nil })
	return is && err == nil
}

func (h safeHandler) Handle(ctx context.Context, r slog.Record) error {
	return guard.Run(errLogger, func() error { return h.Handler.Handle(ctx, r) })
}
