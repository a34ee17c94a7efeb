package duvotool_test

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// capitals writes the IDs of Assignments in capitals from some time on.
type capitals struct {
	*duvo.Client
	loud atomic.Bool
}

func (b *capitals) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for a, err := range b.Client.Assignments(ctx) {
			if b.loud.Load() {
				a.ID = strings.ToUpper(a.ID)
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

// One refund a conversation, also where the list of Assignments comes to spell an
// ID otherwise: all else takes it for the same.
func TestOncePerScopeInCapitals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds"}))
		defer d.Close()
		b := &capitals{Client: d.Client()}
		reg, err := duvotool.Discover(t.Context(), b, duvotool.OncePerScope())
		require.NoError(t, err)
		defer reg.Close(context.Background())
		ctx := duvotool.WithOperationScope(t.Context(), "conversation")
		_, err = reg.All()[0].Run(ctx, "refund 1")
		require.NoError(t, err)
		b.loud.Store(true)
		_, err = reg.Refresh(t.Context())
		require.NoError(t, err)
		_, _ = reg.All()[0].Run(ctx, "refund 2")
		require.Len(t, d.Jobs(), 1)
	})
}

// The key of a call, the list of what is offered and what bars a scope know it too.
func TestAnAssignmentInCapitalsIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds"}),
			duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		defer d.Close()
		b := &capitals{Client: d.Client()}
		opts := []duvotool.Option{duvotool.WithJournal(journal.NewMemory())}
		reg, err := duvotool.Discover(t.Context(), b, opts...)
		require.NoError(t, err)
		ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
		scope := duvotool.WithOperationScope(t.Context(), "conversation")
		first, err := reg.All()[0].Run(ctx, "refund 1")
		require.NoError(t, err)
		_, err = reg.All()[0].Run(scope, "refund 2")
		require.NoError(t, err)
		b.loud.Store(true)
		changes, err := reg.Refresh(t.Context())
		require.NoError(t, err)
		require.Empty(t, changes.Added)
		require.Empty(t, changes.Removed)
		for range 2 {
			again, err := reg.All()[0].Run(ctx, "refund 1")
			require.NoError(t, err)
			require.Equal(t, first.JobID, again.JobID)
			_, err = reg.All()[0].Run(scope, "refund 2")
			require.NoError(t, err)
			require.Len(t, d.Jobs(), 2)
			require.NoError(t, reg.Close(context.Background()))
			reg, err = duvotool.Discover(t.Context(), b, opts...) // another process, with the same journal
			require.NoError(t, err)
		}
		require.NoError(t, reg.Close(context.Background()))
	})
}
