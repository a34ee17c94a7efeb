package duvotool_test

import (
	"context"
	"errors"
	"iter"
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

// losesAnswers is one replica's way to a journal, on which one answer is lost: of the
// next call of this name that has done something.
type losesAnswers struct {
	journal.Leases
	of     string
	lost   atomic.Bool
	listed atomic.Int32 // calls of Owned
}

func (l *losesAnswers) Renew(ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
	told, err := l.Leases.Renew(ctx, owner, lasts)
	if err := l.lose("Renew", told.Lapsed, err); err != nil {
		return journal.Renewal{}, err
	}
	return told, err
}

func (l *losesAnswers) Owned(ctx context.Context, owner string) iter.Seq2[journal.Lease, error] {
	l.listed.Add(1)
	return l.Leases.Owned(ctx, owner)
}

func (l *losesAnswers) lose(call string, did bool, err error) error {
	if err == nil && did && call == l.of && l.lost.CompareAndSwap(false, true) {
		return errCut
	}
	return err
}

func (l *losesAnswers) TakeOver(ctx context.Context, owner string, n int) ([]journal.Lease, error) {
	taken, err := l.Leases.TakeOver(ctx, owner, n)
	if err := l.lose("TakeOver", len(taken) > 0, err); err != nil {
		return nil, err
	}
	return taken, nil
}

func (l *losesAnswers) Own(ctx context.Context, owner, key string) (journal.Lease, error) {
	lease, err := l.Leases.Own(ctx, owner, key)
	return lease, l.lose("Own", true, err)
}

// What a replica has taken over without being told is not stuck with it.
func TestTakeOverWithoutAnswer(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		a := replica(t, d, j)
		ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
		_, err := mustTool(a, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.NoError(t, a.Close(t.Context()))
		way := &losesAnswers{Leases: j, of: "TakeOver"}
		b := replica(t, d, way)
		began := time.Now()
		for len(b.Resumed()) == 0 || len(b.Pending()) == 0 {
			time.Sleep(100 * time.Millisecond)
			require.Less(t, time.Since(began), time.Minute, "nobody works on it")
		}
		require.True(t, way.lost.Load())
		require.NoError(t, b.Decide(t.Context(), b.Pending()[0], hitl.Approve("kim", "")))
		res, err := mustTool(b, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Len(t, d.Jobs(), 1)
	}, duvotest.WithAssignment(refunds))
}

// A key that a replica took without being told is another's, once it asks.
func TestOwnWithoutAnswer(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewShared()
		approve := decide(hitl.Approve("rules", ""), nil)
		way := &losesAnswers{Leases: j, of: "Own"}
		a, b := replica(t, d, way, approve), replica(t, d, j, approve)
		ctx, cancel := context.WithTimeout(duvotool.WithOperationKey(t.Context(), "order 4711"), 10*time.Millisecond)
		defer cancel()
		_, err := mustTool(a, "refunds").Run(ctx, "4711")
		require.True(t, err != nil || way.lost.Load())
		require.True(t, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, journal.ErrFailed), err)
		synctest.Wait()
		ctx, cancel = context.WithTimeout(duvotool.WithOperationKey(t.Context(), "order 4711"), time.Minute)
		defer cancel()
		res, err := mustTool(b, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		require.Len(t, d.Jobs(), 1)
	}, duvotest.WithAssignment(refunds))
}

// A replica that was not told that its lease had run out sees it by its own clock, and
// looks what it still owns before it goes on.
func TestRenewalWithoutAnswer(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		cut := &cutOff{Leases: journal.NewShared()}
		way := &losesAnswers{Leases: cut, of: "Renew"}
		replica(t, d, way, duvotool.WithLease(time.Second), duvotool.WithoutResume()) // whose take-overs cannot fail
		time.Sleep(time.Minute)
		require.Zero(t, way.listed.Load(), "while all is well nothing is looked at")
		cut.cut.Store(true)
		time.Sleep(2 * time.Second)
		cut.cut.Store(false)
		time.Sleep(2 * time.Second)
		require.True(t, way.lost.Load())
		require.NotZero(t, way.listed.Load())
	}, duvotest.WithAssignment(refunds))
}
