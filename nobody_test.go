package duvotool_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

var nobody = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
	return hitl.Nobody("the host shows no forms"), nil
})

// TestNobodyCouldBeAsked: Duvo is sent nothing, the request stays open there, and
// what the model and the audit are told is nobody's denial.
func TestNobodyCouldBeAsked(t *testing.T) {
	passed := hitl.Pass()
	passed.Source, passed.Reason = hitl.SourceNobody, "the host shows no forms"
	for name, p := range map[string]hitl.Policy{
		"alone": nobody, "as no opinion": hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return passed, nil }),
		"first of": hitl.FirstOf(nobody, hitl.AutoApprove(hitl.For("another").Optional())), "forwarded": hitl.Forward(hitl.PolicyFunc(nobody)),
		"in time": hitl.Timeout(time.Hour, nobody, hitl.AlwaysDeny()), "escalated": hitl.Escalate(nobody, hitl.Then(time.Hour, nobody)),
		"a quorum": hitl.Quorum(1, nobody), "the fallback": hitl.Timeout(1, hitl.FirstOf(nobody), nobody),
		"a budget": hitl.Budget(1, time.Hour, nobody, hitl.AlwaysDeny()),
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				log := &auditLog{}
				reg := discover(t, d.Client(), duvotool.WithPolicy(p), duvotool.WithAudit(log))
				res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomePending, res.Outcome)
				sent, _ := responses(d)
				require.Zero(t, sent)
				require.Equal(t, duvo.StatusWaiting, d.Jobs()[0].Status)
				require.Equal(t, hitl.SourceNobody, res.Decisions[0].Source)
				require.Equal(t, hitl.NotSent, res.Decisions[0].Delivery)
				text := res.Observation()
				require.Contains(t, text, `Nobody could be asked: the approval titled "Refund 120 EUR" was not approved, because: `)
				require.Contains(t, text, "the host shows no forms. Nobody decided against it. It is still open in Duvo, where a person can answer it")
				for _, wrong := range []string{"Denied", "Do not retry", "always-deny"} {
					require.NotContains(t, text, wrong)
				}
				require.Equal(t, "decided denied not sent nobody", spaced(log)[1])
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// TestNobodyAndThenSomebody: who can be asked is, and somebody in Duvo may decide
// meanwhile.
func TestNobodyAndThenSomebody(t *testing.T) {
	kim := decisionOf(hitl.Approve("kim", ""))
	for name, p := range map[string]hitl.Policy{
		"first of": hitl.FirstOf(nobody, kim), "escalated": hitl.Escalate(nobody, hitl.Then(time.Hour, kim)),
		"a quorum": hitl.Quorum(1, nobody, hitl.Forward(kim)),
	} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			res, err := mustTool(discover(t, d.Client(), duvotool.WithPolicy(p)), "refunds").Run(t.Context(), "4711")
			require.NoError(t, err)
			require.Equal(t, "refunded", res.Output, name)
		}, duvotest.WithAssignment(refunds))
	}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.WithPolicy(nobody), duvotool.WithObserver(func(e outcome.Event) {
			if e.Kind == outcome.EventDecided {
				require.Contains(t, e.String(), ": not decided, because nobody could be asked")
				require.NoError(t, d.AnswerElsewhere(e.JobID, duvo.Response{Approved: new(bool)}))
			}
		}))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, "not refunded", res.Output)
		require.NotContains(t, res.Observation(), "Nobody could be asked", "somebody was")
	}, duvotest.WithAssignment(refunds))
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		res, err := mustTool(discover(t, d.Client(), duvotool.WithPolicy(nobody), duvotool.StopOn(outcome.NobodyToAsk)), "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeStopped, res.Outcome)
		require.Contains(t, res.Observation(), "Nobody could be asked")
		require.Contains(t, res.Observation(), "It may be asked for again when somebody can answer.")
	}, duvotest.WithAssignment(refunds))
}

func decisionOf(d hitl.Decision) hitl.PolicyFunc {
	return func(context.Context, hitl.Request) (hitl.Decision, error) { return d, nil }
}

// TestExpiryIsToldAsExpiry, and as nobody's denial; what somebody decided after
// the deadline is theirs.
func TestExpiryIsToldAsExpiry(t *testing.T) {
	absent := absent()
	const expired = `Nobody answered in time: the approval titled "Refund 120 EUR" was not approved, because: nobody decided within 4h0m0s`
	for name, c := range map[string]struct {
		fallback hitl.Policy
		source   hitl.Source
		by, text string
	}{
		"deny all":    {hitl.AlwaysDeny(), hitl.SourceTimeout, "policy Timeout(4h0m0s)", expired + ". Nobody decided against it. It may be asked for again"},
		"with reason": {hitl.AlwaysDeny("call finance"), hitl.SourceTimeout, "policy Timeout(4h0m0s)", expired + "; call finance. Nobody decided"},
		"a program":   {decisionOf(hitl.Deny("night shift", "")), hitl.SourceTimeout, "policy Timeout(4h0m0s)", expired + ". Nobody decided"},
		"a person": {hitl.Forward(decisionOf(hitl.Deny("lee", "too much"))), hitl.SourcePerson, "lee",
			`Denied by lee: the approval titled "Refund 120 EUR", because: too much. Do not retry or rephrase this.`},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				log := &auditLog{}
				reg := discover(t, d.Client(), duvotool.WithAudit(log), duvotool.WithPolicy(hitl.Timeout(4*time.Hour, absent, c.fallback)))
				res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				sent, approved := responses(d)
				require.Equal(t, 1, sent)
				require.False(t, approved)
				require.Equal(t, c.source, res.Decisions[0].Source)
				require.Equal(t, c.by, log.records[1].By)
				require.Contains(t, res.Observation(), c.text)
				require.NotContains(t, res.Observation(), "always-deny")
				err = &outcome.DecidedError{Entry: res.Decisions[0]}
				require.Equal(t, c.source == hitl.SourceTimeout, err.Error() == "duvotool: the request was already denied because nobody decided in time", err)
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// TestExpiryIsToldToTheJob as that, too.
func TestExpiryIsToldToTheJob(t *testing.T) {
	told := refunds
	told.Resume = func(j *duvotest.Job, message string) { j.Complete("noted: " + message) }
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.TellReason(), duvotool.WithPolicy(hitl.Timeout(time.Hour, absent(), hitl.AlwaysDeny())))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, `noted: The request "Refund 120 EUR" was not approved in time: nobody decided within 1h0m0s`, res.Output)
	}, duvotest.WithAssignment(told))
}

// TestAlwaysDenyWithAReason.
func TestAlwaysDenyWithAReason(t *testing.T) {
	d, err := hitl.AlwaysDeny("refunds are off today").Decide(t.Context(), hitl.Request{})
	require.NoError(t, err)
	require.Equal(t, "refunds are off today", d.Reason)
	d, err = hitl.FirstOf(nobody, hitl.AlwaysDeny("call finance")).Decide(t.Context(), hitl.Request{})
	require.NoError(t, err)
	require.Equal(t, "nobody could be asked: the host shows no forms; call finance", d.Reason)
	require.Equal(t, hitl.SourcePolicy, d.Source)
}

// TestNobodyDecidesNothing: it can approve nothing and decide nothing later.
func TestNobodyDecidesNothing(t *testing.T) {
	d := hitl.Approve("kim", "")
	d.Source = hitl.SourceNobody
	require.ErrorIs(t, d.Check(hitl.Request{Kind: duvo.Approval}), hitl.ErrInvalidDecision)
	emulated(t, func(t *testing.T, dd *duvotest.Duvo) {
		reg := discover(t, dd.Client(), decide(hitl.Suspend(), nil))
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.ErrorIs(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Nobody("")), hitl.ErrInvalidDecision)
		require.Len(t, reg.Pending(), 1)
	}, duvotest.WithAssignment(refunds))
	require.Equal(t, "duvotool: the request was given up, because nobody could be asked",
		(&outcome.DecidedError{Entry: hitl.DecisionEntry{Decision: hitl.Nobody("")}}).Error())
}
