package hitl_test

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A name in a policy that nothing in Duvo has is refused when the registry is
// made, however deep it stands.
func TestNamesThatMatchNothing(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: duvotooltest.AssignmentID, Name: "Refunds", Folder: "Support/Money", Description: "x"}))
	defer d.Close()
	kim := hitl.LeaveToDuvo()
	bad := hitl.AutoApprove(hitl.For("nope"))
	any := func(hitl.Request) bool { return true }
	grants := hitl.NewGrants()
	_, err := grants.Where("kim", "nope", "all", any, hitl.Terms{Denies: true})
	require.NoError(t, err, "nobody knows yet what there is")
	for name, c := range map[string]struct {
		p    hitl.Policy
		says string
	}{
		"ID":        {hitl.Route(hitl.When(hitl.AssignmentIs(duvotooltest.AssignmentID), kim), hitl.When(hitl.AssignmentIs("nope"), kim)), `Route: case 2: no Assignment has the ID "nope"`},
		"name":      {hitl.Route(hitl.When(hitl.NameIs("Refund"), kim)), `no Assignment has the name "Refund"; is it "Refunds"?`},
		"folder":    {hitl.Route(hitl.When(hitl.FolderIs("Suport"), kim)), `there is no folder "Suport"; is it "Support"`},
		"case":      {hitl.Route(hitl.When(any, bad)), "AutoApprove: rule 1"},
		"timeout":   {hitl.Timeout(time.Minute, bad, kim), "Timeout: AutoApprove"},
		"fallback":  {hitl.Timeout(time.Minute, kim, bad), "Timeout: AutoApprove"},
		"escalate":  {hitl.Escalate(bad), "Escalate: AutoApprove"},
		"step":      {hitl.Escalate(kim, hitl.Then(time.Minute, bad)), "Escalate: AutoApprove"},
		"quorum":    {hitl.Quorum(1, kim, bad), "Quorum: AutoApprove"},
		"budget":    {hitl.Budget(1, time.Minute, bad, kim), "Budget: AutoApprove"},
		"then":      {hitl.Budget(1, time.Minute, kim, bad), "Budget: AutoApprove"},
		"grants":    {grants, `Grants: "all": no Assignment has the ID "nope"`},
		"deep":      {hitl.FirstOf(kim, hitl.Timeout(time.Minute, hitl.Route(hitl.When(any, grants)), kim)), `has the ID "nope"`},
		"two in it": {hitl.FirstOf(bad, grants), `FirstOf: policy 1: AutoApprove: rule 1: no Assignment has the ID "nope"; there is only ` + duvotooltest.AssignmentID + ` ("Refunds"); FirstOf: policy 2`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(c.p))
			require.ErrorContains(t, err, c.says)
			var e *hitl.NoMatchError
			require.ErrorAs(t, err, &e)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	for range 2 {
		_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(grants))
		require.Error(t, err, "also when it is tried again")
	}
	allowed := hitl.Route(hitl.When(hitl.AssignmentIs("nope").Optional(), kim), hitl.When(hitl.NameIs("nope").Optional(), kim), hitl.When(hitl.FolderIs("nope").Optional(), kim),
		hitl.When(hitl.AssignmentIs(duvotooltest.AssignmentID), kim), hitl.When(hitl.NameIs("Refunds"), kim), hitl.When(hitl.FolderIs("/Support/Money/", "Support"), kim),
		hitl.When(any, hitl.AutoApprove(hitl.For("nope").Optional())))
	reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(allowed))
	require.NoError(t, err)
	require.NoError(t, reg.Close(t.Context()))
}

// Grants that are in use check the IDs of new ones, against every registry that
// uses them.
func TestGrantsForUnknownAssignments(t *testing.T) {
	any := func(hitl.Request) bool { return true }
	grants := hitl.NewGrants()
	_, err := grants.Where("kim", "later", "all", any, hitl.Terms{Optional: true})
	require.NoError(t, err)
	var regs []*duvotool.Registry
	for _, id := range []string{duvotooltest.AssignmentID, "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b77"} {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "Refunds", Description: "x"}))
		defer d.Close()
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(grants))
		require.NoError(t, err)
		regs = append(regs, reg)
	}
	for _, id := range []string{duvotooltest.AssignmentID, "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b77"} {
		for _, denies := range []bool{false, true} {
			_, err := grants.Where("kim", id, "all", any, hitl.Terms{Denies: denies})
			require.NoError(t, err)
			_, err = grants.Where("kim", id[:len(id)-1], "all", any, hitl.Terms{Denies: denies})
			require.ErrorContains(t, err, "is it ")
			var e *hitl.NoMatchError
			require.ErrorAs(t, err, &e)
		}
	}
	require.Len(t, grants.List(), 5, "what was refused is not kept")
	d := duvotest.New()
	defer d.Close()
	reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(grants))
	require.NoError(t, err, "another registry knows them")
	for _, reg := range append(regs, reg) {
		require.NoError(t, reg.Close(t.Context()))
	}
}

// A guard that is made of an empty list guards nothing.
func TestMatchesOfNothing(t *testing.T) {
	var names hitl.Names
	for what, m := range map[string]hitl.NameMatch{"IDs": hitl.AssignmentIs(), "names": hitl.NameIs(), "folders": hitl.FolderIs()} {
		require.ErrorContains(t, hitl.CheckNames(hitl.Route(hitl.When(m, hitl.AlwaysDeny())), names), "names nothing", what)
	}
	require.NoError(t, hitl.CheckNames(hitl.Route(hitl.When(hitl.AssignmentIs().Optional(), hitl.AlwaysDeny())), names))
}
