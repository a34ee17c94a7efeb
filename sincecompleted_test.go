package duvotool_test

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A start whose answer was lost is found by its mark, whichever time of a Job the
// server's since bounds: it runs, and has not completed.
func TestALostStartIsFoundWhateverSinceBounds(t *testing.T) {
	slow := duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		j.Sleep(time.Hour)
		j.Complete("refunded")
	}}
	for _, since := range []duvotest.SinceBound{duvotest.SinceCreated, duvotest.SinceCompleted} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			reg := discover(t, d.Client(), duvotool.WithMarkedStarts())
			d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter})
			res, err := mustTool(reg, "refunds").Run(t.Context(), "order 4711")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			require.Len(t, d.Jobs(), 1)
			require.Equal(t, 1, d.Count("startRun"))
		}, duvotest.WithAssignment(slow), duvotest.WithProfile(duvotest.Profile{Since: since, Idempotency: duvotest.KeysIgnored}))
	}
}

// What a Job says last is its answer, not what it thought or asked, and why it
// failed is told.
func TestAnAnswerAmongOtherMessages(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		tool := mustTool(discover(t, d.Client()), "refunds")
		res, err := tool.Run(t.Context(), "order 4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		res, err = tool.Run(t.Context(), "fail")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeFailed, res.Outcome)
		require.Contains(t, res.Note, "the bank is closed")
	}, duvotest.WithQuirks(duvotest.Quirks{OtherMessages: true}), duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		if j.Input() == "fail" {
			j.Fail("the bank is closed")
		}
		j.Complete("refunded")
	}}))
}
