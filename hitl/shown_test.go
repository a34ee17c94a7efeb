package hitl_test

import (
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// TestShownWhole: what the digest covers is shown, headers too, and what is cut
// does not pass for whole.
func TestShownWhole(t *testing.T) {
	req := hitl.Request{JobID: "job", ID: "request", Kind: duvo.Question, Title: "Two things", Input: "x",
		Questions: []duvo.QuestionItem{{Question: "Go on?", Header: "Delete all orders", Options: []duvo.Choice{{Label: "Yes", Description: "at once"}}}}}
	require.Contains(t, req.String(), "headed: Delete all orders")
	require.True(t, req.ShownWhole(req.String()))
	for _, text := range []string{"Two things", "Go on?", "Delete all orders", "Yes", "at once"} {
		require.False(t, req.ShownWhole(strings.ReplaceAll(req.String(), text, "…")), text)
	}
	req.Description = strings.Repeat("long ", 2000) + "and pay 9999 EUR"
	require.False(t, req.ShownWhole(req.String()))
	other := req
	other.Questions = []duvo.QuestionItem{{Question: "Go on?", Header: "Send the report", Options: req.Questions[0].Options}}
	require.NotEqual(t, req.Digest(), other.Digest())
	require.NotEqual(t, req.String(), other.String())
}
