package duvotool_test

import (
	"context"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// shouting writes the ID of a request in capitals from its first response on.
type shouting struct {
	*duvo.Client
	loud atomic.Bool
}

func (b *shouting) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := b.Client.Job(ctx, id)
	if j.Pending != nil && b.loud.Load() {
		j.Pending.ID = strings.ToUpper(j.Pending.ID)
	}
	return j, err
}

func (b *shouting) Respond(ctx context.Context, r duvo.Response) error {
	defer b.loud.Store(true)
	return b.Client.Respond(ctx, r)
}

// distinctResponses counts the responses that differ.
func distinctResponses(d *duvotest.Duvo) int {
	n := map[string]bool{}
	for _, r := range d.Requests() {
		if r.Op == "respondToHumanRequest" {
			n[string(r.Body)] = true
		}
	}
	return len(n)
}

// An ID in other case is the same ID (Job IDs are taken so): one request, one
// decision.
func TestARequestInCapitalsIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds",
			Script: func(j *duvotest.Job) { j.AskApproval("Refund", ""); j.Complete("ok") }}
		d := duvotest.New(duvotest.WithAssignment(job))
		defer d.Close()
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.LateEffect, EffectDelay: 20 * time.Second})
		asked := 0
		p := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			if asked++; asked > 1 {
				return hitl.Deny("kim", ""), nil
			}
			return hitl.Approve("kim", ""), nil
		})
		reg, err := duvotool.Discover(t.Context(), &shouting{Client: d.Client()}, duvotool.WithPolicy(p))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		_, _ = reg.All()[0].Run(t.Context(), "x")
		require.LessOrEqual(t, distinctResponses(d), 1, "one request got two decisions")
		require.Equal(t, 1, asked)
	})
}

// A decision through the registry is about the request whose IDs are written in
// another case, too.
func TestDecideInCapitals(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		_, err := mustTool(reg, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		req := reg.Pending()[0]
		req.ID, req.JobID = strings.ToUpper(req.ID), strings.ToUpper(req.JobID)
		require.NoError(t, reg.Decide(t.Context(), req, hitl.Approve("kim", "")))
		res, err := mustTool(reg, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Equal(t, 1, distinctResponses(d))
	}, duvotest.WithAssignment(refunds))
}

// capitals writes the IDs of Assignments in capitals from some time on.
type capitals struct {
	*duvo.Client
	loud atomic.Bool
}

func (b *capitals) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for a, err := range b.Client.Assignments(ctx) {
			if b.loud.Load() {
				a.ID = strings.ToUpper(a.ID)
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

// One refund a conversation, also where the list of Assignments comes to spell an
// ID otherwise: all else takes it for the same.
func TestOncePerScopeInCapitals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds"}))
		defer d.Close()
		b := &capitals{Client: d.Client()}
		reg, err := duvotool.Discover(t.Context(), b, duvotool.OncePerScope())
		require.NoError(t, err)
		defer reg.Close(context.Background())
		ctx := duvotool.WithOperationScope(t.Context(), "conversation")
		_, err = reg.All()[0].Run(ctx, "refund 1")
		require.NoError(t, err)
		b.loud.Store(true)
		_, err = reg.Refresh(t.Context())
		require.NoError(t, err)
		_, _ = reg.All()[0].Run(ctx, "refund 2")
		require.Len(t, d.Jobs(), 1)
	})
}

// The key of a call, the list of what is offered and what bars a scope know it too.
func TestAnAssignmentInCapitalsIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds"}),
			duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		defer d.Close()
		b := &capitals{Client: d.Client()}
		opts := []duvotool.Option{duvotool.WithJournal(journal.NewMemory())}
		reg, err := duvotool.Discover(t.Context(), b, opts...)
		require.NoError(t, err)
		ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
		scope := duvotool.WithOperationScope(t.Context(), "conversation")
		first, err := reg.All()[0].Run(ctx, "refund 1")
		require.NoError(t, err)
		_, err = reg.All()[0].Run(scope, "refund 2")
		require.NoError(t, err)
		b.loud.Store(true)
		changes, err := reg.Refresh(t.Context())
		require.NoError(t, err)
		require.Empty(t, changes.Added)
		require.Empty(t, changes.Removed)
		for range 2 {
			again, err := reg.All()[0].Run(ctx, "refund 1")
			require.NoError(t, err)
			require.Equal(t, first.JobID, again.JobID)
			_, err = reg.All()[0].Run(scope, "refund 2")
			require.NoError(t, err)
			require.Len(t, d.Jobs(), 2)
			require.NoError(t, reg.Close(context.Background()))
			reg, err = duvotool.Discover(t.Context(), b, opts...) // another process, with the same journal
			require.NoError(t, err)
		}
		require.NoError(t, reg.Close(context.Background()))
	})
}
