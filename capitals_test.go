package duvotool_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
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
