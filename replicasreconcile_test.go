package duvotool_test

import (
	"context"
	"strings"
	"sync"
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

// overtaken is one replica's way to a journal on which another is faster once: before
// it puts the record of an operation.
type overtaken struct {
	journal.Leases
	mu sync.Mutex
	by func() // nil: nobody is
}

func (o *overtaken) Put(ctx context.Context, r journal.Record) (uint64, error) {
	o.mu.Lock()
	by := o.by
	if strings.HasPrefix(r.Key, "op-") {
		o.by = nil
	}
	o.mu.Unlock()
	if by != nil && strings.HasPrefix(r.Key, "op-") {
		by()
	}
	return o.Leases.Put(ctx, r)
}

// Two people who reconcile one operation on two replicas at the same time: one of them
// is first, and the other is told at once, so that Close waits for nobody.
func TestReconciledOnTwoReplicas(t *testing.T) {
	for _, started := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(slowRefunds))
			defer d.Close()
			j := journal.NewShared()
			way := &overtaken{Leases: j}
			a, b := open(t, d.Client(), j), open(t, d.Client(), way)
			kind, job := duvotest.ResetBefore, ""
			if started {
				kind = duvotest.ResetAfter
			}
			d.Inject(duvotest.Fault{Op: "startRun", Kind: kind})
			d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403})
			ctx := duvotool.WithOperationKey(t.Context(), "k")
			res, err := a.All()[0].Run(ctx, "1 EUR")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
			time.Sleep(time.Minute)
			unknown := b.Jobs()[0]
			require.True(t, unknown.Unknown)
			if started {
				job = d.Jobs()[0].ID
			}
			way.mu.Lock()
			way.by = func() { require.NoError(t, a.Reconcile(t.Context(), unknown, job, "kim")) }
			way.mu.Unlock()
			began := time.Now()
			soon, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_ = b.Reconcile(soon, unknown, job, "ann") // what counts is kim's, which says the same
			require.Less(t, time.Since(began), time.Minute)
			res, err = b.All()[0].Run(ctx, "1 EUR")
			require.NoError(t, err)
			require.Equal(t, "not refunded", res.Output)
			require.Len(t, d.Jobs(), 1)
			shut(t, b)
			shut(t, a)
		})
	}
}

// Close that is held up by a policy says so, and does not blame a journal that listens.
func TestCloseBlamesNoListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		free := make(chan struct{})
		stuck := duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			<-free
			return hitl.Deny("rules", ""), nil
		}))
		reg := open(t, d.Client(), journal.NewShared(), stuck)
		_, err := reg.All()[0].Start(t.Context(), "1 EUR")
		require.NoError(t, err)
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err = reg.Close(ctx) // in the moment of a renewal
		require.ErrorContains(t, err, "ignored their context: policy")
		close(free)
		shut(t, reg)
	})
}
