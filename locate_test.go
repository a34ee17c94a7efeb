package duvotool_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// TestLookingAmongManyComesToAnEnd: many starts were lost at once among many Jobs
// of other people, on a server that does not honour keys, and every tenth read
// fails. Each Job of others is read about once, not once for each that is looked
// for, nor again after each failure.
func TestLookingAmongManyComesToAnEnd(t *testing.T) {
	long(t)
	const others, lost = 60, 10
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(reader), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		defer d.Close()
		stranger := d.Client()
		for i := range others {
			box, err := stranger.CreateSandbox(t.Context())
			require.NoError(t, err)
			_, err = stranger.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "read", SandboxID: box.ID, IdempotencyKey: fmt.Sprint(i)})
			require.NoError(t, err)
		}
		reg := open(t, d.Client(duvo.WithRetries(1, time.Second)), journal.NewMemory(), duvotool.WithMarkedStarts())
		defer shut(t, reg)
		for i := range lost {
			kind := duvotest.ResetAfter
			if i%2 == 1 {
				kind = duvotest.ResetBefore
			}
			d.Inject(duvotest.Fault{Op: "startRun", Kind: kind})
		}
		reads := 0
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op != "getRun" {
				return nil
			}
			if reads++; reads%10 != 0 {
				return nil
			}
			return &duvotest.Fault{Kind: duvotest.StatusBefore}
		})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range lost {
			wg.Go(func() {
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), fmt.Sprint("k", i)), "read")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome, res.Note)
			})
		}
		wg.Wait()
		require.Less(t, time.Since(began), 2*time.Minute)
		require.Len(t, d.Jobs(), others+lost)
		require.Less(t, d.Count("getRun"), 3*others+10*lost)
	})
}

// TestFoundWhenItHasEnded: Jobs that have ended by the time they are found are
// read at once. The lists that are swept have nothing new to tell of them.
func TestFoundWhenItHasEnded(t *testing.T) {
	const lost = 8
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(reader), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.WithMarkedStarts())
		defer shut(t, reg)
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter, Times: lost})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range lost {
			wg.Go(func() {
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), fmt.Sprint("k", i)), "read")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome, res.Note)
			})
		}
		wg.Wait()
		require.Less(t, time.Since(began), 30*time.Second)
		require.Len(t, d.Jobs(), lost)
	})
}

var hourlong = duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
	j.Sleep(time.Hour)
	j.Complete("refunded")
}}

// A start whose answer was lost is found by its mark, whichever time of a Job the
// server's since bounds: it runs, and has not completed.
func TestALostStartIsFoundWhateverSinceBounds(t *testing.T) {
	for _, since := range []duvotest.SinceBound{duvotest.SinceCreated, duvotest.SinceCompleted} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			reg := discover(t, d.Client(), duvotool.WithMarkedStarts())
			d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter})
			res, err := mustTool(reg, "refunds").Run(t.Context(), "order 4711")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			require.Len(t, d.Jobs(), 1)
			require.Equal(t, 1, d.Count("startRun"))
		}, duvotest.WithAssignment(hourlong), duvotest.WithProfile(duvotest.Profile{Since: since, Idempotency: duvotest.KeysIgnored}))
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

// A read that is refused while the Job of a lost start is looked for proves nothing: the
// Job is there, and is found once reads are answered again.
func TestALostStartIsFoundWhateverReadsSay(t *testing.T) {
	for name, f := range map[string]duvotest.Fault{
		"the Job is not found":       {Op: "getRun", Kind: duvotest.StatusBefore, Status: 404},
		"its messages are not found": {Op: "listRunMessages", Kind: duvotest.StatusBefore, Status: 404},
		"a login page":               {Op: "getRun", Kind: duvotest.StatusBefore, Status: 302},
		"maintenance":                {Op: "getRun", Kind: duvotest.NotJSON, Body: "<html>back soon</html>"},
		"the list is refused":        {Op: "listRuns", Kind: duvotest.StatusBefore, Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				reg := discover(t, d.Client(), duvotool.WithMarkedStarts(), duvotool.WithJobTimeout(0))
				var up atomic.Bool
				d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
					if !up.Load() && op == f.Op {
						return &f
					}
					return nil
				})
				d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter})
				time.AfterFunc(4*time.Minute, func() { up.Store(true) })
				res, err := mustTool(reg, "refunds").Run(t.Context(), "order 4711")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome, res.Note)
				require.Len(t, d.Jobs(), 1)
			}, duvotest.WithAssignment(hourlong), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		})
	}
}
