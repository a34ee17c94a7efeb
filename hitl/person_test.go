package hitl_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// TestQuorumCountsPeople: one person under two spellings is one vote, and so is
// somebody who votes in a quorum within and again outside.
func TestQuorumCountsPeople(t *testing.T) {
	names := func(by ...string) []hitl.Policy {
		var out []hitl.Policy
		for _, n := range by {
			out = append(out, duvotooltest.NewOperator(n).Approves(""))
		}
		return out
	}
	quorum := func(n int, of ...string) hitl.Policy { return hitl.Quorum(n, names(of...)...) }
	for name, c := range map[string]struct {
		p    hitl.Policy
		want hitl.Verdict
	}{
		"composed and not":   {quorum(2, "José", "Jose\u0301"), hitl.Denied},
		"full-width":         {quorum(2, "kim", "ｋｉｍ"), hitl.Denied},
		"zero-width":         {quorum(2, "kim", "k\u200bim"), hitl.Denied},
		"doubled space":      {quorum(2, "kim lee", "kim  lee"), hitl.Denied},
		"no-break space":     {quorum(2, "kim lee", "kim\u00a0lee"), hitl.Denied},
		"case":               {quorum(2, "Straße", "STRASSE"), hitl.Denied},
		"two":                {quorum(2, "kim", "lee"), hitl.Approved},
		"a twin and another": {quorum(2, "kim", "KIM", "lee"), hitl.Approved},
		"quorums of the same": {hitl.Quorum(2, hitl.Quorum(2, names("kim", "lee")...), hitl.Quorum(2, names("lee", "kim")...)),
			hitl.Denied},
		"a quorum and one of it": {hitl.Quorum(2, hitl.Quorum(2, names("kim", "lee")...), names("kim")[0]), hitl.Denied},
		"a quorum and another":   {hitl.Quorum(2, hitl.Quorum(2, names("kim", "lee")...), names("pat")[0]), hitl.Approved},
	} {
		for range 20 { // they answer in any order
			require.Equal(t, c.want, decide(t, c.p, duvotooltest.Approval("Refund 5000 EUR")).Verdict, name)
		}
	}
	for _, invisible := range []string{"\u200b", "\u3164", " \u00a0"} {
		require.ErrorIs(t, hitl.Approve(invisible, "").Check(duvotooltest.Approval("x")), hitl.ErrInvalidDecision)
		_, err := hitl.NewGrants().Exactly(invisible, duvotooltest.Approval("x"), hitl.Terms{})
		require.Error(t, err)
	}
}

func of(tenant string) func(*hitl.Request) {
	return func(r *hitl.Request) { r.Caller.Tenant = tenant }
}

// TestGrantsKnowTheirTenant: what a person of one tenant approves is approved for
// no other; what is denied without saying for whom is denied for all.
func TestGrantsKnowTheirTenant(t *testing.T) {
	any := func(hitl.Request) bool { return true }
	where := func(terms hitl.Terms) func(*hitl.Grants) (string, error) {
		return func(g *hitl.Grants) (string, error) {
			return g.Where("kim", duvotooltest.AssignmentID, "all", any, terms)
		}
	}
	exactly := func(tenant string, terms hitl.Terms) func(*hitl.Grants) (string, error) {
		return func(g *hitl.Grants) (string, error) {
			return g.Exactly("kim", duvotooltest.Approval("x", of(tenant)), terms)
		}
	}
	const yes, no, none = hitl.Approved, hitl.Denied, hitl.Passed
	for name, c := range map[string]struct {
		give           func(*hitl.Grants) (string, error)
		inA, inB, bare hitl.Verdict
	}{
		"exactly, of a":        {exactly("a", hitl.Terms{}), yes, none, none},
		"exactly, of nobody's": {exactly("", hitl.Terms{}), none, none, yes},
		"exactly, of all":      {exactly("a", hitl.Terms{AnyTenant: true}), yes, yes, yes},
		"exactly never, of a":  {exactly("a", hitl.Terms{Denies: true}), no, none, none},
		"where, unsaid":        {where(hitl.Terms{}), none, none, yes},
		"where, a":             {where(hitl.Terms{Tenant: "a"}), yes, none, none},
		"where, all":           {where(hitl.Terms{AnyTenant: true}), yes, yes, yes},
		"never, unsaid":        {where(hitl.Terms{Denies: true}), no, no, no},
		"never, a":             {where(hitl.Terms{Denies: true, Tenant: "a"}), no, none, none},
	} {
		g := hitl.NewGrants()
		_, err := c.give(g)
		require.NoError(t, err, name)
		for tenant, want := range map[string]hitl.Verdict{"a": c.inA, "b": c.inB, "": c.bare} {
			req := duvotooltest.Approval("x", of(tenant))
			require.Equal(t, want, decide(t, g, req).Verdict, "%s, asked in %q", name, tenant)
			require.Equal(t, want == no, hitl.Vetoes(g, req), "%s, asked in %q", name, tenant)
		}
	}
	g := hitl.NewGrants()
	_, err := exactly("a", hitl.Terms{Tenant: "b"})(g)
	require.Error(t, err)
	_, err = where(hitl.Terms{Tenant: "b", AnyTenant: true})(g)
	require.Error(t, err)
	require.Empty(t, g.List())
}

// TestGrantOfAnotherTenant in whole Jobs: the emulator sees no approval.
func TestGrantOfAnotherTenant(t *testing.T) {
	g := hitl.NewGrants()
	_, err := g.Where("kim@a.example.com", duvotooltest.AssignmentID, "small refunds", func(hitl.Request) bool { return true }, hitl.Terms{Tenant: "a"})
	require.NoError(t, err)
	for tenant, want := range map[string]bool{"a": true, "b": false, "": false} {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: duvotooltest.AssignmentID, Name: "Refunds", Script: func(j *duvotest.Job) {
			j.Complete(fmt.Sprint(j.AskApproval("Refund 120 EUR", "")))
		}}))
		defer d.Close()
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(g), duvotool.WithPollInterval(time.Millisecond))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		_, err = mustTool(reg, "refunds").Run(duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: tenant}), "4711")
		require.NoError(t, err)
		require.Equal(t, want, *d.Jobs()[0].Requests[0].Response.Approved, tenant)
	}
}

// TestBudgetsOfTenants: one tenant's agent that runs wild leaves another's budget
// alone.
func TestBudgetsOfTenants(t *testing.T) {
	p := hitl.Budget(1, time.Hour, duvotooltest.NewOperator("kim").Approves(""), hitl.AlwaysDeny())
	for _, tenant := range []string{"a", "b"} {
		require.Equal(t, hitl.Approved, decide(t, p, duvotooltest.Approval("x", of(tenant))).Verdict)
		require.Equal(t, hitl.Denied, decide(t, p, duvotooltest.Approval("x", of(tenant))).Verdict)
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
