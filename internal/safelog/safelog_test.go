package safelog_test

import (
	"bytes"
	"context"
	"log/slog"
	"runtime"
	"testing"

	"github.com/duvotool/duvotool/internal/safelog"
	"github.com/stretchr/testify/require"
)

// breaking is a handler that does its harm in one of its methods.
type breaking struct {
	slog.Handler
	where string
	harm  func()
}

func (b breaking) at(where string) {
	if b.where == where {
		b.harm()
	}
}
func (b breaking) Enabled(context.Context, slog.Level) bool {
	b.at("Enabled")
	return true
}
func (b breaking) Handle(ctx context.Context, r slog.Record) error {
	b.at("Handle")
	return b.Handler.Handle(ctx, r)
}
func (b breaking) WithAttrs(attrs []slog.Attr) slog.Handler {
	b.at("WithAttrs")
	return breaking{b.Handler.WithAttrs(attrs), b.where, b.harm}
}
func (b breaking) WithGroup(name string) slog.Handler {
	b.at("WithGroup")
	return breaking{b.Handler.WithGroup(name), b.where, b.harm}
}

// Whatever of a handler panics or ends its goroutine, its caller goes on, also with
// the loggers that were made of the first.
func TestHandlersThatBreak(t *testing.T) {
	for name, harm := range map[string]func(){"panics": func() { panic("boom") }, "exits": runtime.Goexit} {
		for _, where := range []string{"Enabled", "Handle", "WithAttrs", "WithGroup", "nowhere"} {
			var out bytes.Buffer
			l := safelog.New(slog.New(breaking{slog.NewTextHandler(&out, nil), where, harm}))
			went := make(chan bool, 1)
			go func() {
				defer close(went)
				for _, l := range []*slog.Logger{l, l.With("a", 1), l.WithGroup("g"), l.With("a", 1).WithGroup("g")} {
					l.Info("a line")
				}
				went <- true
			}()
			require.True(t, <-went, "%s in %s", name, where)
			if where == "nowhere" {
				require.Equal(t, 4, bytes.Count(out.Bytes(), []byte("a line")))
				require.Equal(t, 2, bytes.Count(out.Bytes(), []byte("a=1")))
			}
		}
	}
}
