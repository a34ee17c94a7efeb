package duvotool_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A repeater answers every start with the first Job that it started.
type repeater struct {
	*duvo.Client
	mu    sync.Mutex
	first *duvo.Job
	posts int
}

func (r *repeater) StartJob(ctx context.Context, s duvo.StartJob) (duvo.Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.posts++; r.first != nil {
		return *r.first, nil
	}
	job, err := r.Client.StartJob(ctx, s)
	if err == nil {
		r.first = &job
	}
	return job, err
}

// by makes a policy that approves what the operation with a key asks after a
// while, and denies the rest after another.
func by(key string, approveIn, denyIn time.Duration) duvotool.ToolOption {
	return policy(func(ctx context.Context, q hitl.Request) (hitl.Decision, error) {
		d, after := hitl.Deny("lee", "no"), denyIn
		if q.Key == key {
			d, after = hitl.Approve("kim", "fine"), approveIn
		}
		select {
		case <-time.After(after):
			return d, nil
		case <-ctx.Done():
			return hitl.Decision{}, context.Cause(ctx)
		}
	})
}

// bodies returns the different responses that were sent.
func bodies(d *duvotest.Duvo) map[string]bool {
	out := map[string]bool{}
	for _, r := range d.Requests() {
		if r.Op == "respondToHumanRequest" {
			out[r.Path+" "+string(r.Body)] = true
		}
	}
	return out
}

// TestStartAnsweredWithAnothersJob: the second operation is refused and sends
// nothing, also in another process and after a restart.
func TestStartAnsweredWithAnothersJob(t *testing.T) {
	for _, where := range []string{"one registry", "one registry with a journal", "two processes", "after a restart"} {
		t.Run(where, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				b := &repeater{Client: d.Client()}
				j := journal.NewMemory()
				opts := []duvotool.Option{by("first", time.Hour, time.Minute)}
				if where != "one registry" {
					opts = append(opts, duvotool.WithJournal(j))
				}
				reg := discover(t, b, opts...)
				first := make(chan *outcome.Result, 1)
				go func() {
					res, _ := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "first"), "120 EUR")
					first <- res
				}()
				time.Sleep(30 * time.Second) // it waits for the approval
				other := reg
				switch where {
				case "two processes":
					other = discover(t, b, append(opts, duvotool.WithoutResume())...)
				case "after a restart":
					shut(t, reg)
					other = discover(t, b, opts...)
				}
				for range 2 {
					_, err := other.All()[0].Run(duvotool.WithOperationKey(t.Context(), "second"), "9 EUR")
					require.ErrorIs(t, err, outcome.ErrForeignJob)
					require.ErrorContains(t, err, d.Jobs()[0].ID)
				}
				require.Zero(t, d.Count("respondToHumanRequest"))
				time.Sleep(2 * time.Hour)
				if res := <-first; where != "after a restart" {
					require.Equal(t, "refunded 120 EUR", res.Output)
				}
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
				require.True(t, *d.Jobs()[0].Requests[0].Response.Approved)
			}, duvotest.WithAssignment(slowRefunds))
		})
	}
}

// TestReplayOfTheSameOperation: a key that is forgotten here and remembered by
// Duvo gets its own Job, which is nobody else's.
func TestReplayOfTheSameOperation(t *testing.T) {
	for _, opts := range [][]duvotool.Option{nil, {duvotool.WithJournal(journal.NewMemory())}} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			reg := discover(t, d.Client(), append(opts, duvotool.WithRetention(time.Hour), approveAfter(time.Second, nil))...)
			for range 2 {
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
				require.NoError(t, err)
				require.False(t, res.Repeated)
				require.Equal(t, "refunded 1 EUR", res.Output)
				time.Sleep(90 * time.Minute)
				_, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "sweeps"), "x")
			}
			require.Len(t, d.Jobs(), 2)
		}, duvotest.WithAssignment(slowRefunds))
	}
}

// TestTwoOperationsOneRequest: an operation that was left, and one that goes on
// with its Job, both hold it. They decide differently, and one response is sent.
func TestTwoOperationsOneRequest(t *testing.T) {
	for _, where := range []string{"one registry", "one registry with a journal", "two processes"} {
		for _, approver := range []string{"first", "second"} { // who is faster
			t.Run(where+", the faster is the "+approver, func(t *testing.T) {
				emulated(t, func(t *testing.T, d *duvotest.Duvo) { twoOperations(t, d, where, approver) },
					duvotest.WithAssignment(talker), duvotest.WithProfile(duvotest.Profile{Respond: duvotest.ApplyToAny}))
			})
		}
	}
}

func twoOperations(t *testing.T, d *duvotest.Duvo, where, approver string) {
	log := &auditLog{}
	opts := []duvotool.Option{by(approver, time.Minute, 90*time.Second), duvotool.WithAudit(log)}
	if where != "one registry" {
		opts = append(opts, duvotool.WithJournal(journal.NewMemory()), duvotool.WithoutResume())
	}
	reg := discover(t, d.Client(), opts...)
	first := duvotool.WithOperationKey(t.Context(), "first")
	short, cancel := context.WithTimeout(first, time.Second)
	defer cancel()
	_, err := reg.All()[0].Run(short, "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	time.Sleep(time.Minute) // the Job has completed, and nobody here has seen it
	other := reg
	if where == "two processes" {
		other = discover(t, d.Client(), opts...)
	}
	// The response of the faster one stays on its way, so that the other decides
	// about a request that still waits.
	d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
	results := map[string]*outcome.Result{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	keep := func(key string, res *outcome.Result, err error) {
		require.NoError(t, err)
		mu.Lock()
		defer mu.Unlock()
		results[key] = res
	}
	wg.Go(func() {
		after := &outcome.Result{JobID: d.Jobs()[0].ID, Assignment: reg.All()[0].Assignment(), Key: "first", Outcome: outcome.OutcomeCompleted}
		res, err := other.Continue(duvotool.WithOperationKey(t.Context(), "second"), after, "ask")
		keep("second", res, err)
	})
	time.Sleep(4 * time.Second) // the Job asks
	wg.Go(func() {
		res, err := reg.All()[0].Run(first, "a")
		keep("first", res, err)
	})
	wg.Wait()
	require.Len(t, bodies(d), 1, "one request, one decision")
	require.Len(t, d.Jobs()[0].Requests, 1)
	require.True(t, *d.Jobs()[0].Requests[0].Response.Approved)
	loser := results["first"]
	if approver == "first" {
		loser = results["second"]
	}
	require.Equal(t, "about ask", loser.Output)
	require.Contains(t, loser.Note, "approved by kim")
	require.Len(t, loser.Decisions, 1)
	require.Equal(t, "lee", loser.Decisions[0].By)
	require.Equal(t, hitl.Superseded, loser.Decisions[0].Delivery)
	var told bool
	for _, r := range log.records {
		told = told || r.Event == audit.Failed && r.By == "lee" && strings.Contains(r.Error, "already approved by kim")
		require.False(t, r.Event == audit.Sent && r.By == "lee")
	}
	require.True(t, told)
}

// TestTwoProcessesContinueOneJob, each with a message of its own: one after the
// other.
func TestTwoProcessesContinueOneJob(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprint("the second dies ", dies), func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) { twoContinue(t, d, dies) }, duvotest.WithAssignment(talker))
		})
	}
}

func twoContinue(t *testing.T, d *duvotest.Duvo, dies bool) {
	j := journal.NewMemory()
	policy := by("ask", time.Minute, 2*time.Minute)
	at := ""
	if dies {
		at = "after put req"
	}
	p := newProcess(j, d.Client(), at)
	a, err := duvotool.Discover(t.Context(), p, duvotool.WithJournal(p), policy)
	require.NoError(t, err)
	b := open(t, d.Client(), j, policy, duvotool.WithoutResume())
	first, err := a.All()[0].Run(t.Context(), "a")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		res, err := b.Continue(duvotool.WithOperationKey(t.Context(), "b"), first, "b")
		require.NoError(t, err)
		require.Equal(t, "about b", res.Output)
	})
	time.Sleep(3500 * time.Millisecond) // b's message is answered, and b has not seen that yet
	ask := func() (*outcome.Result, error) {
		return a.Continue(duvotool.WithOperationKey(t.Context(), "ask"), first, "ask")
	}
	refused := func(err error) {
		var bad *outcome.InputError
		require.ErrorAs(t, err, &bad)
		require.ErrorContains(t, err, "is being talked to by another call")
	}
	_, err = ask()
	refused(err)
	require.Equal(t, 1, d.Count("postRunMessage"))
	wg.Wait()
	if !dies {
		res, err := ask() // the same call again: it is its turn now
		require.NoError(t, err)
		require.Equal(t, "about ask", res.Output)
		shut(t, a)
	} else {
		wg.Go(func() {
			_, err := ask()
			require.Error(t, err)
		})
		<-p.died
		_ = a.Close(context.Background())
		wg.Wait()
		time.Sleep(time.Hour)
		_, err = b.Continue(t.Context(), first, "more")
		refused(err) // nobody has ended what the dead process said, however long ago
		require.Equal(t, 2, d.Count("postRunMessage"))
		require.Zero(t, d.Count("respondToHumanRequest"))
		shut(t, b)
		// Whoever takes it up finds its own claim. What was decided is too old by
		// now, so it is decided again.
		b = open(t, d.Client(), j, policy)
		require.NoError(t, b.Wait(t.Context()))
		res, err := b.Continue(t.Context(), first, "more")
		require.NoError(t, err)
		require.Equal(t, "about more", res.Output)
	}
	require.Len(t, bodies(d), 1, "one request, one decision")
	require.True(t, *d.Jobs()[0].Requests[0].Response.Approved)
	require.Len(t, d.Jobs(), 1)
	shut(t, b)
}

// A registrar counts what is put into a journal, by kind.
type registrar struct {
	journal.Journal
	mu   sync.Mutex
	puts map[string]int
	keys map[string]bool
}

func (r *registrar) Put(ctx context.Context, rec journal.Record) (uint64, error) {
	r.mu.Lock()
	r.puts[rec.Key[:strings.Index(rec.Key, "-")]]++
	r.keys[rec.Key] = true
	r.mu.Unlock()
	return r.Journal.Put(ctx, rec)
}

func (r *registrar) counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.puts)
}

// left returns the kinds of records that are there still.
func (r *registrar) left(t *testing.T) map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int{}
	for key := range r.keys {
		if _, err := r.Get(t.Context(), key); err == nil {
			out[key[:strings.Index(key, "-")]]++
		}
	}
	return out
}

func newRegistrar() *registrar {
	return &registrar{Journal: journal.NewMemory(), puts: map[string]int{}, keys: map[string]bool{}}
}

// TestClaimsLiveAsLongAsTheirOperation: they cost one record a request and one a
// Job, outlive retention while the operation is not done, also in the journal
// alone, and are forgotten with it.
func TestClaimsLiveAsLongAsTheirOperation(t *testing.T) {
	twice := slowRefunds
	twice.Script = func(j *duvotest.Job) {
		j.AskApproval("first", "")
		j.AskApproval("second", "")
		j.Sleep(6 * time.Hour)
		j.Complete("done")
	}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := newRegistrar()
		opts := []duvotool.Option{approveAfter(time.Second, nil), duvotool.WithRetention(time.Hour), duvotool.WithJournal(j)}
		reg := discover(t, d.Client(), opts...)
		go func() { _, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR") }()
		time.Sleep(10 * time.Minute)
		require.Equal(t, map[string]int{"op": 10, "job": 1, "req": 2}, j.counts())
		unfinished := 0
		for r, err := range j.Unfinished(t.Context()) {
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(r.Key, "op-"), r.Key)
			unfinished++
		}
		require.Equal(t, 1, unfinished)
		shut(t, reg)
		reg = discover(t, d.Client(), append(opts, duvotool.WithoutResume())...)
		sweep := func() { _, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "another input") }
		for range 10 {
			time.Sleep(15 * time.Minute)
			sweep()
			synctest.Wait()
		}
		require.Equal(t, map[string]int{"op": 1, "job": 1, "req": 2}, j.left(t))
		require.LessOrEqual(t, j.counts()["req"], 8, "they are put anew once an hour")
		res, err := reg.Resume(t.Context(), d.Jobs()[0].ID)
		require.NoError(t, err)
		require.Equal(t, "done", res.Output)
		for range 4 { // its key is remembered for an hour, and so is whose Job it was
			require.Equal(t, map[string]int{"op": 1, "job": 1, "req": 2}, j.left(t))
			time.Sleep(14 * time.Minute)
			sweep()
			synctest.Wait()
		}
		time.Sleep(time.Hour)
		go func() { _, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "another"), "2 EUR") }()
		time.Sleep(time.Second)
		require.Equal(t, map[string]int{"op": 1, "job": 1}, j.left(t), "the other's alone")
	}, duvotest.WithAssignment(twice))
}

// TestReconcileWithAnothersJob: what another process holds is not given away.
func TestReconcileWithAnothersJob(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		a := open(t, d.Client(), j, approveAfter(time.Hour, nil))
		go func() { _, _ = a.All()[0].Run(duvotool.WithOperationKey(t.Context(), "theirs"), "1 EUR") }()
		time.Sleep(time.Minute)
		b := open(t, d.Client(), j, decide(hitl.Deny("b", "no"), nil), duvotool.WithoutResume())
		lostStart(d, 1)
		res, err := b.All()[0].Run(duvotool.WithOperationKey(t.Context(), "unknown"), "2 EUR")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		err = b.Reconcile(t.Context(), b.Jobs()[0], d.Jobs()[0].ID, "kim")
		require.ErrorIs(t, err, outcome.ErrForeignJob)
		require.True(t, b.Jobs()[0].Unknown)
		require.Zero(t, d.Count("respondToHumanRequest"))
		require.NoError(t, b.Reconcile(t.Context(), b.Jobs()[0], d.Jobs()[1].ID, "kim"))
		require.NoError(t, b.Wait(t.Context()))
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
		shut(t, a)
		shut(t, b)
	}, duvotest.WithAssignment(slowRefunds))
}

// TestDecideAfterAnotherOperation: who decides second, about a request that another
// operation has decided, is told by whom.
func TestDecideAfterAnotherOperation(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		a := open(t, d.Client(), j, decide(hitl.Suspend(), nil))
		b := open(t, d.Client(), j, decide(hitl.Suspend(), nil), duvotool.WithoutResume())
		first := duvotool.WithOperationKey(t.Context(), "first")
		short, cancel := context.WithTimeout(first, time.Second)
		defer cancel()
		_, err := a.All()[0].Run(short, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute) // the Job has completed, and a has not seen that yet
		var wg sync.WaitGroup
		wg.Go(func() {
			after := &outcome.Result{JobID: d.Jobs()[0].ID, Assignment: a.All()[0].Assignment(), Key: "first", Outcome: outcome.OutcomeCompleted}
			res, err := b.Continue(duvotool.WithOperationKey(t.Context(), "ask"), after, "ask")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomePending, res.Outcome)
		})
		time.Sleep(4 * time.Second) // the Job asks
		wg.Go(func() {
			res, err := a.All()[0].Run(first, "a")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomePending, res.Outcome)
		})
		wg.Wait()
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
		pending := b.Pending()[0]
		go func() { _ = a.Decide(t.Context(), a.Pending()[0], hitl.Approve("kim", "")) }()
		time.Sleep(time.Second)
		var decided *outcome.DecidedError
		require.ErrorAs(t, b.Decide(t.Context(), pending, hitl.Deny("lee", "no")), &decided)
		require.Equal(t, "kim", decided.Entry.By)
		require.Empty(t, b.Pending())
		require.NoError(t, a.Wait(t.Context()))
		require.NoError(t, b.Wait(t.Context()))
		require.Len(t, bodies(d), 1)
		require.True(t, *d.Jobs()[0].Requests[0].Response.Approved)
		shut(t, a)
		shut(t, b)
	}, duvotest.WithAssignment(talker))
}

// TestJournalsOfBefore, which hold operations and nothing of whose a Job or a
// request is: they are taken up, and it is recorded before anything is sent.
func TestJournalsOfBefore(t *testing.T) {
	for _, at := range []string{"after put 3", "after put 4", "after respond"} {
		t.Run(at, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				now, before := journal.NewMemory(), newRegistrar()
				_, end, _ := callIn(t, newProcess(now, d.Client(), at), "k", "1 EUR")
				end()
				for r, err := range now.Unfinished(t.Context()) {
					require.NoError(t, err)
					_, err = before.Put(t.Context(), journal.Record{Key: r.Key, At: r.At, Data: asBefore(t, r.Data)})
					require.NoError(t, err)
				}
				require.Equal(t, map[string]int{"op": 1}, before.left(t))
				res, end, err := callIn(t, newProcess(before, d.Client(), ""), "k", "1 EUR")
				defer end()
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
				require.Len(t, bodies(d), 1)
				require.Len(t, d.Jobs(), 1)
				if at == "after respond" { // it had been taken
					require.Equal(t, map[string]int{"op": 1}, before.left(t))
				} else {
					require.Equal(t, map[string]int{"op": 1, "job": 1, "req": 1}, before.left(t))
				}
			}, duvotest.WithAssignment(slowRefunds))
		})
	}
}
