package ownpolicy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

func TestSmall(t *testing.T) {
	refunds := duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds",
		Script: func(j *duvotest.Job) {
			if j.AskApproval("Refund "+j.Input()+" EUR", "") {
				j.Complete("refunded")
			}
			j.Complete("not refunded")
		}}
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	no := func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Deny("kim@example.com", "too much"), nil
	}
	reg, err := duvotool.Discover(t.Context(), d.Client(),
		duvotool.WithPolicy(Small(refunds.ID, 50, no)), duvotool.WithPollInterval(10*time.Millisecond))
	require.NoError(t, err)
	defer reg.Close(context.Background())

	tool, err := reg.Tool("Refunds")
	require.NoError(t, err)
	for amount, want := range map[string]string{"20": "refunded", "500": "not refunded"} {
		res, err := tool.Run(t.Context(), amount)
		require.NoError(t, err)
		require.Equal(t, want, res.Output)
	}
	require.Equal(t, 2, d.Count("respondToHumanRequest"))
}

func TestSmallByTitle(t *testing.T) {
	kim := duvotooltest.NewOperator("kim@example.com").Denies("", "too much")
	policy := Small(duvotooltest.AssignmentID, 50, kim.Decide)
	for title, want := range map[string]hitl.Verdict{
		"Refund 50 EUR":                hitl.Approved,
		"Refund 51 EUR":                hitl.Denied,
		"Refund -5 EUR":                hitl.Denied,
		"Refund 20 EUR for order 4711": hitl.Denied, // not the form that the rule knows: kim is asked
	} {
		decision, err := policy.Decide(t.Context(), duvotooltest.Approval(title))
		require.NoError(t, err)
		require.Equal(t, want, decision.Verdict, title)
	}
}

func TestPolicyKeepsTheRules(t *testing.T) {
	kim := duvotooltest.NewOperator("kim@example.com").Denies("", "too much")
	duvotooltest.TestPolicy(t, func() hitl.Policy { return Small(duvotooltest.AssignmentID, 50, kim.Decide) })
}

func TestNobodyDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
			j.AskApproval("Refund 120 EUR", "")
		}}))
		defer d.Close()
		absent := hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			<-ctx.Done()
			return hitl.Decision{}, ctx.Err()
		})
		reg, err := duvotool.Discover(t.Context(), d.Client(),
			duvotool.WithPolicy(hitl.Timeout(24*time.Hour, absent, hitl.AlwaysDeny())))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		tool, err := reg.Tool("Refunds")
		require.NoError(t, err)
		res, err := tool.Run(t.Context(), "order 4711")
		require.NoError(t, err)
		require.Equal(t, hitl.Denied, res.Decisions[0].Verdict)
	})
}
