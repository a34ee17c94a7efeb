package duvotool_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// TestPendingOutlivesTheProcess: whoever was told that a call is pending finds it
// in the next process, however short the budget was and wherever it stood.
func TestPendingOutlivesTheProcess(t *testing.T) {
	for _, budget := range []time.Duration{time.Nanosecond, time.Second} {
		for _, limit := range []int{0, 1} {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				j := journal.NewMemory()
				p := newProcess(j, d.Client(), "")
				reg := open(t, p, &slowJournal{p, 3 * time.Second, "op-"}, duvotool.WithWaitBudget(budget), duvotool.WithJobLimit(limit), duvotool.WithMarkedStarts())
				for _, key := range []string{"a", "b"} { // with a limit b only waits for its turn
					res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), key), key)
					require.NoError(t, err)
					require.Equal(t, outcome.OutcomePending, res.Outcome)
					require.NotEmpty(t, res.Handle)
				}
				p.kill()
				_ = reg.Close(context.Background())
				p = newProcess(j, d.Client(), "")
				reg = open(t, p, p, approveAfter(time.Second, nil))
				defer shut(t, reg)
				require.Len(t, reg.Resumed(), 2)
				require.NoError(t, reg.Wait(t.Context()))
				var done []string
				for _, job := range d.Jobs() {
					done = append(done, job.Input)
					require.Equal(t, duvo.StatusCompleted, job.Status)
				}
				require.ElementsMatch(t, []string{"a", "b"}, done)
			}, duvotest.WithAssignment(slowRefunds))
		}
	}
}

// TestQueuedAgain: a call that had left the line, and is there again.
func TestQueuedAgain(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		p := newProcess(j, d.Client(), "")
		reg := open(t, p, p, duvotool.WithJobLimit(1), duvotool.WithPolicy(hitl.LeaveToDuvo()))
		_, err := reg.All()[0].Start(t.Context(), "a")
		require.NoError(t, err)
		ctx := duvotool.WithOperationKey(t.Context(), "b")
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err = reg.All()[0].Run(short, "b")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Second)
		_, err = reg.All()[0].Start(ctx, "b")
		require.NoError(t, err)
		p.kill()
		_ = reg.Close(context.Background())
		reg = open(t, d.Client(), j, approveAfter(time.Second, nil), duvotool.WithoutResume())
		defer shut(t, reg)
		res, err := reg.Lookup(t.Context(), "b")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome, res.Note)
	}, duvotest.WithAssignment(slowRefunds))
}

// TestPendingIsNotToldOfWhatIsNotRecorded: where the journal fails there is an
// error, and nothing is sent.
func TestPendingIsNotToldOfWhatIsNotRecorded(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := &failing{Journal: journal.NewMemory(), from: 1, err: errors.New("disk full")}
		reg := discover(t, d.Client(), duvotool.WithJournal(j), duvotool.WithWaitBudget(time.Nanosecond))
		_, err := reg.All()[0].Run(t.Context(), "a")
		require.ErrorIs(t, err, journal.ErrFailed)
		_, err = reg.All()[0].Start(t.Context(), "a")
		require.ErrorIs(t, err, journal.ErrFailed)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = reg.All()[0].Start(ctx, "a")
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, d.Count("startRun"))
	}, duvotest.WithAssignment(slowRefunds))
}

// TestStart: it returns at once, what it began goes on without it, and its key,
// its handle and its Job lead to the end.
func TestStart(t *testing.T) {
	withJournals(t, func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) {
		reg := discover(t, d.Client(), opts...)
		tool := reg.All()[0]
		ctx, leave := context.WithCancel(t.Context())
		began := time.Now()
		res, err := tool.Start(ctx, "1 EUR")
		require.NoError(t, err)
		require.Equal(t, began, time.Now())
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		require.NotEmpty(t, res.Key)
		leave()
		time.Sleep(10 * time.Second)
		again, err := tool.Start(duvotool.WithOperationKey(t.Context(), res.Key), "1 EUR")
		require.NoError(t, err)
		require.True(t, again.Repeated)
		require.Equal(t, d.Jobs()[0].ID, again.JobID)
		require.Equal(t, res.Handle, again.Handle)
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, d.Count("respondToHumanRequest"), "the policy was asked without any caller")
		out, err := reg.CheckTool().Call(t.Context(), res.Handle)
		require.NoError(t, err)
		require.Contains(t, out, "refunded 1 EUR")
		for _, run := range []func(context.Context, string) (*outcome.Result, error){tool.Run, tool.Start} {
			end, err := run(duvotool.WithOperationKey(t.Context(), res.Key), "1 EUR")
			require.NoError(t, err)
			require.Equal(t, "refunded 1 EUR", end.Output)
		}
		require.Equal(t, 1, d.Count("startRun"))

		var bad *outcome.InputError
		_, err = tool.Start(t.Context(), " ")
		require.ErrorAs(t, err, &bad)
		require.Equal(t, 1, d.Count("startRun"))
	}, duvotest.WithAssignment(slowRefunds))
}

// TestStartIsTakenUp by the next process, and once in a scope it is once.
func TestStartIsTakenUp(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		for _, at := range []string{"before start", "after start", "after put 3"} {
			p := newProcess(j, d.Client(), at)
			reg := open(t, p, p, duvotool.OncePerScope())
			_, err := reg.All()[0].Start(t.Context(), "x")
			require.ErrorIs(t, err, outcome.ErrNoScope)
			res, err := reg.All()[0].Start(scoped(t, at, "key"+at), at)
			require.NoError(t, err)
			<-p.died
			_ = reg.Close(context.Background())
			p = newProcess(j, d.Client(), "")
			reg = open(t, p, p, duvotool.OncePerScope(), approveAfter(time.Second, nil))
			require.Len(t, reg.Resumed(), 1)
			end, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), res.Key), at)
			require.NoError(t, err)
			require.Equal(t, "refunded "+at, end.Output)
			end, err = reg.All()[0].Start(scoped(t, at, "another"), "reworded")
			require.NoError(t, err)
			require.Equal(t, "refunded "+at, end.Output)
			shut(t, reg)
		}
		require.Len(t, d.Jobs(), 3)
	}, duvotest.WithAssignment(slowRefunds))
}

// TestLookup tells how an operation stands at each step of its way, and does
// nothing about it.
func TestLookup(t *testing.T) {
	withJournals(t, func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) {
		reg := discover(t, d.Client(), append(opts, duvotool.WithPolicy(hitl.LeaveToDuvo()), duvotool.WithJobLimit(1))...)
		ours := duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: "a", User: "kim"})
		look := func(key string, o outcome.Outcome, note string) *outcome.Result {
			t.Helper()
			starts, reads := d.Count("startRun"), d.Count("getRun")
			res, err := reg.Lookup(ours, key)
			require.NoError(t, err)
			require.Equal(t, o, res.Outcome, res.Note)
			require.Contains(t, res.Note, note)
			require.Equal(t, key, res.Key)
			synctest.Wait()
			require.Equal(t, starts, d.Count("startRun"))
			require.LessOrEqual(t, d.Count("getRun")-reads, 1)
			return res
		}
		for _, ctx := range []context.Context{ours, t.Context()} {
			_, err := reg.Lookup(ctx, "k")
			require.ErrorIs(t, err, outcome.ErrUnknownKey)
		}
		require.Zero(t, d.Count("startRun"))
		ctx, leave := context.WithCancel(ours)
		go func() { _, _ = reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR") }()
		time.Sleep(time.Second)
		_, err := reg.All()[0].Start(duvotool.WithOperationKey(ours, "queued"), "2 EUR")
		require.NoError(t, err)
		require.Equal(t, d.Jobs()[0].ID, look("k", outcome.OutcomePending, "").JobID)
		look("queued", outcome.OutcomePending, "has not been started yet")
		_, err = reg.Lookup(t.Context(), "k")
		require.ErrorIs(t, err, outcome.ErrUnknownKey, "another tenant's")
		leave() // k is left alone, and queued has its turn
		time.Sleep(time.Minute)
		look("k", outcome.OutcomePending, "nobody in this process works on it")
		yes := true
		require.NoError(t, d.AnswerElsewhere(d.Jobs()[0].ID, duvo.Response{Approved: &yes}))
		time.Sleep(time.Minute)
		look("k", outcome.OutcomeCompleted, "nobody in this process works on it")
		require.Empty(t, look("k", outcome.OutcomeCompleted, "").Output)
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(ours, "k"), "1 EUR")
		require.NoError(t, err)
		require.Equal(t, res.Output, look("k", outcome.OutcomeCompleted, "").Output)

		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403})
		require.NoError(t, d.AnswerElsewhere(d.Jobs()[1].ID, duvo.Response{Approved: &yes}))
		time.Sleep(5 * time.Minute)
		look("queued", outcome.OutcomeCompleted, "")
		_, err = reg.All()[0].Run(duvotool.WithOperationKey(ours, "refused"), "3 EUR")
		require.ErrorIs(t, err, duvo.ErrForbidden)
		look("refused", outcome.OutcomeFailed, "no Job was started")
		require.Zero(t, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(slowRefunds))
}

// TestLookupInAnotherProcess sees what the one at work has recorded, and takes
// nothing from it.
func TestLookupInAnotherProcess(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		var asked atomic.Int64
		a := open(t, d.Client(), j, approveAfter(time.Minute, &asked), duvotool.OncePerScope())
		b := open(t, d.Client(), j, duvotool.WithoutResume())
		_, err := a.All()[0].Start(scoped(t, "s", "order 1"), "1 EUR")
		require.NoError(t, err)
		for _, want := range []outcome.Outcome{outcome.OutcomePending, outcome.OutcomePending, outcome.OutcomeCompleted} {
			res, err := b.Lookup(t.Context(), "order 1")
			require.NoError(t, err)
			require.Equal(t, want, res.Outcome)
			if want == outcome.OutcomeCompleted {
				require.Equal(t, "refunded 1 EUR", res.Output)
			}
			time.Sleep(time.Minute)
		}
		require.Empty(t, b.Jobs())
		require.EqualValues(t, 1, asked.Load())
		require.Equal(t, 1, d.Count("startRun"))
		shut(t, a)
		shut(t, b)
		_, err = b.Lookup(t.Context(), "order 1")
		require.ErrorIs(t, err, outcome.ErrClosed)
	}, duvotest.WithAssignment(slowRefunds))
}

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
