package hitl_test

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// TestVetoes: a denial that stands is found in whatever it is put.
func TestVetoes(t *testing.T) {
	const id = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"
	req := hitl.Request{Kind: duvo.Approval, Title: "Gift card", Assignment: duvo.Assignment{ID: id, Name: "Refunds"}}
	other := req
	other.Title = "Refund"
	denies := hitl.AutoApprove(hitl.For(id), hitl.For(id).TitleIs("Gift card").Denies())
	grants := hitl.NewGrants()
	_, err := grants.Exactly("kim@example.com", req, hitl.Terms{Denies: true})
	require.NoError(t, err)
	yes := hitl.LeaveToDuvo()
	match := hitl.AssignmentIs(id)
	for name, p := range map[string]hitl.Policy{
		"rule": denies, "grants": grants, "first": hitl.FirstOf(yes, denies),
		"timeout": hitl.Timeout(time.Minute, yes, denies), "timed": hitl.Timeout(time.Minute, denies, yes),
		"escalate": hitl.Escalate(yes, hitl.Then(time.Minute, denies)), "quorum": hitl.Quorum(1, yes, denies),
		"budget": hitl.Budget(1, time.Minute, yes, denies), "route": hitl.Route(hitl.When(match, denies)),
	} {
		require.True(t, hitl.Vetoes(p, req), name)
		require.False(t, hitl.Vetoes(p, other), name)
	}
	require.False(t, hitl.Vetoes(yes, req))
	require.False(t, hitl.Vetoes(hitl.Route(hitl.When(match, yes), hitl.When(match, denies)), req), "it never comes to the second")
}
