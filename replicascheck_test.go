package duvotool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// check_job on a replica that does not own the operation waits like on its owner, and
// tells what the owner has collected.
func TestCheckOnAnotherReplica(t *testing.T) {
	slow := duvotest.Assignment{Name: "Slow", Script: func(j *duvotest.Job) {
		j.Sleep(time.Minute)
		j.Complete("slept well")
	}}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		a, b := replica(t, d, j, duvotool.WithWaitBudget(time.Second)), replica(t, d, j, duvotool.WithWaitBudget(20*time.Second))
		ctx := duvotool.WithOperationScope(t.Context(), "conversation 7")
		res, err := mustTool(a, "slow").Run(ctx, "4711")
		require.NoError(t, err)
		require.NotEmpty(t, res.Handle)

		began := time.Now()
		check := func(ctx context.Context, reg *duvotool.Registry) string {
			out, err := reg.CheckTool().Call(ctx, res.Handle)
			require.NoError(t, err)
			require.NotContains(t, out, "nobody")
			return out
		}
		looked, err := b.Lookup(ctx, res.Key)
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, looked.Outcome)
		require.Equal(t, "another replica works on it, and collects what the Job says", looked.Note)
		require.Contains(t, check(ctx, b), "is still at work")
		require.Equal(t, 20*time.Second, time.Since(began), "it waits a while for the Job to end")
		for range 3 {
			check(ctx, b)
		}
		require.Contains(t, check(ctx, b), "slept well")
		require.Contains(t, check(ctx, a), "slept well")
		require.Less(t, time.Since(began), 2*time.Minute, "what has ended is told at once")
		require.Len(t, d.Jobs(), 1)
	}, duvotest.WithAssignment(slow))
}

// What its policy has put off is told at once on any replica, and what came of it later.
func TestCheckOnAnotherReplicaOfWhatWasPutOff(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		a, b := replica(t, d, j, duvotool.WithWaitBudget(time.Minute)), replica(t, d, j, duvotool.WithWaitBudget(time.Minute))
		ctx := duvotool.WithOperationScope(t.Context(), "conversation 7")
		res, err := mustTool(a, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		synctest.Wait()

		began := time.Now()
		out, err := b.CheckTool().Call(ctx, res.Handle)
		require.NoError(t, err)
		require.Contains(t, out, "was put off; a person will decide")
		require.Zero(t, time.Since(began))

		require.NoError(t, b.Decide(t.Context(), b.Pending()[0], hitl.Approve("kim@example.com", "fine")))
		out, err = b.CheckTool().Call(ctx, res.Handle)
		require.NoError(t, err)
		require.Contains(t, out, "refunded")
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}

// A check that waits for another replica ends with its context, and with the registry.
func TestCheckOnAnotherReplicaEnds(t *testing.T) {
	forever := duvotest.Assignment{Name: "Slow", Script: func(j *duvotest.Job) { j.Sleep(24 * time.Hour) }}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		a, b := replica(t, d, j, duvotool.WithWaitBudget(time.Second)), replica(t, d, j, duvotool.WithWaitBudget(12*time.Hour))
		ctx := duvotool.WithOperationScope(t.Context(), "conversation 7")
		res, err := mustTool(a, "slow").Run(ctx, "4711")
		require.NoError(t, err)

		short, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err = b.CheckTool().Call(short, res.Handle)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		over := make(chan error, 1)
		go func() {
			_, err := b.CheckTool().Call(ctx, res.Handle)
			over <- err
		}()
		synctest.Wait()
		require.NoError(t, b.Close(t.Context()))
		require.ErrorIs(t, <-over, outcome.ErrClosed)

		began := time.Now()
		require.NoError(t, a.Close(t.Context()))
		require.Less(t, time.Since(began), time.Minute)
		require.Len(t, d.Jobs(), 1)
	}, duvotest.WithAssignment(forever))
}

// The replica that owns the Job leaves while another is asked how it is doing: that one
// goes on with it, and tells how it ends.
func TestCheckWhileTheOwnerLeaves(t *testing.T) {
	slow := duvotest.Assignment{Name: "Slow", Script: func(j *duvotest.Job) {
		j.Sleep(time.Hour)
		j.Complete("slept well")
	}}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		a, b := replica(t, d, j, duvotool.WithWaitBudget(time.Second)), replica(t, d, j, duvotool.WithWaitBudget(2*time.Hour))
		ctx := duvotool.WithOperationScope(t.Context(), "conversation 7")
		res, err := mustTool(a, "slow").Run(ctx, "4711")
		require.NoError(t, err)
		out := make(chan string, 1)
		go func() {
			text, _ := b.CheckTool().Call(ctx, res.Handle)
			out <- text
		}()
		time.Sleep(time.Minute)
		require.NoError(t, a.Close(t.Context()))
		require.Contains(t, <-out, "slept well")
		require.Len(t, d.Jobs(), 1)
	}, duvotest.WithAssignment(slow))
}
