package duvotool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// TestManyCallsWhileAnotherRecords: calls with one key compare themselves with an
// operation while it goes on from what another process has recorded. It is the
// race detector that fails this.
func TestManyCallsWhileAnotherRecords(t *testing.T) {
	for range 5 {
		job := duvotest.Assignment{Name: "Refunds",
			Script: func(j *duvotest.Job) { j.Complete("ok") },
			Resume: func(j *duvotest.Job, message string) { j.AskApproval("a", ""); j.Complete("about " + message) }}
		d := duvotest.New(duvotest.WithAssignment(job))
		j := journal.NewMemory()
		var regs []*duvotool.Registry
		for range 2 {
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(j), duvotool.WithoutResume(), duvotool.WithPollInterval(2*time.Millisecond))
			require.NoError(t, err)
			regs = append(regs, reg)
		}
		first, err := regs[0].All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		ctx := duvotool.WithOperationKey(t.Context(), "more")
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 20 {
					brief, cancel := context.WithTimeout(ctx, time.Duration(1+i)*time.Millisecond)
					_, _ = regs[i%2].Continue(brief, first, "m")
					cancel()
				}
			})
		}
		wg.Wait()
		for _, reg := range regs {
			require.NoError(t, reg.Close(context.Background()))
		}
		d.Close()
	}
}
