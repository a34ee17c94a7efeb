package duvotool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// Two operations have one Job in hand, each with a request put off. Each listed
// request can be decided.
func TestDecideFindsTheOperation(t *testing.T) {
	wrong := 0
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			job := duvotest.Assignment{Name: "Refunds",
				Script: func(j *duvotest.Job) { j.Sleep(10 * time.Second); j.Complete("ok") },
				Resume: func(j *duvotest.Job, message string) { j.AskApproval("Refund", ""); j.Complete("about " + message) }}
			d := duvotest.New(duvotest.WithAssignment(job))
			defer d.Close()
			suspend := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(suspend))
			require.NoError(t, err)
			defer reg.Close(context.Background())
			ctx := duvotool.WithOperationKey(t.Context(), "start")
			brief, cancel := context.WithTimeout(ctx, 2*time.Second)
			_, err = reg.All()[0].Run(brief, "x")
			cancel()
			require.Error(t, err)
			time.Sleep(time.Minute)
			res, err := reg.Lookup(ctx, "start")
			require.NoError(t, err)
			_, err = reg.Continue(t.Context(), res, "refund")
			require.NoError(t, err)
			_, _ = reg.All()[0].Run(ctx, "x")
			for _, q := range reg.Pending() {
				if err := reg.Decide(t.Context(), q, hitl.Deny("kim", "")); errors.Is(err, hitl.ErrRequestChanged) {
					wrong++
				}
			}
		})
	}
	require.Zero(t, wrong, "of 20: a request that is listed was refused")
}
