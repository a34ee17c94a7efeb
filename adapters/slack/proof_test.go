package slack_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// noProof is a verifier that takes none.
func noProof(context.Context, hitl.Statement, hitl.Proof) error { return hitl.ErrProofNeeded }

// What takes a proof is approved and answered at the desk; denying it takes none.
func TestProofsAreGivenAtTheDesk(t *testing.T) {
	posting(t, func(b *bench) {
		b.stop()
		b.policy = hitl.RequireProof(nil, noProof, suspends)
		b.start()
		b.call("addresses", "go")
		b.call("refunds", "Refund 120 EUR")
		asked, _ := b.slack.posted()
		require.Len(t, asked, 2)
		for _, m := range asked {
			require.Contains(t, m.Blocks, "approve or answer it at the desk")
			require.NotContains(t, m.buttons(), "duvotool_approve")
			require.NotContains(t, m.buttons(), "duvotool_answer")
			require.NotEmpty(t, m.buttons()["duvotool_desk"].URL)
		}
		m := asked[1]
		forged := m
		forged.Blocks = blocksOf(object{"type": "actions", "elements": []object{{"action_id": "duvotool_approve", "value": m.buttons()["duvotool_deny"].Value}}})
		b.deliver(b.slack.click(forged, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "Nothing was decided, and it still waits")
		require.Contains(t, b.slack.lastAlone().Blocks, "https://desk.example")
		require.Zero(t, b.responses())
		require.Len(t, b.reg.Pending(), 2)
		b.deliver(b.slack.click(m, "U1", "duvotool_deny"))
		b.deliver(b.slack.submit(t, "U1", object{}))
		require.Equal(t, 1, b.responses())
		require.Equal(t, "kim@example.com", b.decision().By)
	})
}

// As a policy below such a condition the app asks nobody: it waits at the desk.
func TestAskedBelowAProof(t *testing.T) {
	posting(t, func(b *bench) {
		b.stop()
		b.policy = hitl.RequireProof(nil, noProof, appOf{b})
		b.start()
		done := b.run("refunds", "Refund 120 EUR")
		require.Len(t, done, 1)
		require.NoError(t, <-done)
		b.pass(time.Minute)
		require.Zero(t, b.responses())
		require.Len(t, b.reg.Pending(), 1)
		m := b.asked()
		require.NotContains(t, m.Blocks, "Approved by")
		require.NotContains(t, m.buttons(), "duvotool_approve")
		require.NotEmpty(t, m.buttons()["duvotool_desk"].URL)
	})
}
