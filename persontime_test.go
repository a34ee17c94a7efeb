package duvotool_test

import (
	"context"
	"net/http"
	"sync/atomic"
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

// A Job waits for a person while the process restarts, and Duvo cannot be read for
// an hour. That hour is no time of the Job's own.
func TestAPersonsTimeOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
			j.AskApproval("Refund", "")
			j.Sleep(time.Minute)
			j.Complete("refunded")
		}}
		d := duvotest.New(duvotest.WithAssignment(job))
		defer d.Close()
		var out atomic.Bool
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "getRun" && out.Load() {
				return &duvotest.Fault{Op: op, Kind: duvotest.StatusBefore}
			}
			return nil
		})
		person := func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			select {
			case <-time.After(3 * time.Hour):
				return hitl.Approve("kim", ""), nil
			case <-ctx.Done():
				return hitl.Decision{}, context.Cause(ctx)
			}
		}
		journal := journal.NewMemory()
		open := func() *duvotool.Registry {
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(journal), duvotool.WithPolicy(hitl.Forward(person)), duvotool.WithJobTimeout(20*time.Minute))
			require.NoError(t, err)
			return reg
		}
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		reg := open()
		_, err := reg.All()[0].Start(ctx, "x")
		require.NoError(t, err)
		time.Sleep(time.Minute) // it waits for a person
		require.NoError(t, reg.Close(context.Background()))
		out.Store(true)
		reg = open()
		defer reg.Close(context.Background())
		time.Sleep(time.Hour)
		out.Store(false)
		res, err := reg.All()[0].Run(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome, res.Note)
	})
}

// Once the response is accepted the Job works again, and that is its own time, also
// where the process ends before a read has shown so.
func TestWorkAfterAnApprovalOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
			j.AskApproval("Refund", "")
			j.Sleep(24 * time.Hour)
			j.Complete("refunded")
		}}
		d := duvotest.New(duvotest.WithAssignment(job))
		defer d.Close()
		var out atomic.Bool
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "respondToHumanRequest" {
				out.Store(true)
			}
			if op == "getRun" && out.Load() {
				return &duvotest.Fault{Op: op, Kind: duvotest.StatusBefore}
			}
			return nil
		})
		kept := journal.NewMemory()
		work := func() *duvotool.Registry {
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(kept),
				duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Approve("kim", ""), nil })),
				duvotool.WithJobTimeout(20*time.Minute))
			require.NoError(t, err)
			return reg
		}
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		reg := work()
		_, err := reg.All()[0].Start(ctx, "x")
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		require.True(t, out.Load())
		require.NoError(t, reg.Close(context.Background()))
		reg = work()
		defer reg.Close(context.Background())
		time.Sleep(time.Hour)
		out.Store(false)
		began := time.Now()
		res, err := reg.All()[0].Run(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeExpired, res.Outcome, res.Note)
		require.Less(t, time.Since(began), 10*time.Minute)
	})
}
