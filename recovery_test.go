package duvotool_test

import (
	"context"
	"iter"
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

// TestReplicasAskInTurn: two registries on one journal ask slow policies about the
// same request, and neither undoes what the other has recorded by asking.
func TestReplicasAskInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		var asked atomic.Int64
		a := open(t, d.Client(), j, approveAfter(time.Minute, &asked))
		b := open(t, d.Client(), j, approveAfter(time.Minute, &asked))
		var wg sync.WaitGroup
		for i, reg := range []*duvotool.Registry{a, b} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR")
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
			})
		}
		wg.Wait()
		require.LessOrEqual(t, asked.Load(), int64(3))
		shut(t, a)
		shut(t, b)
	})
}

// slowJournal takes its time for each Put.
type slowJournal struct {
	journal.Journal
	takes time.Duration
	kind  string // of records, by the beginning of their keys; empty: all
}

func (s *slowJournal) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if strings.HasPrefix(r.Key, s.kind) {
		time.Sleep(s.takes)
	}
	return s.Journal.Put(ctx, r)
}

// TestSlowJournal: however slow it is, calls come to their end, by few reads.
func TestSlowJournal(t *testing.T) {
	for _, takes := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				reg := open(t, d.Client(), &slowJournal{journal.NewMemory(), takes, ""}, approveAfter(time.Second, nil))
				defer shut(t, reg)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR")
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
				require.Less(t, d.Count("getRun"), 40)
			})
		})
	}
}

// TestClockSetBack: times of the journal that lie ahead neither hold a Job up nor
// make its reads a flood.
func TestClockSetBack(t *testing.T) {
	for _, at := range []string{"after put 4", "after respond"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				if at == "after respond" {
					d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
				}
				j := journal.NewMemory()
				_, end, _ := callIn(t, newProcess(j, d.Client(), at), "k", "1 EUR")
				end()
				for r, err := range j.Unfinished(t.Context()) {
					require.NoError(t, err)
					r.Data = []byte(strings.ReplaceAll(string(r.Data), `"2000-01-01T`, `"2000-01-02T`))
					_, err = j.Put(t.Context(), r)
					require.NoError(t, err)
				}
				before := d.Count("getRun")
				reg := open(t, d.Client(), j, approveAfter(time.Second, nil))
				defer shut(t, reg)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR")
				require.Less(t, d.Count("getRun")-before, 60)
				require.NoError(t, err)
				if at == "after respond" { // it may have been sent, nobody knows how long ago
					require.Equal(t, outcome.OutcomePending, res.Outcome)
					require.Contains(t, res.Note, "too long ago")
					require.Equal(t, hitl.Unconfirmed, res.Decisions[0].Delivery)
					require.Equal(t, 1, d.Count("respondToHumanRequest"))
					return
				}
				require.Equal(t, "refunded 1 EUR", res.Output)
			})
		})
	}
}

// lostStart makes calls whose starts have an unknown fate.
func lostStart(d *duvotest.Duvo, n int) {
	d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter, Times: n}, duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403, Times: n})
}

// TestTwoUnknownsInAScope: each of them bars the Assignment, until both are
// reconciled.
func TestTwoUnknownsInAScope(t *testing.T) {
	for _, first := range []int{0, 1} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(slowRefunds))
			defer d.Close()
			j := journal.NewMemory()
			reg := open(t, d.Client(), j)
			lostStart(d, 2)
			ctx := duvotool.WithOperationScope(t.Context(), "conversation")
			var wg sync.WaitGroup
			for _, input := range []string{"1 EUR", "2 EUR"} {
				wg.Go(func() {
					res, err := reg.All()[0].Run(ctx, input)
					require.NoError(t, err)
					require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
				})
			}
			wg.Wait()
			jobs := reg.Jobs()
			require.Len(t, jobs, 2)
			starts := d.Count("startRun")
			require.NoError(t, reg.Reconcile(t.Context(), jobs[first], "", "kim"))
			other := open(t, d.Client(), j, duvotool.WithoutResume())
			for _, r := range []*duvotool.Registry{reg, other} {
				res, err := r.All()[0].Run(ctx, "3 EUR")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
			}
			require.Equal(t, starts, d.Count("startRun"))
			require.NoError(t, reg.Reconcile(t.Context(), jobs[1-first], "", "kim"))
			res, err := reg.All()[0].Run(ctx, "3 EUR")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			shut(t, reg)
			shut(t, other)
		})
	}
}

// TestReconciledElsewhere: what one process has reconciled is known to the other.
func TestReconciledElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		a := open(t, d.Client(), j)
		lostStart(d, 1)
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		res, err := a.All()[0].Run(ctx, "1 EUR")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		b := open(t, d.Client(), j)
		require.NoError(t, b.Reconcile(t.Context(), b.Jobs()[0], d.Jobs()[0].ID, "kim"))
		res, err = b.All()[0].Run(ctx, "1 EUR")
		require.NoError(t, err)
		require.Equal(t, "not refunded", res.Output)
		res, err = a.All()[0].Run(ctx, "1 EUR")
		require.NoError(t, err)
		require.Equal(t, "not refunded", res.Output)
		require.Empty(t, a.Jobs())
		shut(t, a)
		shut(t, b)
	})
}

// TestNothingUnreadableIsRecorded: what a later process could not read back is
// refused before it is written.
func TestNothingUnreadableIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		j := journal.NewMemory()
		reg := open(t, d.Client(), j)
		first, err := reg.All()[0].Run(t.Context(), "a")
		require.NoError(t, err)
		_, err = reg.Continue(t.Context(), &outcome.Result{JobID: first.JobID, Outcome: outcome.OutcomeCompleted}, "b")
		require.ErrorIs(t, err, duvo.ErrInvalid)
		for _, ctx := range []context.Context{
			duvotool.WithOperationKey(t.Context(), "\xff"), duvotool.WithOperationScope(t.Context(), "\xff"),
			duvotool.WithOperationKey(duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: "\xff"}), "k"),
		} {
			_, err = reg.All()[0].Run(ctx, "a")
			require.ErrorIs(t, err, duvo.ErrInvalid)
		}
		shut(t, reg)
		shut(t, open(t, d.Client(), j))
	})
}

// TestKeyOfAForgottenRecord: a call that started nothing can be made again under
// its key, also when its record has been forgotten.
func TestKeyOfAForgottenRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.WithRetention(time.Hour))
		defer shut(t, reg)
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403})
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		_, err := reg.All()[0].Run(ctx, "a")
		require.ErrorIs(t, err, duvo.ErrForbidden)
		for range 3 {
			time.Sleep(2 * time.Hour)
			_, err = reg.All()[0].Run(t.Context(), "b")
			require.NoError(t, err)
		}
		res, err := reg.All()[0].Run(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "hello a", res.Output)
	})
}

// TestOncePerScopeAfterARefusal: where the server took the first input for none,
// the model may try another.
func TestOncePerScopeAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.OncePerScope())
		defer shut(t, reg)
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 400})
		ctx := duvotool.WithOperationScope(t.Context(), "conversation")
		var bad *outcome.InputError
		_, err := reg.All()[0].Run(ctx, "a")
		require.ErrorAs(t, err, &bad)
		res, err := reg.All()[0].Run(ctx, "b")
		require.NoError(t, err)
		require.Equal(t, "hello b", res.Output)
	})
}

// TestCheckOfAStartInDoubt: check_job does not say of a start with an unclear fate
// that there was none.
func TestCheckOfAStartInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.Hang})
		reg := open(t, d.Client(), j, duvotool.WithWaitBudget(5*time.Second))
		res, err := reg.All()[0].Run(t.Context(), "1 EUR")
		require.NoError(t, err)
		require.Empty(t, res.JobID)
		shut(t, reg)
		reg = open(t, d.Client(), j, duvotool.WithWaitBudget(5*time.Second), duvotool.WithoutResume())
		out, err := reg.CheckTool().Call(t.Context(), res.Handle)
		require.NoError(t, err)
		require.NotContains(t, out, "no Job was started")
		shut(t, reg)
	})
}

// TestMessageAfterASlowJournal: between the read before a message and the message
// the journal may take so long that the Job waits for a person by then.
func TestMessageAfterASlowJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		j := &slowJournal{Journal: journal.NewMemory()}
		reg := open(t, d.Client(), j)
		defer shut(t, reg)
		first, err := reg.All()[0].Run(t.Context(), "a")
		require.NoError(t, err)
		j.takes = 20 * time.Second
		go func() {
			time.Sleep(time.Second)
			_, _ = d.Client().PostMessage(context.Background(), first.JobID, "ask", "")
		}()
		_, err = reg.Continue(t.Context(), first, "b")
		var bad *outcome.InputError
		require.ErrorAs(t, err, &bad)
		require.False(t, d.Jobs()[0].Requests[0].Bypassed)
		require.Equal(t, 1, d.Count("postRunMessage"))
	})
}

type panicJournal struct{ journal.Journal }

func (panicJournal) Unfinished(context.Context) iter.Seq2[journal.Record, error] {
	panic("the disk is gone")
}

// TestJournalPanics while it is listed.
func TestJournalPanics(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(talker))
	defer d.Close()
	_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(panicJournal{journal.NewMemory()}))
	require.ErrorIs(t, err, journal.ErrFailed)
}

// TestDenyAllAfterARestart: a program that approves nothing any more sends no
// approval of yesterday's.
func TestDenyAllAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		_, end, _ := callIn(t, newProcess(j, d.Client(), "after put 4"), "k", "1 EUR")
		end()
		reg := open(t, d.Client(), j, duvotool.WithPolicy(hitl.AlwaysDeny()))
		defer shut(t, reg)
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
		require.NoError(t, err)
		require.Equal(t, "not refunded", res.Output)
	})
}

// TestTwoDecideInTwoProcesses: the one who comes second is told who was first, and
// callers of both get the one outcome.
func TestTwoDecideInTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		later := duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Suspend(), nil
		}))
		log := &auditLog{}
		a := open(t, d.Client(), j, later)
		b := open(t, d.Client(), j, later, duvotool.WithAudit(log))
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		for _, reg := range []*duvotool.Registry{a, b} {
			res, err := reg.All()[0].Run(ctx, "1 EUR")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomePending, res.Outcome)
			require.Len(t, reg.Pending(), 1)
		}
		// The response is slow, so that the request still waits when b decides.
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
		go func() { _ = a.Decide(t.Context(), a.Pending()[0], hitl.Approve("kim", "")) }()
		time.Sleep(time.Second)
		err := b.Decide(t.Context(), b.Pending()[0], hitl.Deny("lee", "no"))
		var decided *outcome.DecidedError
		require.ErrorAs(t, err, &decided)
		require.Equal(t, "kim", decided.Entry.By)
		require.Empty(t, b.Pending())
		synctest.Wait() // it is written by now
		require.Contains(t, log.records[len(log.records)-1].Error, "does not count")
		for _, reg := range []*duvotool.Registry{b, a} {
			res, err := reg.All()[0].Run(ctx, "1 EUR")
			require.NoError(t, err)
			require.Equal(t, "refunded 1 EUR", res.Output)
			require.Empty(t, reg.Pending())
		}
		require.Len(t, d.Jobs(), 1)
		shut(t, a)
		shut(t, b)
	})
}

// TestSettleOutlivesTheProcess: what the process before may have sent when it died
// is not sent again while that may be on its way.
func TestSettleOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
		j := journal.NewMemory()
		_, end, _ := callIn(t, newProcess(j, d.Client(), "after respond"), "k", "1 EUR")
		end()
		res, end, err := callIn(t, newProcess(j, d.Client(), ""), "k", "1 EUR")
		defer end()
		require.NoError(t, err)
		require.Equal(t, "refunded 1 EUR", res.Output)
		var sent []time.Time
		for _, r := range d.Requests() {
			if r.Op == "respondToHumanRequest" {
				sent = append(sent, r.At)
			}
		}
		require.Len(t, sent, 2)
		require.GreaterOrEqual(t, sent[1].Sub(sent[0]), 75*time.Second)
	})
}

// TestRecordsOfOthers: a record of another operation is not taken for one's own,
// neither when it is looked up nor when it appears under way.
func TestRecordsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		reg := open(t, d.Client(), j, approveAfter(time.Minute, nil))
		var wg sync.WaitGroup
		for _, tenant := range []string{"a", "b"} {
			wg.Go(func() {
				ctx := duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: tenant})
				_, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR")
				require.ErrorIs(t, err, journal.ErrFailed)
			})
		}
		time.Sleep(10 * time.Second)
		var both []journal.Record
		for r, err := range j.Unfinished(t.Context()) {
			require.NoError(t, err)
			both = append(both, r)
		}
		require.Len(t, both, 2)
		both[0].Data, both[1].Data = both[1].Data, both[0].Data
		for _, r := range both {
			_, err := j.Put(t.Context(), r)
			require.NoError(t, err)
		}
		wg.Wait()
		shut(t, reg)
		reg = open(t, d.Client(), j, duvotool.WithoutResume())
		ctx := duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: "a"})
		_, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR")
		require.ErrorIs(t, err, journal.ErrFailed)
		require.Zero(t, d.Count("respondToHumanRequest"))
		shut(t, reg)
	})
}

// TestReplicasWithOneKeyAndTwoInputs: one of them is refused, also where both
// looked before either had begun.
func TestReplicasWithOneKeyAndTwoInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		var wg sync.WaitGroup
		var refused, done atomic.Int64
		for i := range 2 {
			reg := open(t, d.Client(), &slowJournal{j, time.Second, ""}, approveAfter(time.Second, nil))
			defer shut(t, reg)
			wg.Go(func() {
				input := strings.Repeat("1", i+1) + " EUR"
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), input)
				if err != nil {
					require.ErrorIs(t, err, outcome.ErrKeyReused)
					refused.Add(1)
					return
				}
				require.Equal(t, "refunded "+input, res.Output)
				done.Add(1)
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, refused.Load())
		require.EqualValues(t, 1, done.Load())
		require.Len(t, d.Jobs(), 1)
	})
}

// TestStartOfAnotherProcess: while another process may be sending a start, it is
// waited for; a second Job is not risked.
func TestStartOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		defer d.Close()
		j := journal.NewMemory()
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter, Latency: 20 * time.Second})
		var wg sync.WaitGroup
		for i := range 2 {
			reg := open(t, d.Client(), j, approveAfter(time.Second, nil), duvotool.WithMarkedStarts())
			defer shut(t, reg)
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
			})
		}
		wg.Wait()
		require.Len(t, d.Jobs(), 1)
	})
}

// TestUnknownBarsInOtherProcesses that are at work already, and no record is left
// of it in the end.
func TestUnknownBarsInOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		j := journal.NewMemory()
		a, b := open(t, d.Client(), j), open(t, d.Client(), j)
		lostStart(d, 1)
		ctx := duvotool.WithOperationScope(t.Context(), "conversation")
		for i, reg := range []*duvotool.Registry{a, b} {
			res, err := reg.All()[0].Run(ctx, strings.Repeat("1", i+1)+" EUR")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		}
		require.Len(t, d.Jobs(), 1)
		require.NoError(t, a.Reconcile(t.Context(), a.Jobs()[0], d.Jobs()[0].ID, "kim"))
		require.NoError(t, a.Wait(t.Context()))
		for r, err := range j.Unfinished(t.Context()) {
			require.NoError(t, err)
			t.Errorf("%s is left", r.Key)
		}
		shut(t, a)
		shut(t, b)
	})
}

// TestFollowUpIsPartOfAKey: the same words after another turn are another call.
func TestFollowUpIsPartOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.WithFollowUps())
		defer shut(t, reg)
		scope := duvotool.WithCaller(duvotool.WithOperationScope(t.Context(), "s"), hitl.Caller{Tenant: "a"})
		first, err := reg.All()[0].Run(scope, "a")
		require.NoError(t, err)
		key := duvotool.WithOperationKey(scope, "k")
		second, err := reg.Continue(key, first, "b")
		require.NoError(t, err)
		_, err = reg.Continue(key, second, "b")
		require.ErrorIs(t, err, outcome.ErrKeyReused)
		_, err = reg.All()[0].Run(key, "b")
		require.ErrorIs(t, err, outcome.ErrKeyReused)
		require.Equal(t, 1, d.Count("postRunMessage"))

		out, err := reg.ContinueTool().Call(duvotool.WithCaller(scope, hitl.Caller{Tenant: "b"}), second.Handle+" c")
		require.NoError(t, err)
		require.Contains(t, out, "There is no Job", "a handle of another tenant")
		require.Equal(t, 1, d.Count("postRunMessage"))
	})
}
