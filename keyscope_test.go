package duvotool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A call in one conversation started nothing. The host calls again with the same
// key in another conversation, where the model then calls once more.
func TestAKeyDoesNotStartAJobInAnotherScope(t *testing.T) {
	for name, withJournal := range map[string]bool{"memory": false, "journal": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds"}))
				defer d.Close()
				opts := []duvotool.Option{duvotool.OncePerScope()}
				if withJournal {
					opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
				}
				reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
				require.NoError(t, err)
				defer reg.Close(context.Background())
				first := duvotool.WithOperationScope(t.Context(), "first")
				second := duvotool.WithOperationScope(t.Context(), "second")
				d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403})
				_, err = reg.All()[0].Run(duvotool.WithOperationKey(first, "order 4711"), "refund 4711")
				require.Error(t, err)
				require.Empty(t, d.Jobs())
				_, err = reg.All()[0].Run(duvotool.WithOperationKey(second, "order 4711"), "refund 4711")
				require.ErrorIs(t, err, outcome.ErrKeyReused)
				_, _ = reg.All()[0].Run(second, "please refund 4711")
				require.LessOrEqual(t, len(d.Jobs()), 1, "both were called in the second scope")
			})
		})
	}
}

// A key that stands for one Assignment is refused for another.
func TestAKeyStandsForOneAssignment(t *testing.T) {
	for name, withJournal := range map[string]bool{"memory": false, "journal": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const id = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"
				d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "Refunds"}), duvotest.WithAssignment(duvotest.Assignment{Name: "Letters"}))
				defer d.Close()
				opts := []duvotool.Option{duvotool.Configure(duvotool.ByID(id), duvotool.OncePerScope())}
				if withJournal {
					opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
				}
				reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
				require.NoError(t, err)
				defer reg.Close(context.Background())
				ctx := duvotool.WithOperationKey(duvotool.WithOperationScope(t.Context(), "s"), "order 4711")
				refunds, letters := tool(t, reg, "Refunds"), tool(t, reg, "Letters")
				first, err := refunds.Run(ctx, "x")
				require.NoError(t, err)
				_, err = letters.Run(ctx, "x")
				require.ErrorIs(t, err, outcome.ErrKeyReused)
				other := duvotool.WithOperationKey(ctx, "order 4712")
				_, err = letters.Run(other, "x")
				require.NoError(t, err)
				_, err = refunds.Run(duvotool.WithOperationScope(other, "t"), "x")
				require.ErrorIs(t, err, outcome.ErrKeyReused)
				require.Len(t, d.Jobs(), 2)
				now, err := reg.Lookup(t.Context(), "order 4711")
				require.NoError(t, err)
				require.Equal(t, first.JobID, now.JobID)
			})
		})
	}
}

func tool(t *testing.T, reg *duvotool.Registry, name string) *duvotool.Tool {
	found, err := reg.Tool(name)
	require.NoError(t, err)
	return found
}
