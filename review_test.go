package duvotool_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// TestReplicasAskInTurn: two registries on one journal ask slow policies about the
// same request, and neither undoes what the other has recorded by asking.
func TestReplicasAskInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := duvotool.NewMemoryJournal()
		var asked atomic.Int64
		a := open(t, d.Client(), j, approveAfter(time.Minute, &asked))
		b := open(t, d.Client(), j, approveAfter(time.Minute, &asked))
		var wg sync.WaitGroup
		for i, reg := range []*duvotool.Registry{a, b} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR")
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
			})
		}
		wg.Wait()
		require.LessOrEqual(t, asked.Load(), int64(3))
		shut(t, a)
		shut(t, b)
	})
}
