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
	combine "github.com/duvotool/duvotool/policy"
	"github.com/stretchr/testify/require"
)

// TestRecordedApproval: an approval that was recorded a minute after the request
// was seen, and not sent, is sent by the next process unless the policy of then
// denies it whatever anybody says. What stands for no opinion leaves it alone.
func TestRecordedApproval(t *testing.T) {
	deny := duvotool.AlwaysDeny()
	here := combine.AssignmentIs(refundsID)
	elsewhere := combine.AssignmentIs("another").Optional()
	never := duvotool.AutoApprove(duvotool.For(refundsID).Denies())
	other := duvotool.AutoApprove(duvotool.For(refundsID).TitleIs("Another"))
	ended := duvotool.AutoApprove(duvotool.For(refundsID).Until(time.Now().Add(-time.Hour)))
	ask := duvotool.Forward(decisionOf(duvotool.Deny("kim", "asked again")))
	const kept, lost = "refunded 1 EUR", "not refunded"
	for name, c := range map[string]struct {
		policy duvotool.Policy
		want   string
	}{
		"deny all":                  {deny, lost},
		"a case that denies all":    {combine.Route(combine.When(here, deny)), lost},
		"another's case":            {combine.Route(combine.When(elsewhere, deny), combine.When(here, ask)), kept},
		"the first that is asked":   {duvotool.FirstOf(deny, ask), lost},
		"at the end":                {duvotool.FirstOf(combine.NewGrants(), deny), kept},
		"after people":              {duvotool.FirstOf(ask, deny), kept},
		"after other rules":         {duvotool.FirstOf(other, deny), kept},
		"after an ended rule":       {duvotool.FirstOf(ended, deny), kept},
		"a case after people":       {duvotool.FirstOf(ask, combine.Route(combine.When(here, deny))), kept},
		"a case after other rules":  {duvotool.FirstOf(other, combine.Route(combine.When(here, deny)), ask), lost},
		"a case after an end":       {duvotool.FirstOf(ended, combine.Route(combine.When(here, deny))), kept},
		"a rule after people":       {duvotool.FirstOf(ask, never), lost},
		"asked first, in time":      {combine.Timeout(time.Hour, deny, ask), lost},
		"not yet over":              {combine.Timeout(2*time.Minute, ask, deny), kept},
		"over before it was made":   {combine.Timeout(30*time.Second, ask, deny), lost},
		"over, and others decide":   {combine.Timeout(30*time.Second, deny, ask), kept},
		"over, within a case":       {combine.Route(combine.When(here, combine.Timeout(30*time.Second, ask, deny))), lost},
		"escalated first":           {combine.Escalate(deny, combine.Then(time.Hour, ask)), lost},
		"escalated before":          {combine.Escalate(ask, combine.Then(30*time.Second, deny)), lost},
		"to be escalated later":     {combine.Escalate(ask, combine.Then(2*time.Minute, deny)), kept},
		"in a quorum":               {combine.Quorum(1, ask, deny), lost},
		"within a budget":           {combine.Budget(1, time.Hour, deny, ask), lost},
		"when a budget is used up":  {combine.Budget(1, time.Hour, ask, deny), kept},
		"left to Duvo, then denied": {duvotool.FirstOf(duvotool.LeaveToDuvo(), deny), kept},
		"answers, then denied":      {duvotool.FirstOf(combine.Answers("faq", map[string]string{"a": "b"}), combine.Route(combine.When(here, deny)), ask), lost},
	} {
		for _, dies := range []string{"after put 4", "after respond"} { // decided and not sent; sent, and the answer lost
			t.Run(name+"/"+dies, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := duvotest.New(duvotest.WithAssignment(slowRefunds))
					defer d.Close()
					if dies == "after respond" {
						d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
					}
					j := duvotool.NewMemoryJournal()
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
						require.Equal(t, duvotool.OutcomePending, res.Outcome)
						require.Equal(t, duvotool.Unconfirmed, res.Decisions[0].Delivery)
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
	later := duvotool.WithPolicy(combine.Timeout(time.Minute, decisionOf(duvotool.Suspend()), duvotool.AlwaysDeny()))
	for _, dies := range []string{"", "after put 4"} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(slowRefunds))
			defer d.Close()
			j := duvotool.NewMemoryJournal()
			p := newProcess(j, d.Client(), dies)
			reg := open(t, p, p, later)
			ctx := duvotool.WithOperationKey(t.Context(), "k")
			_, err := reg.All()[0].Run(ctx, "1 EUR")
			require.NoError(t, err)
			time.Sleep(time.Hour)
			err = reg.Decide(t.Context(), reg.Pending()[0], duvotool.Approve("kim", ""))
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
type vetoer struct{ duvotool.PolicyFunc }

func (vetoer) Vetoes(duvotool.Request) bool { return true }

// TestVetoesWinLive: a rule that denies wins wherever it stands, before anybody is
// asked, and the emulator sees no approval.
func TestVetoesWinLive(t *testing.T) {
	never := duvotool.AutoApprove(duvotool.For(refundsID).Denies())
	for name, build := range map[string]func(yes duvotool.Policy) duvotool.Policy{
		"first of":   func(yes duvotool.Policy) duvotool.Policy { return duvotool.FirstOf(yes, never) },
		"a fallback": func(yes duvotool.Policy) duvotool.Policy { return combine.Timeout(time.Hour, yes, never) },
		"a step": func(yes duvotool.Policy) duvotool.Policy {
			return combine.Escalate(yes, combine.Then(time.Hour, never))
		},
		"a quorum": func(yes duvotool.Policy) duvotool.Policy { return combine.Quorum(1, yes, never) },
		"a budget": func(yes duvotool.Policy) duvotool.Policy { return combine.Budget(1, time.Hour, yes, never) },
		"deep": func(yes duvotool.Policy) duvotool.Policy {
			return duvotool.FirstOf(combine.Timeout(time.Hour, yes, duvotool.FirstOf(yes, never)), yes)
		},
		"a user's own": func(duvotool.Policy) duvotool.Policy { return vetoer{decisionOf(duvotool.Approve("kim", ""))} },
	} {
		var mu sync.Mutex
		asked := 0
		p := build(duvotool.Forward(func(context.Context, duvotool.Request) (duvotool.Decision, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return duvotool.Approve("kim", ""), nil
		}))
		if name != "a user's own" { // that one is only as good as the registry
			d, err := p.Decide(t.Context(), duvotool.Request{Kind: duvo.Approval, Assignment: duvo.Assignment{ID: refundsID}})
			require.NoError(t, err)
			require.Equal(t, duvotool.Denied, d.Verdict, name)
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
