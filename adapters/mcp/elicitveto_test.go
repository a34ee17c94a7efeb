package mcp_test

import (
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A rule that denies wins before the host's user is shown a form, in the rules as
// in the fallback, for approvals as for questions.
func TestElicitVetoedFirst(t *testing.T) {
	denies := hitl.For(refundsID).Denies()
	for _, p := range []hitl.Policy{
		mcp.Elicit(nil, hitl.For(refundsID), denies),
		mcp.Elicit(hitl.AutoApprove(denies), hitl.For(refundsID)),
	} {
		withHost(t, p, sayYes, func(t *testing.T, h *host) {
			require.Contains(t, h.call(t, "refunds", "order 4711"), "Not refunded.")
			require.Empty(t, h.forms)
			for what, approved := range h.approvals() {
				require.False(t, approved, what)
			}
		})
	}
}

// The conditions of the fallback hold for what the host's user approves.
func TestElicitChecks(t *testing.T) {
	p := mcp.Elicit(hitl.NotOwn(nil, hitl.AlwaysDeny()), hitl.For(refundsID))
	require.ErrorIs(t, hitl.CheckDecision(t.Context(), p, hitl.Request{}, hitl.Approve("kim", "")), hitl.ErrOwnWork)
}
