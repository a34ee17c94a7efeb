package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// Two replicas with a journal each, in one database: what one began is decided on the
// other, and taken over by it once the first is gone.
func TestReplicas(t *testing.T) {
	own := ownTables()
	const id = "6c1f1ab8-4fcf-4d2b-9d0a-3a3c6f3f3a01"
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "Refunds", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund 10 EUR", "It arrived damaged.") {
			j.Complete("refunded")
		}
		j.Complete("not refunded")
	}}))
	defer d.Close()
	suspend := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	replica := func() *duvotool.Registry {
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(open(t, shared(t), own)), duvotool.WithPolicy(suspend),
			duvotool.WithPollInterval(20*time.Millisecond), duvotool.WithLease(time.Second))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, reg.Close(context.Background())) })
		return reg
	}
	a, b := replica(), replica()
	for i, key := range []string{"decided elsewhere", "taken over"} {
		ctx := duvotool.WithOperationKey(t.Context(), key)
		res, err := a.All()[0].Run(ctx, "10 EUR")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		soon(t, "it is listed elsewhere", func() bool { return len(b.Pending()) == 1 })
		if key == "taken over" {
			require.NoError(t, a.Close(t.Context()))
			soon(t, "it is taken over", func() bool { return len(b.Resumed()) > 0 })
		}
		began := time.Now()
		require.NoError(t, b.Decide(t.Context(), b.Pending()[0], hitl.Approve("kim", "fine")))
		t.Log(key, ": recorded after ", time.Since(began))
		soon(t, "it comes to Duvo", func() bool { return d.Count("respondToHumanRequest") == i+1 })
		t.Log(key, ": sent after ", time.Since(began))
		res, err = b.All()[0].Run(ctx, "10 EUR")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
	}
	require.Len(t, d.Jobs(), 2)
	require.Equal(t, 2, d.Count("respondToHumanRequest"))
}
