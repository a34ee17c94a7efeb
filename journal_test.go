package duvotool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// TestJobsAreTakenUp: calls that were in flight when a registry closed go on in
// the next one, without anybody calling.
func TestJobsAreTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		reg := open(t, d.Client(), j, approveAfter(time.Hour, nil))
		const n = 5
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				ctx := duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: "a", User: "kim"})
				_, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, fmt.Sprint("order ", i)), fmt.Sprint(i, " EUR"))
				var je *outcome.JobError
				require.ErrorAs(t, err, &je)
				require.ErrorIs(t, err, outcome.ErrClosed)
				require.NotEmpty(t, je.JobID)
				require.Equal(t, fmt.Sprint("order ", i), je.Key)
			})
		}
		left, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := reg.All()[0].Run(duvotool.WithOperationKey(left, "left"), "9 EUR")
			require.ErrorIs(t, err, context.Canceled)
		})
		time.Sleep(5 * time.Minute)
		require.Len(t, reg.Jobs(), n+1)
		require.NotNil(t, reg.Jobs()[0].Request)
		require.Equal(t, duvo.StatusWaiting, reg.Jobs()[0].Status)
		cancel()
		time.Sleep(time.Second)
		shut(t, reg)
		wg.Wait()

		var asked atomic.Int64
		var callers sync.Map
		reg = open(t, d.Client(), j, approveAfter(time.Minute, &asked), duvotool.WithObserver(func(e outcome.Event) { callers.Store(e.Caller, true) }))
		require.Len(t, reg.Resumed(), n, "what its last caller has left is left alone")
		require.True(t, reg.Jobs()[0].Resumed)
		require.NoError(t, reg.Wait(t.Context()))
		require.EqualValues(t, n, asked.Load())
		for i := range n {
			ctx := duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: "a"})
			res, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, fmt.Sprint("order ", i)), fmt.Sprint(i, " EUR"))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("refunded ", i, " EUR"), res.Output)
			require.True(t, res.Repeated)
			require.Equal(t, "kim", res.Caller.User)
		}
		require.Len(t, d.Jobs(), n+1)
		_, theirs := callers.Load(hitl.Caller{Tenant: "a", User: "kim"})
		require.True(t, theirs)

		var jobID string
		for _, r := range d.Jobs() {
			if r.Input == "9 EUR" {
				jobID = r.ID
			}
		}
		res, err := reg.Resume(t.Context(), strings.ToUpper(jobID))
		require.NoError(t, err)
		require.Equal(t, "refunded 9 EUR", res.Output)
		_, err = reg.Resume(t.Context(), "00000000-0000-4000-8000-000000000000")
		require.ErrorIs(t, err, outcome.ErrUnknownJob)
		require.Empty(t, reg.Jobs())
		shut(t, reg)
	})
}

func TestWithoutResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		reg := open(t, d.Client(), j)
		go func() { _, _ = reg.All()[0].Run(t.Context(), "1 EUR") }()
		time.Sleep(5 * time.Second)
		shut(t, reg)
		reads := d.Count("getRun")
		reg = open(t, d.Client(), j, duvotool.WithoutResume())
		time.Sleep(time.Hour)
		require.Empty(t, reg.Jobs())
		require.Equal(t, reads, d.Count("getRun"))
		res, err := reg.Resume(t.Context(), d.Jobs()[0].ID)
		require.NoError(t, err)
		require.Equal(t, "not refunded", res.Output)
		shut(t, reg)
	})
}

// TestReplicas: two registries share a journal, and each is called with the same
// keys at once.
func TestReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		a := open(t, d.Client(), j, approveAfter(time.Minute, nil))
		b := open(t, d.Client(), j, decide(hitl.Deny("b", "no"), nil))
		var wg sync.WaitGroup
		for i := range 20 {
			outputs := make([]string, 4)
			for k, reg := range []*duvotool.Registry{a, b, a, b} {
				wg.Go(func() {
					time.Sleep(time.Duration(k*i) * 100 * time.Millisecond)
					res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), fmt.Sprint("order ", i)), fmt.Sprint(i, " EUR"))
					if err != nil {
						outputs[k] = err.Error()
						return
					}
					outputs[k] = res.Output
				})
			}
			defer func() {
				for _, o := range outputs {
					require.Equal(t, outputs[0], o)
					require.Contains(t, o, "refunded")
				}
			}()
		}
		wg.Wait()
		require.Len(t, d.Jobs(), 20)
		sent := map[string]map[string]bool{}
		for _, r := range d.Requests() {
			if r.Op == "respondToHumanRequest" {
				if sent[r.Path] == nil {
					sent[r.Path] = map[string]bool{}
				}
				sent[r.Path][string(r.Body)] = true
			}
		}
		require.Len(t, sent, 20)
		for path, bodies := range sent {
			require.Len(t, bodies, 1, "one request, one decision: %s", path)
		}
		shut(t, a)
		shut(t, b)
	})
}

// failing is a journal whose puts fail from the nth on.
type failing struct {
	journal.Journal
	from int64
	n    atomic.Int64
	err  error
}

func (f *failing) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if n := f.n.Add(1); f.from > 0 && n >= f.from {
		if f.err == nil {
			panic("the disk is gone")
		}
		return 0, f.err
	}
	return f.Journal.Put(ctx, r)
}

// TestJournalFails: what cannot be recorded is not done. Nothing is started then,
// and what waits goes on by itself once it can be recorded.
func TestJournalFails(t *testing.T) {
	for from, want := range map[int64]struct {
		starts, responds int
		err              error // nil: with the result
	}{
		1: {0, 0, journal.ErrFailed},        // the intent
		2: {1, 0, context.DeadlineExceeded}, // whose Job it is
		4: {1, 0, context.DeadlineExceeded}, // the request
		5: {1, 0, context.DeadlineExceeded}, // the decision
		6: {1, 0, context.DeadlineExceeded}, // whose request it is
		7: {1, 0, context.DeadlineExceeded}, // the sending
		8: {1, 1, nil},                      // the delivery and the result: they can be read again
	} {
		for _, cause := range []error{errors.New("disk full"), nil} {
			t.Run(fmt.Sprint(from, cause), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := duvotest.New(duvotest.WithAssignment(slowRefunds))
					defer d.Close()
					j := &failing{Journal: journal.NewMemory(), from: from, err: cause}
					reg := open(t, d.Client(), j, approveAfter(time.Second, nil))
					defer shut(t, reg)
					ctx, enough := context.WithTimeout(duvotool.WithOperationKey(t.Context(), "k"), time.Hour)
					defer enough()
					res, err := reg.All()[0].Run(ctx, "1 EUR")
					require.Equal(t, want.starts, d.Count("startRun"))
					require.Equal(t, want.responds, d.Count("respondToHumanRequest"))
					require.ErrorIs(t, err, want.err)
					if errors.Is(want.err, journal.ErrFailed) && cause != nil {
						require.ErrorIs(t, err, cause)
					}
					if want.err == nil {
						require.Equal(t, "refunded 1 EUR", res.Output)
					}
					require.Less(t, j.n.Load(), int64(1000), "it is not tried without a pause")
					j.n.Store(-1000) // it is well again
					res, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
					require.NoError(t, err)
					require.Equal(t, "refunded 1 EUR", res.Output)
					require.Equal(t, 1, d.Count("startRun"))
					require.Equal(t, 1, d.Count("respondToHumanRequest"))
				})
			})
		}
	}
}

// TestJournalIsSealed: with a key the journal shows nothing, opens with an old
// key, and refuses another one, one of plain text and a record that was put in
// another's place.
func TestJournalIsSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		key, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		j := journal.NewMemory()
		for _, bad := range [][]byte{nil, key[:31], []byte(strings.Repeat("0f", 32)), append([]byte{'\n'}, key...)} {
			_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(j), duvotool.WithJournalKey(bad))
			require.ErrorContains(t, err, "32")
		}
		_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(j), duvotool.WithJournalKey(make([]byte, 32)))
		require.ErrorContains(t, err, "zeros")
		reg := open(t, d.Client(), j, duvotool.WithJournalKey(key), approveAfter(time.Hour, nil))
		go func() {
			_, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "for kim@example.com")
		}()
		go func() {
			_, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "order 4712"), "for lee@example.com")
		}()
		time.Sleep(time.Minute)
		shut(t, reg)
		var records []journal.Record
		for r, err := range j.Unfinished(t.Context()) {
			require.NoError(t, err)
			records = append(records, r)
			for _, secret := range []string{"order 47", "example.com", refundsID, d.Jobs()[0].ID, "Refund"} {
				require.NotContains(t, string(r.Data)+r.Key, secret)
			}
		}
		records = slices.DeleteFunc(records, func(r journal.Record) bool { return r.Key == "journal" }) // who the journal is
		require.Len(t, records, 2)
		for _, opts := range [][]duvotool.Option{nil, {duvotool.WithJournalKey(other)}} {
			_, err := duvotool.Discover(t.Context(), d.Client(), append(opts, duvotool.WithJournal(j))...)
			require.ErrorIs(t, err, journal.ErrFailed)
		}
		swapped := journal.NewMemory()
		_, err = swapped.Put(t.Context(), journal.Record{Key: records[0].Key, Data: records[1].Data})
		require.NoError(t, err)
		_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(swapped), duvotool.WithJournalKey(key))
		require.ErrorIs(t, err, journal.ErrFailed)

		reg = open(t, d.Client(), j, duvotool.WithJournalKey(other), duvotool.WithJournalKey(key), approveAfter(time.Minute, nil))
		require.Len(t, reg.Resumed(), 2)
		require.NoError(t, reg.Wait(t.Context()))
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "for kim@example.com")
		require.NoError(t, err)
		require.Equal(t, "refunded for kim@example.com", res.Output)
		require.Len(t, d.Jobs(), 2)
		shut(t, reg)
	})
}

// TestRecordsOfOtherVersions: what this program does not know is refused whole.
func TestRecordsOfOtherVersions(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(slowRefunds))
	defer d.Close()
	for name, data := range map[string][]byte{
		"newer": append([]byte{2, 0}, `{}`...), "other form": append([]byte{1, 9}, `{}`...), "cut": {1}, "no JSON": {1, 0, '{'},
		"empty": append([]byte{1, 0}, `{}`...), "no stage": append([]byte{1, 0}, `{"key":"k","assignment":{"id":"x"},"requests":[{"id":"r","stage":"?"}]}`...),
		"nothing sealed": append([]byte{1, 0}, `{"key":"k","assignment":{"id":"x"},"requests":[{"id":"r","stage":"decided"}]}`...),
	} {
		j := journal.NewMemory()
		_, err := j.Put(t.Context(), journal.Record{Key: "op-a", Data: data})
		require.NoError(t, err)
		_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(j))
		require.ErrorIs(t, err, journal.ErrFailed, name)
	}
}

// TestHandleOutlivesTheProcess: check_job knows its handle after a restart, in
// its own scope alone.
func TestHandleOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		reg := open(t, d.Client(), j, approveAfter(time.Minute, nil), duvotool.WithWaitBudget(10*time.Second))
		ctx := duvotool.WithOperationScope(t.Context(), "conversation")
		res, err := reg.All()[0].Run(ctx, "1 EUR")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		shut(t, reg)
		reg = open(t, d.Client(), j, approveAfter(time.Minute, nil), duvotool.WithWaitBudget(10*time.Second))
		for range 2 { // while it runs, and when it is over and left to the journal
			out, err := reg.CheckTool().Call(duvotool.WithOperationScope(t.Context(), "another"), res.Handle)
			require.NoError(t, err)
			require.Contains(t, out, "There is no Job")
			out, err = reg.CheckTool().Call(ctx, res.Handle)
			require.NoError(t, err)
			if strings.Contains(out, "completed") {
				require.Contains(t, out, "refunded 1 EUR")
			} else {
				require.Contains(t, out, "has not ended")
			}
			require.NoError(t, reg.Wait(t.Context()))
		}
		require.Len(t, d.Jobs(), 1)
		shut(t, reg)
	})
}

// TestUnknownIsSticky: an unknown start bars its key and its scope, also in the
// next process, until a person has looked.
func TestUnknownIsSticky(t *testing.T) {
	for _, started := range []bool{true, false} {
		t.Run(fmt.Sprint("started ", started), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				j := journal.NewMemory()
				kind := duvotest.ResetBefore
				if started {
					kind = duvotest.ResetAfter
				}
				d.Inject(duvotest.Fault{Op: "startRun", Kind: kind})
				d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403})
				reg := open(t, d.Client(), j, approveAfter(time.Second, nil))
				ctx := duvotool.WithOperationScope(t.Context(), "conversation")
				res, err := reg.All()[0].Run(ctx, "1 EUR")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
				shut(t, reg)
				starts := d.Count("startRun")

				reg = open(t, d.Client(), j, approveAfter(time.Second, nil))
				for _, input := range []string{"1 EUR", "one euro"} {
					res, err = reg.All()[0].Run(ctx, input)
					require.NoError(t, err)
					require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
				}
				require.Equal(t, starts, d.Count("startRun"))
				require.Len(t, reg.Jobs(), 1)
				unknown := reg.Jobs()[0]
				require.True(t, unknown.Unknown)
				candidates, err := reg.Candidates(t.Context(), unknown)
				require.NoError(t, err)
				require.Error(t, reg.Reconcile(t.Context(), unknown, "", ""))
				if started {
					require.Len(t, candidates, 1)
					require.NoError(t, reg.Reconcile(t.Context(), unknown, candidates[0].ID, "kim"))
				} else {
					require.Empty(t, candidates)
					require.NoError(t, reg.Reconcile(t.Context(), unknown, "", "kim"))
				}
				require.Error(t, reg.Reconcile(t.Context(), unknown, "", "kim"), "once")
				res, err = reg.All()[0].Run(ctx, "1 EUR")
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
				require.Len(t, d.Jobs(), 1)
				shut(t, reg)

				reg = open(t, d.Client(), j, approveAfter(time.Second, nil))
				require.Empty(t, reg.Jobs())
				res, err = reg.All()[0].Run(ctx, "one euro")
				require.NoError(t, err)
				require.Equal(t, "refunded one euro", res.Output, "the scope is free again")
				shut(t, reg)
			})
		})
	}
}

// TestStop: a Job is stopped on request, and a stop that was asked for before
// the process died is asked for again.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		p := newProcess(j, d.Client(), "before stop")
		reg := open(t, p, p, approveAfter(time.Hour, nil))
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR") })
		time.Sleep(10 * time.Second)
		_, err := reg.Stop(t.Context(), d.Jobs()[0].ID, "kim")
		require.Error(t, err)
		_ = reg.Close(context.Background())
		wg.Wait()
		require.Equal(t, 0, d.Count("stopRun"))

		reg = open(t, d.Client(), j, approveAfter(time.Hour, nil))
		require.NoError(t, reg.Wait(t.Context()))
		require.Equal(t, 1, d.Count("stopRun"))
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeStopped, res.Outcome)
		require.Contains(t, res.Note, "kim")
		wg.Go(func() {
			res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k2"), "2 EUR")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeStopped, res.Outcome)
		})
		time.Sleep(10 * time.Second)
		res, err = reg.Stop(t.Context(), d.Jobs()[1].ID, "kim")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeStopped, res.Outcome)
		wg.Wait()
		shut(t, reg)
	})
}

// TestQueuedAtClose: a call that returned because nothing was sent for it is not
// sent by the next process.
func TestQueuedAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		reg := open(t, d.Client(), j, approveAfter(time.Hour, nil), duvotool.WithJobLimit(1))
		var wg sync.WaitGroup
		for _, key := range []string{"first", "second"} {
			wg.Go(func() {
				_, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), key), key)
				require.ErrorIs(t, err, outcome.ErrClosed)
			})
			time.Sleep(time.Second)
		}
		shut(t, reg)
		wg.Wait()
		reg = open(t, d.Client(), j, approveAfter(time.Second, nil))
		require.Len(t, reg.Resumed(), 1)
		require.NoError(t, reg.Wait(t.Context()))
		require.Len(t, d.Jobs(), 1)
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "second"), "second")
		require.NoError(t, err)
		require.Equal(t, "refunded second", res.Output)
		shut(t, reg)
	})
}

func TestDrainOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), approveAfter(5*time.Second, nil), duvotool.DrainOnClose(time.Hour))
		var wg sync.WaitGroup
		wg.Go(func() {
			res, err := reg.All()[0].Run(t.Context(), "1 EUR")
			require.NoError(t, err)
			require.Equal(t, "refunded 1 EUR", res.Output)
		})
		time.Sleep(10 * time.Second)
		wg.Go(func() {
			time.Sleep(10 * time.Second)
			_, err := reg.All()[0].Run(t.Context(), "2 EUR")
			require.ErrorIs(t, err, outcome.ErrClosed)
		})
		require.NoError(t, reg.Close(t.Context()))
		wg.Wait()
	})
}

// TestDecisionOfYesterday: a decision that was recorded and not sent is not sent
// when it is old, or denied by now.
func TestDecisionOfYesterday(t *testing.T) {
	for name, c := range map[string]struct {
		away   time.Duration
		policy hitl.Policy
		asked  int64
		output string
	}{
		"fresh": {time.Minute, nil, 0, "refunded 1 EUR"},
		"old":   {time.Hour, nil, 1, "refunded 1 EUR"},
		"denied by now": {time.Minute, hitl.FirstOf(hitl.AutoApprove(hitl.For(refundsID), hitl.For(refundsID).TitleIs("Refund 1 EUR").Denies())),
			0, "not refunded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				j := journal.NewMemory()
				p := newProcess(j, d.Client(), "after put 4")
				_, end, _ := callIn(t, p, "k", "1 EUR")
				end()
				require.Zero(t, d.Count("respondToHumanRequest"))
				time.Sleep(c.away)
				var asked atomic.Int64
				opt := approveAfter(time.Second, &asked)
				if c.policy != nil {
					opt = duvotool.WithPolicy(c.policy)
				}
				reg := open(t, d.Client(), j, opt)
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
				require.NoError(t, err)
				require.Equal(t, c.output, res.Output)
				require.Equal(t, c.asked, asked.Load())
				shut(t, reg)
			})
		})
	}
}
