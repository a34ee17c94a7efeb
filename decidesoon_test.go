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

// Somebody decides just after the process has restarted, before the Job was read: the
// decision counts, and is not told as one about nothing.
func TestDecideJustAfterARestart(t *testing.T) {
	asks := duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
		j.AskApproval("Refund", "")
		j.Complete("refunded")
	}}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var down atomic.Bool
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "getRun" && down.Load() {
				return &duvotest.Fault{Op: op, Kind: duvotest.StatusBefore}
			}
			return nil
		})
		j := journal.NewMemory()
		open := func() *duvotool.Registry {
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(j), decide(hitl.Suspend(), nil))
			require.NoError(t, err)
			return reg
		}
		key := duvotool.WithOperationKey(t.Context(), "k")
		reg := open()
		_, err := reg.All()[0].Start(key, "x")
		require.NoError(t, err)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, reg.Pending(), 1)
		asked := reg.Pending()[0]
		require.NoError(t, reg.Close(context.Background()))

		down.Store(true)
		reg = open()
		defer func() { require.NoError(t, reg.Close(context.Background())) }()
		brief, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err = reg.Decide(brief, asked, hitl.Approve("kim", ""))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, outcome.ErrNotPending)
		require.ErrorContains(t, err, "could not be read")
		time.AfterFunc(time.Minute, func() { down.Store(false) })
		other := asked
		other.ID = "00000000-0000-4000-8000-000000000000"
		require.ErrorIs(t, reg.Decide(t.Context(), other, hitl.Approve("kim", "")), outcome.ErrNotPending)
		require.NoError(t, reg.Decide(t.Context(), asked, hitl.Approve("kim", "")))
		res, err := reg.All()[0].Run(key, "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		sent, approved := responses(d)
		require.Equal(t, 1, sent)
		require.True(t, approved)
	}, duvotest.WithAssignment(asks))
}
