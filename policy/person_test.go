package policy_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/policy"
	"github.com/stretchr/testify/require"
)

// TestQuorumCountsPeople: one person under two spellings is one vote, and so is
// somebody who votes in a quorum within and again outside.
func TestQuorumCountsPeople(t *testing.T) {
	names := func(by ...string) []duvotool.Policy {
		var out []duvotool.Policy
		for _, n := range by {
			out = append(out, duvotooltest.NewOperator(n).Approves(""))
		}
		return out
	}
	quorum := func(n int, of ...string) duvotool.Policy { return policy.Quorum(n, names(of...)...) }
	for name, c := range map[string]struct {
		p    duvotool.Policy
		want duvotool.Verdict
	}{
		"composed and not":   {quorum(2, "José", "Jose\u0301"), duvotool.Denied},
		"full-width":         {quorum(2, "kim", "ｋｉｍ"), duvotool.Denied},
		"zero-width":         {quorum(2, "kim", "k\u200bim"), duvotool.Denied},
		"doubled space":      {quorum(2, "kim lee", "kim  lee"), duvotool.Denied},
		"no-break space":     {quorum(2, "kim lee", "kim\u00a0lee"), duvotool.Denied},
		"case":               {quorum(2, "Straße", "STRASSE"), duvotool.Denied},
		"two":                {quorum(2, "kim", "lee"), duvotool.Approved},
		"a twin and another": {quorum(2, "kim", "KIM", "lee"), duvotool.Approved},
		"quorums of the same": {policy.Quorum(2, policy.Quorum(2, names("kim", "lee")...), policy.Quorum(2, names("lee", "kim")...)),
			duvotool.Denied},
		"a quorum and one of it": {policy.Quorum(2, policy.Quorum(2, names("kim", "lee")...), names("kim")[0]), duvotool.Denied},
		"a quorum and another":   {policy.Quorum(2, policy.Quorum(2, names("kim", "lee")...), names("pat")[0]), duvotool.Approved},
	} {
		for range 20 { // they answer in any order
			require.Equal(t, c.want, decide(t, c.p, duvotooltest.Approval("Refund 5000 EUR")).Verdict, name)
		}
	}
	for _, invisible := range []string{"\u200b", "\u3164", " \u00a0"} {
		require.ErrorIs(t, duvotool.Approve(invisible, "").Check(duvotooltest.Approval("x")), duvotool.ErrInvalidDecision)
		_, err := policy.NewGrants().Exactly(invisible, duvotooltest.Approval("x"), policy.Terms{})
		require.Error(t, err)
	}
}

func of(tenant string) func(*duvotool.Request) {
	return func(r *duvotool.Request) { r.Caller.Tenant = tenant }
}

// TestGrantsKnowTheirTenant: what a person of one tenant approves is approved for
// no other; what is denied without saying for whom is denied for all.
func TestGrantsKnowTheirTenant(t *testing.T) {
	any := func(duvotool.Request) bool { return true }
	where := func(terms policy.Terms) func(*policy.Grants) (string, error) {
		return func(g *policy.Grants) (string, error) {
			return g.Where("kim", duvotooltest.AssignmentID, "all", any, terms)
		}
	}
	exactly := func(tenant string, terms policy.Terms) func(*policy.Grants) (string, error) {
		return func(g *policy.Grants) (string, error) {
			return g.Exactly("kim", duvotooltest.Approval("x", of(tenant)), terms)
		}
	}
	const yes, no, none = duvotool.Approved, duvotool.Denied, duvotool.Passed
	for name, c := range map[string]struct {
		give           func(*policy.Grants) (string, error)
		inA, inB, bare duvotool.Verdict
	}{
		"exactly, of a":        {exactly("a", policy.Terms{}), yes, none, none},
		"exactly, of nobody's": {exactly("", policy.Terms{}), none, none, yes},
		"exactly, of all":      {exactly("a", policy.Terms{AnyTenant: true}), yes, yes, yes},
		"exactly never, of a":  {exactly("a", policy.Terms{Denies: true}), no, none, none},
		"where, unsaid":        {where(policy.Terms{}), none, none, yes},
		"where, a":             {where(policy.Terms{Tenant: "a"}), yes, none, none},
		"where, all":           {where(policy.Terms{AnyTenant: true}), yes, yes, yes},
		"never, unsaid":        {where(policy.Terms{Denies: true}), no, no, no},
		"never, a":             {where(policy.Terms{Denies: true, Tenant: "a"}), no, none, none},
	} {
		g := policy.NewGrants()
		_, err := c.give(g)
		require.NoError(t, err, name)
		for tenant, want := range map[string]duvotool.Verdict{"a": c.inA, "b": c.inB, "": c.bare} {
			req := duvotooltest.Approval("x", of(tenant))
			require.Equal(t, want, decide(t, g, req).Verdict, "%s, asked in %q", name, tenant)
			require.Equal(t, want == no, duvotool.Vetoes(g, req), "%s, asked in %q", name, tenant)
		}
	}
	g := policy.NewGrants()
	_, err := exactly("a", policy.Terms{Tenant: "b"})(g)
	require.Error(t, err)
	_, err = where(policy.Terms{Tenant: "b", AnyTenant: true})(g)
	require.Error(t, err)
	require.Empty(t, g.List())
}

// TestGrantOfAnotherTenant in whole Jobs: the emulator sees no approval.
func TestGrantOfAnotherTenant(t *testing.T) {
	g := policy.NewGrants()
	_, err := g.Where("kim@a.example.com", duvotooltest.AssignmentID, "small refunds", func(duvotool.Request) bool { return true }, policy.Terms{Tenant: "a"})
	require.NoError(t, err)
	for tenant, want := range map[string]bool{"a": true, "b": false, "": false} {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: duvotooltest.AssignmentID, Name: "Refunds", Script: func(j *duvotest.Job) {
			j.Complete(fmt.Sprint(j.AskApproval("Refund 120 EUR", "")))
		}}))
		defer d.Close()
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(g), duvotool.WithPollInterval(time.Millisecond))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		_, err = mustTool(reg, "refunds").Run(duvotool.WithCaller(t.Context(), duvotool.Caller{Tenant: tenant}), "4711")
		require.NoError(t, err)
		require.Equal(t, want, *d.Jobs()[0].Requests[0].Response.Approved, tenant)
	}
}

// TestBudgetsOfTenants: one tenant's agent that runs wild leaves another's budget
// alone.
func TestBudgetsOfTenants(t *testing.T) {
	p := policy.Budget(1, time.Hour, duvotooltest.NewOperator("kim").Approves(""), duvotool.AlwaysDeny())
	for _, tenant := range []string{"a", "b"} {
		require.Equal(t, duvotool.Approved, decide(t, p, duvotooltest.Approval("x", of(tenant))).Verdict)
		require.Equal(t, duvotool.Denied, decide(t, p, duvotooltest.Approval("x", of(tenant))).Verdict)
	}
}

// mustTool is for names that are there.
func mustTool(reg *duvotool.Registry, name string) *duvotool.Tool {
	tool, err := reg.Tool(name)
	if err != nil {
		panic(err)
	}
	return tool
}
