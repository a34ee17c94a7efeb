package duvotool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// otherTeller tells of another Job than it is asked for.
type otherTeller struct {
	*duvo.Client
	instead atomic.Pointer[string]
}

func (b *otherTeller) Job(ctx context.Context, id string) (duvo.Job, error) {
	if other := b.instead.Load(); other != nil {
		id = *other
	}
	return b.Client.Job(ctx, id)
}

func TestLookupRefusesAnotherJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const other = "1b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a12"
		d := duvotest.New(
			duvotest.WithAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds", Script: func(j *duvotest.Job) { j.AskApproval("Refund", ""); j.Complete("refunded") }}),
			duvotest.WithAssignment(duvotest.Assignment{ID: other, Name: "Other"}))
		defer d.Close()
		b := &otherTeller{Client: d.Client()}
		reg, err := duvotool.Discover(t.Context(), b, duvotool.WithPolicy(hitl.LeaveToDuvo()))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		brief, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err = mustTool(reg, "refunds").Run(brief, "x")
		require.Error(t, err)
		id, err := d.StartElsewhere(other, "y")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		b.instead.Store(&id)
		res, err := reg.Lookup(ctx, "k")
		require.ErrorIs(t, err, outcome.ErrOtherJob, "it was told %+v", res)
	})
}
