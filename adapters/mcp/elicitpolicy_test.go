package mcp_test

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
)

// Without a host to ask, asking by forms is what its fallback is, and keeps to what
// every policy must; at a desk that nobody comes to it waits.
func TestElicitIsAPolicy(t *testing.T) {
	duvotooltest.TestPolicy(t, func() hitl.Policy { return mcp.Elicit(hitl.AlwaysDeny(), hitl.For(duvotooltest.AssignmentID)) })
	duvotooltest.TestPolicy(t, func() hitl.Policy {
		return hitl.Timeout(time.Minute, mcp.NewDesk().Elicit(hitl.LeaveToDuvo()), hitl.AlwaysDeny())
	})
}
