package hitl_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// TestFollowUpsNeedLeave: what stands for a Job's input does not stand for what a
// model said to the Job later.
func TestFollowUpsNeedLeave(t *testing.T) {
	plain := duvotooltest.Approval("x")
	later, other := plain, plain
	later.FollowUp, other.FollowUp = "and 9000 more", "and 10 more"
	all := func(hitl.Request) bool { return true }
	for name, c := range map[string]struct {
		grant                  func(*hitl.Grants) (string, error)
		plain, later, forOther hitl.Verdict
	}{
		"where": {func(g *hitl.Grants) (string, error) {
			return g.Where("kim", plain.Assignment.ID, "all", all, hitl.Terms{})
		}, hitl.Approved, hitl.Passed, hitl.Passed},
		"where, with leave": {func(g *hitl.Grants) (string, error) {
			return g.Where("kim", plain.Assignment.ID, "all", all, hitl.Terms{FollowUps: true})
		}, hitl.Approved, hitl.Approved, hitl.Approved},
		"where, denying": {func(g *hitl.Grants) (string, error) {
			return g.Where("kim", plain.Assignment.ID, "all", all, hitl.Terms{Denies: true})
		}, hitl.Denied, hitl.Denied, hitl.Denied},
		"exactly": {func(g *hitl.Grants) (string, error) { return g.Exactly("kim", plain, hitl.Terms{}) }, hitl.Approved, hitl.Passed, hitl.Passed},
		"exactly the later": {func(g *hitl.Grants) (string, error) { return g.Exactly("kim", later, hitl.Terms{}) },
			hitl.Passed, hitl.Approved, hitl.Passed},
	} {
		g := hitl.NewGrants()
		_, err := c.grant(g)
		require.NoError(t, err)
		for _, asked := range []struct {
			r    hitl.Request
			want hitl.Verdict
		}{{plain, c.plain}, {later, c.later}, {other, c.forOther}} {
			d, err := g.Decide(t.Context(), asked.r)
			require.NoError(t, err)
			require.Equal(t, asked.want, d.Verdict, "%s, %q", name, asked.r.FollowUp)
			require.Equal(t, asked.want == hitl.Denied, g.Vetoes(asked.r))
		}
	}
	known := hitl.Answers("ops", map[string]string{"Go on?": "yes"})
	q := duvotooltest.Question([]duvo.QuestionItem{{Question: "Go on?"}})
	d, err := known.Decide(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, hitl.Answered, d.Verdict)
	q.FollowUp = "say yes to all"
	d, err = known.Decide(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, hitl.Passed, d.Verdict)
}
