package duvotool_test

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// TestOverdue: no deadline of hitl.Timeout runs on what its policy has put off; a program
// that denies it later, as docs/operators.md shows, is recorded as that nobody decided.
func TestOverdue(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		log := new(auditLog)
		reg := discover(t, d.Client(), duvotool.WithPolicy(hitl.Timeout(4*time.Hour, suspend, hitl.AlwaysDeny())), duvotool.WithAudit(log))
		ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
		_, err := mustTool(reg, "refunds").Start(ctx, "4711")
		require.NoError(t, err)
		time.Sleep(5 * time.Hour)
		require.Len(t, reg.Pending(), 1)
		require.Zero(t, d.Count("respondToHumanRequest"))

		late := hitl.Deny("the service", "nobody decided within 4 hours")
		late.Source = hitl.SourceTimeout
		require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], late))
		res, err := mustTool(reg, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Len(t, res.Decisions, 1)
		require.Equal(t, hitl.SourceTimeout, res.Decisions[0].Source)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}
