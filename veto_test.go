package duvotool_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// TestRecordedApproval: an approval that was recorded a minute after the request
// was seen, and not sent, is sent by the next process unless the policy of then
// denies it whatever anybody says. What stands for no opinion leaves it alone.
func TestRecordedApproval(t *testing.T) {
	deny := hitl.AlwaysDeny()
	here := hitl.AssignmentIs(refundsID)
	elsewhere := hitl.AssignmentIs("another").Optional()
	never := hitl.AutoApprove(hitl.For(refundsID).Denies())
	other := hitl.AutoApprove(hitl.For(refundsID).TitleIs("Another"))
	ended := hitl.AutoApprove(hitl.For(refundsID).Until(time.Now().Add(-time.Hour)))
	ask := hitl.Forward(decisionOf(hitl.Deny("kim", "asked again")))
	const kept, lost = "refunded 1 EUR", "not refunded"
	for name, c := range map[string]struct {
		policy hitl.Policy
		want   string
	}{
		"deny all":                  {deny, lost},
		"a case that denies all":    {hitl.Route(hitl.When(here, deny)), lost},
		"another's case":            {hitl.Route(hitl.When(elsewhere, deny), hitl.When(here, ask)), kept},
		"the first that is asked":   {hitl.FirstOf(deny, ask), lost},
		"at the end":                {hitl.FirstOf(hitl.NewGrants(), deny), kept},
		"after people":              {hitl.FirstOf(ask, deny), kept},
		"after other rules":         {hitl.FirstOf(other, deny), kept},
		"after an ended rule":       {hitl.FirstOf(ended, deny), kept},
		"a case after people":       {hitl.FirstOf(ask, hitl.Route(hitl.When(here, deny))), kept},
		"a case after other rules":  {hitl.FirstOf(other, hitl.Route(hitl.When(here, deny)), ask), lost},
		"a case after an end":       {hitl.FirstOf(ended, hitl.Route(hitl.When(here, deny))), kept},
		"a rule after people":       {hitl.FirstOf(ask, never), lost},
		"asked first, in time":      {hitl.Timeout(time.Hour, deny, ask), lost},
		"not yet over":              {hitl.Timeout(2*time.Minute, ask, deny), kept},
		"over before it was made":   {hitl.Timeout(30*time.Second, ask, deny), lost},
		"over, and others decide":   {hitl.Timeout(30*time.Second, deny, ask), kept},
		"over, within a case":       {hitl.Route(hitl.When(here, hitl.Timeout(30*time.Second, ask, deny))), lost},
		"escalated first":           {hitl.Escalate(deny, hitl.Then(time.Hour, ask)), lost},
		"escalated before":          {hitl.Escalate(ask, hitl.Then(30*time.Second, deny)), lost},
		"to be escalated later":     {hitl.Escalate(ask, hitl.Then(2*time.Minute, deny)), kept},
		"in a quorum":               {hitl.Quorum(1, ask, deny), lost},
		"within a budget":           {hitl.Budget(1, time.Hour, deny, ask), lost},
		"when a budget is used up":  {hitl.Budget(1, time.Hour, ask, deny), kept},
		"left to Duvo, then denied": {hitl.FirstOf(hitl.LeaveToDuvo(), deny), kept},
		"answers, then denied":      {hitl.FirstOf(hitl.Answers("faq", map[string]string{"a": "b"}), hitl.Route(hitl.When(here, deny)), ask), lost},
	} {
		for _, dies := range []string{"after put 4", "after respond"} { // decided and not sent; sent, and the answer lost
			t.Run(name+"/"+dies, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := duvotest.New(duvotest.WithAssignment(slowRefunds))
					defer d.Close()
					if dies == "after respond" {
						d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
					}
					j := journal.NewMemory()
					_, end, _ := callIn(t, newProcess(j, d.Client(), dies), "k", "1 EUR")
					end()
					before := d.Count("respondToHumanRequest")
					time.Sleep(5 * time.Minute)
					reg := open(t, d.Client(), j, duvotool.WithPolicy(c.policy))
					defer shut(t, reg)
					res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
					require.NoError(t, err)
					switch {
					case c.want == lost && dies == "after respond":
						require.Equal(t, before, d.Count("respondToHumanRequest"), "it is not sent once more")
						require.Equal(t, outcome.OutcomePending, res.Outcome)
						require.Equal(t, hitl.Unconfirmed, res.Decisions[0].Delivery)
						require.Contains(t, res.Note, "was not sent again")
					default:
						require.Equal(t, c.want, res.Output)
						require.Equal(t, c.want == kept, *d.Jobs()[0].Requests[0].Response.Approved)
					}
				})
			})
		}
	}
}

// TestLateDecisionOfASuspendedRequest: once it was put off in time, no deadline of
// the policy's runs any more, neither live nor after a restart.
func TestLateDecisionOfASuspendedRequest(t *testing.T) {
	later := duvotool.WithPolicy(hitl.Timeout(time.Minute, decisionOf(hitl.Suspend()), hitl.AlwaysDeny()))
	for _, dies := range []string{"", "after put 5"} { // decided and not sent
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(slowRefunds))
			defer d.Close()
			j := journal.NewMemory()
			p := newProcess(j, d.Client(), dies)
			reg := open(t, p, p, later)
			ctx := duvotool.WithOperationKey(t.Context(), "k")
			_, err := reg.All()[0].Run(ctx, "1 EUR")
			require.NoError(t, err)
			time.Sleep(time.Hour)
			err = reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", ""))
			if dies == "" {
				require.NoError(t, err)
			}
			_ = reg.Close(context.Background())
			reg = open(t, d.Client(), j, later)
			defer shut(t, reg)
			res, err := reg.All()[0].Run(ctx, "1 EUR")
			require.NoError(t, err)
			require.Equal(t, "refunded 1 EUR", res.Output)
		})
	}
}

// vetoer is a policy of a user's that approves, and has a rule against it.
type vetoer struct{ hitl.PolicyFunc }

func (vetoer) Vetoes(hitl.Request) bool { return true }

// TestVetoesWinLive: a rule that denies wins wherever it stands, before anybody is
// asked, and the emulator sees no approval.
func TestVetoesWinLive(t *testing.T) {
	never := hitl.AutoApprove(hitl.For(refundsID).Denies())
	for name, build := range map[string]func(yes hitl.Policy) hitl.Policy{
		"first of":   func(yes hitl.Policy) hitl.Policy { return hitl.FirstOf(yes, never) },
		"a fallback": func(yes hitl.Policy) hitl.Policy { return hitl.Timeout(time.Hour, yes, never) },
		"a step": func(yes hitl.Policy) hitl.Policy {
			return hitl.Escalate(yes, hitl.Then(time.Hour, never))
		},
		"a quorum": func(yes hitl.Policy) hitl.Policy { return hitl.Quorum(1, yes, never) },
		"a budget": func(yes hitl.Policy) hitl.Policy { return hitl.Budget(1, time.Hour, yes, never) },
		"deep": func(yes hitl.Policy) hitl.Policy {
			return hitl.FirstOf(hitl.Timeout(time.Hour, yes, hitl.FirstOf(yes, never)), yes)
		},
		"a user's own": func(hitl.Policy) hitl.Policy { return vetoer{decisionOf(hitl.Approve("kim", ""))} },
	} {
		var mu sync.Mutex
		asked := 0
		p := build(hitl.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return hitl.Approve("kim", ""), nil
		}))
		if name != "a user's own" { // that one is only as good as the registry
			d, err := p.Decide(t.Context(), hitl.Request{Kind: duvo.Approval, Assignment: duvo.Assignment{ID: refundsID}})
			require.NoError(t, err)
			require.Equal(t, hitl.Denied, d.Verdict, name)
			require.Equal(t, "policy auto-approve", d.By, name)
		}
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			res, err := mustTool(discover(t, d.Client(), duvotool.WithPolicy(p)), "refunds").Run(t.Context(), "4711")
			require.NoError(t, err)
			require.Equal(t, "not refunded", res.Output, name)
			require.False(t, *d.Jobs()[0].Requests[0].Response.Approved)
			require.NotEmpty(t, res.Decisions[0].Path)
		}, duvotest.WithAssignment(refunds))
		mu.Lock()
		require.Zero(t, asked, name)
		mu.Unlock()
	}
}
