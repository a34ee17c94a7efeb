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
