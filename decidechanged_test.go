package duvotool_test

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A decision about a text that is found changed by the read right before it would be
// sent is refused as one about another text, not as one about nothing: whoever made it
// reads the new one, which waits.
func TestDecideTellsThatTheTextChanged(t *testing.T) {
	for name, change := range map[string]func(*duvo.HumanRequest){
		"title":       func(q *duvo.HumanRequest) { q.Title = "Refund 12000 EUR" },
		"description": func(q *duvo.HumanRequest) { q.Description += " " },
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				reg := suspending(t, d)
				_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				shown := reg.Pending()[0]
				require.NoError(t, d.ChangeRequest(shown.JobID, change))
				err = reg.Decide(t.Context(), shown, hitl.Approve("kim", ""))
				require.ErrorIs(t, err, hitl.ErrRequestChanged)
				require.ErrorIs(t, err, outcome.ErrNotPending, "what was decided about")
				require.Zero(t, d.Count("respondToHumanRequest"))
				time.Sleep(time.Second) // the policy is asked about the new text
				now := reg.Pending()
				require.Len(t, now, 1)
				require.NotEqual(t, shown.Digest(), now[0].Digest())
				require.NoError(t, reg.Decide(t.Context(), now[0], hitl.Approve("kim", "")))
			}, duvotest.WithAssignment(refunds))
		})
	}
}
