package hitl_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// What a policy is made of is its own: slices and maps that change later change
// nothing.
func TestMadeOfIsOwned(t *testing.T) {
	all := func(hitl.Request) bool { return true }
	yes := hitl.AutoApprove(hitl.For("a").TitleIs("x"))
	no := hitl.AlwaysDeny()
	req := hitl.Request{Kind: duvo.Approval, Title: "x", Assignment: duvo.Assignment{ID: "a"}}

	cases := []hitl.Case{hitl.When(all, no)}
	route := hitl.Route(cases...)
	cases[0] = hitl.When(all, yes)
	approvers := []hitl.Policy{no, no}
	quorum := hitl.Quorum(1, approvers...)
	approvers[0], approvers[1] = nil, nil
	steps := []hitl.Step{hitl.Then(1, no)}
	escalate := hitl.Escalate(no, steps...)
	steps[0] = hitl.Step{}
	rules := []hitl.Rule{hitl.For("b")}
	auto := hitl.AutoApprove(rules...)
	rules[0] = hitl.For("a").TitleIs("x")
	known := map[string]string{"Which?": "left"}
	answers := hitl.Answers("kim@example.com", known)
	known["Which?"] = "right"

	for name, p := range map[string]hitl.Policy{"Route": route, "AutoApprove": auto} {
		d, err := p.Decide(t.Context(), req)
		require.NoError(t, err, name)
		require.NotEqual(t, hitl.Approved, d.Verdict, name)
	}
	for _, p := range []hitl.Policy{quorum, escalate} {
		require.NoError(t, p.(interface{ Validate() error }).Validate())
	}
	d, err := answers.Decide(t.Context(), hitl.Request{Kind: duvo.Question, Questions: []duvo.QuestionItem{{Question: "Which?"}}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Which?": "left"}, d.Answers)
}
