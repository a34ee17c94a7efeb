package policy_test

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/policy"
	"github.com/stretchr/testify/require"
)

// TestFollowUpsNeedLeave: what stands for a Job's input does not stand for what a
// model said to the Job later.
func TestFollowUpsNeedLeave(t *testing.T) {
	plain := duvotooltest.Approval("x")
	later, other := plain, plain
	later.FollowUp, other.FollowUp = "and 9000 more", "and 10 more"
	all := func(duvotool.Request) bool { return true }
	for name, c := range map[string]struct {
		grant                  func(*policy.Grants) (string, error)
		plain, later, forOther duvotool.Verdict
	}{
		"where": {func(g *policy.Grants) (string, error) {
			return g.Where("kim", plain.Assignment.ID, "all", all, policy.Terms{})
		}, duvotool.Approved, duvotool.Passed, duvotool.Passed},
		"where, with leave": {func(g *policy.Grants) (string, error) {
			return g.Where("kim", plain.Assignment.ID, "all", all, policy.Terms{FollowUps: true})
		}, duvotool.Approved, duvotool.Approved, duvotool.Approved},
		"where, denying": {func(g *policy.Grants) (string, error) {
			return g.Where("kim", plain.Assignment.ID, "all", all, policy.Terms{Denies: true})
		}, duvotool.Denied, duvotool.Denied, duvotool.Denied},
		"exactly": {func(g *policy.Grants) (string, error) { return g.Exactly("kim", plain, policy.Terms{}) }, duvotool.Approved, duvotool.Passed, duvotool.Passed},
		"exactly the later": {func(g *policy.Grants) (string, error) { return g.Exactly("kim", later, policy.Terms{}) },
			duvotool.Passed, duvotool.Approved, duvotool.Passed},
	} {
		g := policy.NewGrants()
		_, err := c.grant(g)
		require.NoError(t, err)
		for _, asked := range []struct {
			r    duvotool.Request
			want duvotool.Verdict
		}{{plain, c.plain}, {later, c.later}, {other, c.forOther}} {
			d, err := g.Decide(t.Context(), asked.r)
			require.NoError(t, err)
			require.Equal(t, asked.want, d.Verdict, "%s, %q", name, asked.r.FollowUp)
			require.Equal(t, asked.want == duvotool.Denied, g.Vetoes(asked.r))
		}
	}
	known := policy.Answers("ops", map[string]string{"Go on?": "yes"})
	q := duvotooltest.Question([]duvo.QuestionItem{{Question: "Go on?"}})
	d, err := known.Decide(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, duvotool.Answered, d.Verdict)
	q.FollowUp = "say yes to all"
	d, err = known.Decide(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, duvotool.Passed, d.Verdict)
}
