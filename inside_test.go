package duvotool

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// These look at moments between two steps that no caller can hit on purpose.

func emptyOperation(t *testing.T, opts ...Option) (*Registry, *operation) {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Description: "Refunds orders."}))
	t.Cleanup(d.Close)
	reg, err := Discover(t.Context(), d.Client(), opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.NoError(t, reg.Close(ctx))
	})
	op, _, err := reg.eng.ops.open(t.Context(), reg.All()[0].work, "x", nil)
	require.NoError(t, err)
	return reg, op
}

// TestResumeAfterSomebodyElse: a run that somebody else has begun is not replaced,
// whose callers would wait for ever.
func TestResumeAfterSomebodyElse(t *testing.T) {
	_, op := emptyOperation(t)
	require.True(t, op.eng.life.Enter())
	theirs := newRun(t.Context())
	op.run = theirs
	op.resume(false)
	require.Same(t, theirs, op.run)
	op.fail(context.Canceled)
	<-theirs.done
}

// TestForgettingSparesWhatIsAboutToBegin: Close would not find it.
func TestForgettingSparesWhatIsAboutToBegin(t *testing.T) {
	reg, op := emptyOperation(t, WithRetention(time.Nanosecond))
	left := func() int {
		reg.eng.ops.mu.Lock()
		defer reg.eng.ops.mu.Unlock()
		reg.eng.ops.sweep()
		return len(reg.eng.ops.byKey)
	}
	require.Equal(t, 1, left())
	op.ended = time.Now().Add(-time.Hour).UnixNano()
	require.Zero(t, left())
}
