package hitl_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// TestDigestsKnowFollowUps, and those of requests without one are what they were.
func TestDigestsKnowFollowUps(t *testing.T) {
	r := hitl.Request{JobID: "j", ID: "r", Kind: duvo.Approval, Title: "t", Description: "d", Assignment: duvo.Assignment{ID: "a"}, BuildID: "b", Input: "i"}
	require.Equal(t, "35f1606f03fcb46cce4c210aa824350ad950e78ae6743de137eed5f411ce2932", r.Digest())
	require.Equal(t, "ac0477947320454d0f30153e85e272fb0cf454c78256ae79ef411552053058e5", r.ContentDigest())
	seen := map[string]bool{r.Digest(): true, r.ContentDigest(): true}
	for _, followUp := range []string{"x", "y"} {
		r.FollowUp = followUp
		require.False(t, seen[r.Digest()] || seen[r.ContentDigest()])
		seen[r.Digest()], seen[r.ContentDigest()] = true, true
	}
}
