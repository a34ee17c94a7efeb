package policy_test

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/policy"
	"github.com/stretchr/testify/require"
)

// What a policy is made of is its own: slices and maps that change later change
// nothing.
func TestMadeOfIsOwned(t *testing.T) {
	all := func(duvotool.Request) bool { return true }
	yes := duvotool.AutoApprove(duvotool.For("a").TitleIs("x"))
	no := duvotool.AlwaysDeny()
	req := duvotool.Request{Kind: duvo.Approval, Title: "x", Assignment: duvo.Assignment{ID: "a"}}

	cases := []policy.Case{policy.When(all, no)}
	route := policy.Route(cases...)
	cases[0] = policy.When(all, yes)
	approvers := []duvotool.Policy{no, no}
	quorum := policy.Quorum(1, approvers...)
	approvers[0], approvers[1] = nil, nil
	steps := []policy.Step{policy.Then(1, no)}
	escalate := policy.Escalate(no, steps...)
	steps[0] = policy.Step{}
	rules := []duvotool.Rule{duvotool.For("b")}
	auto := duvotool.AutoApprove(rules...)
	rules[0] = duvotool.For("a").TitleIs("x")
	known := map[string]string{"Which?": "left"}
	answers := policy.Answers("kim@example.com", known)
	known["Which?"] = "right"

	for name, p := range map[string]duvotool.Policy{"Route": route, "AutoApprove": auto} {
		d, err := p.Decide(t.Context(), req)
		require.NoError(t, err, name)
		require.NotEqual(t, duvotool.Approved, d.Verdict, name)
	}
	for _, p := range []duvotool.Policy{quorum, escalate} {
		require.NoError(t, p.(interface{ Validate() error }).Validate())
	}
	d, err := answers.Decide(t.Context(), duvotool.Request{Kind: duvo.Question, Questions: []duvo.QuestionItem{{Question: "Which?"}}})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Which?": "left"}, d.Answers)
}
