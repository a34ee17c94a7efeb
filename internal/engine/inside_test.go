package engine

import (
	"context"
	"log/slog"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/stretchr/testify/require"
)

// These look at moments between two steps that no caller can hit on purpose.

// oneWork is a catalog of one work.
type oneWork struct{ w *Work }

func (o oneWork) Offered(string) bool                            { return true }
func (o oneWork) WorkFor(duvo.Assignment, string) (*Work, error) { return o.w, nil }

func emptyOperation(t *testing.T, retention time.Duration) (*Engine, *operation) {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Description: "Refunds orders."}))
	t.Cleanup(d.Close)
	w := &Work{Name: "refunds", Settings: Settings{Policy: hitl.AlwaysDeny(), MaxInput: 1000, MaxMessages: 1000}}
	for a, err := range d.Client().Assignments(t.Context()) {
		require.NoError(t, err)
		w.Assignment = a
	}
	life := lifetime.NewLifetime()
	eng := New(d.Client(), Config{Retention: retention, PostTimeout: time.Second, Settle: time.Second}, slog.New(slog.DiscardHandler), life, nil, oneWork{w})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		life.Close()
		require.NoError(t, eng.Close(ctx))
	})
	op, _, err := eng.ops.open(t.Context(), w, "x", nil)
	require.NoError(t, err)
	return eng, op
}

// TestForgettingSparesWhatIsAboutToBegin: Close would not find it.
func TestForgettingSparesWhatIsAboutToBegin(t *testing.T) {
	eng, op := emptyOperation(t, time.Nanosecond)
	left := func() int {
		eng.ops.mu.Lock()
		defer eng.ops.mu.Unlock()
		eng.ops.sweep()
		return len(eng.ops.byKey)
	}
	require.Equal(t, 1, left())
	op.ended = time.Now().Add(-time.Hour).UnixNano()
	require.Zero(t, left())
}

// TestACallThatComesAsAnotherEnds: what all callers are told is not for one whose
// call has not been taken in yet.
func TestACallThatComesAsAnotherEnds(t *testing.T) {
	_, op := emptyOperation(t, time.Hour)
	ctx, leave := context.WithCancel(t.Context())
	first := op.join(ctx)
	second := &call{id: first.id + 1, ctx: t.Context(), answer: make(chan answer, 1)}
	op.mu.Lock()
	op.calls = append(op.calls, second)
	op.mu.Unlock()
	leave()
	require.Error(t, op.leave(ctx, first))
	require.NoError(t, op.await(t.Context(), func(s *lifecycle.State) bool { return !s.Live.Running }))
	require.Empty(t, second.answer, "it has not left")
	require.Len(t, op.calls, 1)
	require.Error(t, op.leave(t.Context(), second))
}

// TestEveryNoticeIsTold: one without a case would become an event of no kind.
func TestEveryNoticeIsTold(t *testing.T) {
	effects, err := os.ReadFile("../lifecycle/effect.go")
	require.NoError(t, err)
	tell, err := os.ReadFile("tell.go")
	require.NoError(t, err)
	notices := regexp.MustCompile(`(?m)^\t(Notice[A-Z]\w*) +Notice = `).FindAllStringSubmatch(string(effects), -1)
	require.Greater(t, len(notices), 8)
	for _, n := range notices {
		require.Regexp(t, `case (lifecycle\.\w+, )*lifecycle\.`+n[1]+`\b`, string(tell))
	}
}
