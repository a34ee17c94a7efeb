package duvotool_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
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
