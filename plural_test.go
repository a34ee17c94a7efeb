package duvotool_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// One of a thing is told in the singular.
func TestOneIsSingular(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	require.Contains(t, discover(t, d.Client()).SearchTool().Description(), "1 Duvo Assignment that")
	require.Contains(t, outcome.Event{Kind: outcome.EventQueued, Before: 1}.String(), "behind 1 other")
	require.NotContains(t, outcome.Event{Kind: outcome.EventQueued, Before: 1}.String(), "others")
	require.Contains(t, outcome.Changes{Collided: []string{"x"}, Unmatched: []string{"y"}}.String(), "1 name collides, 1 name matches nothing")
	res := outcome.Result{Outcome: outcome.OutcomeCompleted}
	for range 21 {
		res.Decisions = append(res.Decisions, hitl.DecisionEntry{})
	}
	require.Contains(t, res.Observation(), "[1 more denial]")
	r := hitl.Request{Kind: duvo.Question, Questions: make([]duvo.QuestionItem, 51)}
	r.Questions[0].Options = make([]duvo.Choice, 51)
	require.Contains(t, r.String(), "1 more question]")
	require.Contains(t, r.String(), "1 more option]")
}
