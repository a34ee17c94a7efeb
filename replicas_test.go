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

// cutOff is one replica's way to a journal, which can be cut.
type cutOff struct {
	journal.Leases
	cut atomic.Bool
}

var errCut = errors.New("the database cannot be reached")

func (c *cutOff) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if c.cut.Load() {
		return 0, errCut
	}
	return c.Leases.Put(ctx, r)
}

func (c *cutOff) Get(ctx context.Context, key string) (journal.Record, error) {
	if c.cut.Load() {
		return journal.Record{}, errCut
	}
	return c.Leases.Get(ctx, key)
}

func (c *cutOff) Renew(ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
	if c.cut.Load() {
		return journal.Renewal{}, errCut
	}
	return c.Leases.Renew(ctx, owner, lasts)
}

func (c *cutOff) Own(ctx context.Context, owner, key string) (journal.Lease, error) {
	if c.cut.Load() {
		return journal.Lease{}, errCut
	}
	return c.Leases.Own(ctx, owner, key)
}

func (c *cutOff) TakeOver(ctx context.Context, owner string, n int) ([]journal.Lease, error) {
	if c.cut.Load() {
		return nil, errCut
	}
	return c.Leases.TakeOver(ctx, owner, n)
}

func (c *cutOff) Release(ctx context.Context, owner string, keys ...string) error {
	if c.cut.Load() {
		return errCut
	}
	return c.Leases.Release(ctx, owner, keys...)
}

// replica makes a registry that shares a journal with others.
func replica(t *testing.T, d *duvotest.Duvo, j journal.Journal, opts ...duvotool.Option) *duvotool.Registry {
	t.Helper()
	reg, err := duvotool.Discover(t.Context(), d.Client(), append([]duvotool.Option{duvotool.WithJournal(j), decide(hitl.Suspend(), nil)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = reg.Close(context.Background()) })
	return reg
}

// A Job that one replica owns is listed, decided, waited for and stopped on any other.
func TestEveryReplicaAnswersForAll(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		a, b := replica(t, d, j), replica(t, d, j)
		ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
		res, err := mustTool(a, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		synctest.Wait()
		require.Len(t, b.Pending(), 1)
		require.Equal(t, a.Pending()[0].Digest(), b.Pending()[0].Digest())
		require.Equal(t, a.Pending()[0].ContentDigest(), b.Pending()[0].ContentDigest())
		require.Len(t, b.Jobs(), 1)

		// A call on the other replica is told the same, and starts nothing.
		same, err := mustTool(b, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, same.Outcome)

		began := time.Now()
		require.NoError(t, b.Decide(t.Context(), b.Pending()[0], hitl.Approve("kim", "fine")))
		require.Less(t, time.Since(began), time.Second, "the owner is told at once")
		synctest.Wait()
		require.Empty(t, a.Pending())
		require.Empty(t, b.Pending())

		for _, reg := range []*duvotool.Registry{b, a} {
			res, err = mustTool(reg, "refunds").Run(ctx, "4711")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			require.Equal(t, "refunded", res.Output)
			require.Equal(t, "kim", res.Decisions[0].By)
		}
		require.Len(t, d.Jobs(), 1)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}

// Two replicas that are called with one key at the same moment start one Job, and both
// tell what it came to.
func TestOneKeyOnTwoReplicas(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		var asked atomic.Int32
		approve := duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			asked.Add(1)
			return hitl.Approve("rules", ""), nil
		}))
		regs := []*duvotool.Registry{replica(t, d, j, approve), replica(t, d, j, approve), replica(t, d, j, approve)}
		ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
		told := make(chan *outcome.Result, len(regs))
		for _, reg := range regs {
			go func() {
				res, err := mustTool(reg, "refunds").Run(ctx, "4711")
				if err != nil {
					t.Error(err)
				}
				told <- res
			}()
		}
		for range regs {
			require.Equal(t, "refunded", (<-told).Output)
		}
		require.Len(t, d.Jobs(), 1)
		require.EqualValues(t, 1, asked.Load())
		require.Equal(t, 1, d.Count("startRun"))
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}

// What a replica was at when it closes is gone on with by another at once; what it was
// at when it was cut off, within the lease; and what it wants to send then is not sent.
func TestReplicasTakeOver(t *testing.T) {
	for name, goes := range map[string]func(t *testing.T, reg *duvotool.Registry, way *cutOff){
		"closes":     func(t *testing.T, reg *duvotool.Registry, _ *cutOff) { require.NoError(t, reg.Close(t.Context())) },
		"is cut off": func(_ *testing.T, _ *duvotool.Registry, way *cutOff) { way.cut.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				j := journal.NewShared()
				way := &cutOff{Leases: j}
				a, b := replica(t, d, way, duvotool.WithLease(time.Second)), replica(t, d, j, duvotool.WithLease(time.Second))
				ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
				_, err := mustTool(a, "refunds").Run(ctx, "4711")
				require.NoError(t, err)
				synctest.Wait()
				goes(t, a, way)
				began := time.Now()
				for len(b.Pending()) == 0 || len(b.Resumed()) == 0 {
					time.Sleep(10 * time.Millisecond)
					require.Less(t, time.Since(began), 5*time.Second)
				}
				took := time.Since(began)
				if name == "closes" {
					require.Less(t, took, 100*time.Millisecond)
				}
				require.Less(t, took, 2*time.Second)
				require.NoError(t, b.Decide(t.Context(), b.Pending()[0], hitl.Approve("kim", "")))
				res, err := mustTool(b, "refunds").Run(ctx, "4711")
				require.NoError(t, err)
				require.Equal(t, "refunded", res.Output)
				if name == "is cut off" {
					way.cut.Store(false) // it comes back, and learns that others have gone on
					time.Sleep(10 * time.Second)
					require.Empty(t, a.Pending())
					again, err := mustTool(a, "refunds").Run(ctx, "4711")
					require.NoError(t, err)
					require.Equal(t, "refunded", again.Output)
				}
				require.Len(t, d.Jobs(), 1)
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// A Job is stopped from any replica, and Resume waits for it on any.
func TestStopAndResumeElsewhere(t *testing.T) {
	long := duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		j.Sleep(time.Hour)
		j.Complete("done")
	}}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		a, b := replica(t, d, j), replica(t, d, j)
		started, err := mustTool(a, "refunds").Start(t.Context(), "4711")
		require.NoError(t, err)
		for len(d.Jobs()) == 0 || len(b.Jobs()) == 0 || b.Jobs()[0].JobID == "" {
			time.Sleep(time.Second)
		}
		resumed := make(chan *outcome.Result, 1)
		go func() {
			res, err := b.Resume(t.Context(), d.Jobs()[0].ID)
			if err != nil {
				t.Error(err)
			}
			resumed <- res
		}()
		time.Sleep(time.Minute)
		stopped, err := b.Stop(t.Context(), d.Jobs()[0].ID, "kim")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeStopped, stopped.Outcome)
		require.Equal(t, outcome.OutcomeStopped, (<-resumed).Outcome)
		_ = started
		require.Len(t, d.Jobs(), 1)
		require.Equal(t, duvo.StatusStopped, d.Jobs()[0].Status)
	}, duvotest.WithAssignment(long))
}
