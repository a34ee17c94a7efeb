package duvotool_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

func suspending(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) *duvotool.Registry {
	return discover(t, d.Client(), append([]duvotool.Option{decide(hitl.Suspend(), nil)}, opts...)...)
}

func TestSuspendAndDecideLater(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		ctx := duvotool.WithOperationScope(t.Context(), "conversation")
		text, err := mustTool(reg, "refunds").Call(ctx, "4711")
		require.NoError(t, err)
		require.Contains(t, text, "still waits for a person")
		require.Contains(t, text, "was put off")
		pending := reg.Pending()
		require.Len(t, pending, 1)
		require.Equal(t, "Refund 120 EUR", pending[0].Title)

		text, err = mustTool(reg, "refunds").Call(ctx, "4711")
		require.NoError(t, err)
		require.Contains(t, text, "No new Job was started")

		time.Sleep(72 * time.Hour)
		require.ErrorIs(t, reg.Decide(t.Context(), pending[0], hitl.Pass()), hitl.ErrInvalidDecision)
		require.ErrorIs(t, reg.Decide(t.Context(), pending[0], hitl.Approve("", "")), hitl.ErrInvalidDecision)
		other := pending[0]
		other.Title = "Refund 1 EUR"
		require.ErrorIs(t, reg.Decide(t.Context(), other, hitl.Approve("kim", "")), hitl.ErrRequestChanged)
		require.Zero(t, d.Count("respondToHumanRequest"))
		require.NoError(t, reg.Decide(t.Context(), pending[0], hitl.Approve("kim", "fine")))
		require.Empty(t, reg.Pending())

		res, err := mustTool(reg, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		require.Equal(t, "refunded", res.Output)
		require.Equal(t, "kim", res.Decisions[0].By)
		require.Equal(t, hitl.SourcePerson, res.Decisions[0].Source)
		require.Len(t, d.Jobs(), 1)
		require.ErrorIs(t, reg.Decide(t.Context(), pending[0], hitl.Deny("late", "")), outcome.ErrNotPending)
	}, duvotest.WithAssignment(refunds))
}

// A fresh key: its result can be had by the key that the pending result told.
func TestSuspendedWithoutScopeIsFoundByItsKey(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Deny("kim", "no")))
		time.Sleep(time.Hour)
		res, err = mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), res.Key), "4711")
		require.NoError(t, err)
		require.Equal(t, "not refunded", res.Output)
	}, duvotest.WithAssignment(refunds))
}

func TestHundredDecidersOneWinner(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		_, err := mustTool(reg, "refunds").Call(t.Context(), "4711")
		require.NoError(t, err)
		pending := reg.Pending()[0]
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Latency: 3 * time.Second})
		var wg sync.WaitGroup
		errs := make([]error, 100)
		for i := range errs {
			wg.Go(func() {
				verdict := hitl.Approve(fmt.Sprint("person ", i), "")
				if i%2 == 0 {
					verdict = hitl.Deny(fmt.Sprint("person ", i), "")
				}
				errs[i] = reg.Decide(t.Context(), pending, verdict)
			})
		}
		wg.Wait()
		winner := -1
		var told []*outcome.DecidedError
		for i, err := range errs {
			var lost *outcome.DecidedError
			switch {
			case err == nil:
				require.Equal(t, -1, winner)
				winner = i
			case errors.As(err, &lost):
				require.ErrorIs(t, err, outcome.ErrNotPending)
				told = append(told, lost)
			default:
				require.NoError(t, err)
			}
		}
		require.NotEqual(t, -1, winner)
		require.Len(t, told, 99)
		for _, l := range told {
			require.Equal(t, fmt.Sprint("person ", winner), l.Entry.By)
		}
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
		require.Equal(t, winner%2 == 1, *d.Jobs()[0].Requests[0].Response.Approved)
	}, duvotest.WithAssignment(refunds))
}

func TestSuspendedAnsweredElsewhereChangedOrClosed(t *testing.T) {
	yes := true
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		_, err := mustTool(reg, "refunds").Call(t.Context(), "4711")
		require.NoError(t, err)
		was := reg.Pending()[0]
		require.NoError(t, d.ChangeRequest(was.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 9 EUR" }))
		// Before a poll has seen the change, the re-read does.
		require.ErrorIs(t, reg.Decide(t.Context(), was, hitl.Approve("kim", "")), outcome.ErrNotPending)
		require.Zero(t, d.Count("respondToHumanRequest"))
		synctest.Wait()
		now := reg.Pending()
		require.Len(t, now, 1, "the policy was asked anew and suspended again")
		require.Equal(t, "Refund 9 EUR", now[0].Title)
		require.NoError(t, d.AnswerElsewhere(was.JobID, duvo.Response{Approved: &yes}))
		time.Sleep(10 * time.Minute)
		require.Empty(t, reg.Pending())
		require.ErrorIs(t, reg.Decide(t.Context(), now[0], hitl.Approve("kim", "")), outcome.ErrNotPending)
		require.Zero(t, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))

	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		_, err := mustTool(reg, "refunds").Call(t.Context(), "4711")
		require.NoError(t, err)
		was := reg.Pending()[0]
		require.NoError(t, reg.Close(t.Context()))
		require.Empty(t, reg.Pending())
		require.Error(t, reg.Decide(t.Context(), was, hitl.Approve("kim", "")))
		require.Zero(t, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}

// Two requests in one Job: the second suspension releases callers again.
func TestSuspendedTwice(t *testing.T) {
	twice := refunds
	twice.Script = func(j *duvotest.Job) {
		if j.AskApproval("first", "") && j.AskApproval("second", "") {
			j.Complete("both")
		}
	}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		ctx := duvotool.WithOperationScope(t.Context(), "s")
		for _, title := range []string{"first", "second"} {
			res, err := mustTool(reg, "refunds").Run(ctx, "x")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomePending, res.Outcome)
			require.Equal(t, title, reg.Pending()[0].Title)
			require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")))
		}
		res, err := mustTool(reg, "refunds").Run(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, "both", res.Output)
	}, duvotest.WithAssignment(twice))
}

func TestDecideOfSomethingUnknown(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	reg := suspending(t, d)
	require.ErrorIs(t, reg.Decide(t.Context(), hitl.Request{}, hitl.Deny("kim", "")), outcome.ErrNotPending)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, reg.Decide(ctx, hitl.Request{}, hitl.Deny("kim", "")), context.Canceled)
}

// rebuilt is a Duvo that tells another Build of the Job from some time on.
type rebuilt struct {
	*duvo.Client
	build atomic.Pointer[string]
}

func (b *rebuilt) is(build string) { b.build.Store(&build) }

func (b *rebuilt) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := b.Client.Job(ctx, id)
	if build := b.build.Load(); build != nil {
		j.BuildID = *build
	}
	return j, err
}

// TestDecideAboutWhatIsNotShownAnyMore: a decision is about all that its request
// shows, not the words of the Job alone.
func TestDecideAboutWhatIsNotShownAnyMore(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		b := &rebuilt{Client: d.Client()}
		b.is("build-1")
		reg := discover(t, b, decide(hitl.Suspend(), nil), duvotool.WithPollInterval(time.Second))
		_, err := reg.All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		shown := reg.Pending()[0]
		require.Equal(t, "build-1", shown.BuildID)
		for _, bend := range []func(*hitl.Request){
			func(r *hitl.Request) { r.Input = "y" }, func(r *hitl.Request) { r.Assignment.ID = "another" },
			func(r *hitl.Request) { r.FollowUp = "y" }, func(r *hitl.Request) { r.BuildID = "" },
		} {
			other := shown.Clone()
			bend(&other)
			require.ErrorIs(t, reg.Decide(t.Context(), other, hitl.Approve("kim", "")), hitl.ErrRequestChanged)
		}
		b.is("build-2")
		time.Sleep(time.Minute)
		require.Equal(t, "build-2", reg.Pending()[0].BuildID, "it is another request by now")
		require.ErrorIs(t, reg.Decide(t.Context(), shown, hitl.Approve("kim", "")), hitl.ErrRequestChanged)
		require.Zero(t, d.Count("respondToHumanRequest"))
		require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")))
	}, duvotest.WithAssignment(refunds))
}

// A fullDisk fails as an audit log for one event, and as a journal for one kind of
// record, so many times.
type fullDisk struct {
	journal.Journal
	event audit.Event
	kind  string
	left  atomic.Int64
}

var errFull = errors.New("no space left on device")

func (f *fullDisk) Record(_ context.Context, r audit.Record) error {
	if f.event != "" && r.Event == f.event && f.left.Add(-1) >= 0 {
		return errFull
	}
	return nil
}

func (f *fullDisk) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if f.kind != "" && strings.HasPrefix(r.Key, f.kind) && f.left.Add(-1) >= 0 {
		return 0, errFull
	}
	return f.Journal.Put(ctx, r)
}

// TestSuspendedOutlivesAFullDisk: a decision that cannot be recorded is not sent,
// who made it is told, and the request is listed as before, here and in the next
// process.
func TestSuspendedOutlivesAFullDisk(t *testing.T) {
	for name, disk := range map[string]*fullDisk{"audit log": {event: audit.Decided}, "journal": {kind: "op-"}} {
		for _, restarted := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", after a restart"}[restarted], func(t *testing.T) {
				emulated(t, func(t *testing.T, d *duvotest.Duvo) {
					disk := &fullDisk{Journal: journal.NewMemory(), event: disk.event, kind: disk.kind}
					reg := open(t, d.Client(), disk, decide(hitl.Suspend(), nil), duvotool.WithAudit(disk))
					res, err := reg.All()[0].Run(t.Context(), "x")
					require.NoError(t, err)
					require.Equal(t, outcome.OutcomePending, res.Outcome)
					disk.left.Store(1)
					require.ErrorContains(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")), "no space left")
					require.Zero(t, d.Count("respondToHumanRequest"))
					time.Sleep(time.Hour)
					require.Len(t, reg.Pending(), 1)
					if restarted {
						shut(t, reg)
						reg = open(t, d.Client(), disk, decide(hitl.Suspend(), nil), duvotool.WithAudit(disk))
						time.Sleep(time.Hour)
					}
					require.Len(t, reg.Pending(), 1)
					require.Len(t, reg.Jobs(), 1)
					require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Deny("kim", "")))
					sent, approved := responses(d)
					require.Equal(t, 1, sent)
					require.False(t, approved)
					require.NoError(t, reg.Wait(t.Context()))
					shut(t, reg)
				}, duvotest.WithAssignment(refunds))
			})
		}
	}
}

// TestRecordedDecisionOutlivesAFullDisk: what was recorded counts, and is sent once
// what has to be written before can be.
func TestRecordedDecisionOutlivesAFullDisk(t *testing.T) {
	for name, disk := range map[string]*fullDisk{"audit log": {event: audit.Sent}, "claim": {kind: "req-"}} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				disk := &fullDisk{Journal: journal.NewMemory(), event: disk.event, kind: disk.kind}
				reg := open(t, d.Client(), disk, decide(hitl.Suspend(), nil), duvotool.WithAudit(disk))
				_, err := reg.All()[0].Run(t.Context(), "x")
				require.NoError(t, err)
				shown := reg.Pending()[0]
				disk.left.Store(3)
				require.ErrorContains(t, reg.Decide(t.Context(), shown, hitl.Approve("kim", "")), "was not sent yet")
				require.Zero(t, d.Count("respondToHumanRequest"))
				var decided *outcome.DecidedError
				require.ErrorAs(t, reg.Decide(t.Context(), shown, hitl.Deny("lee", "")), &decided)
				require.Equal(t, "kim", decided.Entry.By)
				require.NoError(t, reg.Wait(t.Context()))
				sent, approved := responses(d)
				require.Equal(t, 1, sent)
				require.True(t, approved)
				shut(t, reg)
			}, duvotest.WithAssignment(refunds))
		})
	}
}
