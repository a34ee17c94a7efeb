package duvotool_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

var complaints = duvotest.Assignment{ID: refundsID, Name: "Complaint handler", Description: "x", Folder: "Support/Complaints", Script: func(j *duvotest.Job) {
	if j.AskApproval("Refund", "") {
		j.Complete("refunded")
	}
}}

// What an option or a policy names and nothing has is refused, and the error
// tells what may have been meant, on one line.
func TestNamesThatMatchNothing(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(complaints), duvotest.WithAssignment(duvotest.Assignment{Name: "Newsletter", Description: "x"}))
	defer d.Close()
	wrongID := refundsID[:len(refundsID)-1] + "0"
	rule := hitl.For("nope")
	once := duvotool.OncePerScope()
	for name, c := range map[string]struct {
		opt  duvotool.Option
		says string
	}{
		"configure by name":    {duvotool.Configure(duvotool.ByName("Complaint Handlr"), once), `Configure: no Assignment has the name "Complaint Handlr"; is it "Complaint handler"?`},
		"one of two names":     {duvotool.Configure(duvotool.ByName("Newsletter", "Nope"), once), `no Assignment has the name "Nope"`},
		"configure by ID":      {duvotool.Configure(duvotool.ByID(wrongID), once), `has the ID "` + wrongID + `"; is it ` + refundsID + ` ("Complaint handler")?`},
		"a name for an ID":     {duvotool.Configure(duvotool.ByID("Complaint handler"), once), `is it ` + refundsID},
		"configure by pattern": {duvotool.Configure(duvotool.ByPattern("Complaint"), once), `no Assignment's name matches "Complaint"`},
		"configure by folder":  {duvotool.Configure(duvotool.InFolder("Suport"), once), `there is no folder "Suport"; is it "Support"`},
		"keep":                 {duvotool.Keep(duvotool.ByName("Newsletter"), duvotool.ByName("newsletter")), `Keep: no Assignment has the name "newsletter"; is it "Newsletter"?`},
		"rule that allows":     {duvotool.WithPolicy(hitl.AutoApprove(hitl.For(refundsID), rule)), `AutoApprove: rule 2: no Assignment has the ID "nope"`},
		"rule that denies":     {duvotool.WithPolicy(hitl.FirstOf(hitl.LeaveToDuvo(), hitl.AutoApprove(rule.Denies()))), `FirstOf: policy 2: AutoApprove: rule 1: no Assignment has`},
		"configured policy":    {duvotool.Configure(duvotool.ByID(refundsID), duvotool.WithPolicy(hitl.AutoApprove(rule))), `no Assignment has the ID "nope"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := duvotool.Discover(t.Context(), d.Client(), c.opt)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "Optional")
			require.NotContains(t, err.Error(), "\n")
			var e *hitl.NoMatchError
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Name)
		})
	}
	_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.Keep(duvotool.ByName("a")), duvotool.Configure(duvotool.ByName("b"), once))
	require.ErrorContains(t, err, `"a"`)
	require.ErrorContains(t, err, `"b"`, "all at once")
	discover(t, d.Client(), duvotool.Keep(duvotool.ByName("a").Optional(), duvotool.ByName("Newsletter")), duvotool.Configure(duvotool.ByID("b").Optional(), once),
		duvotool.WithPolicy(hitl.AutoApprove(rule.Optional())))
	discover(t, d.Client(), duvotool.Keep(duvotool.ByName("Newsletter")), duvotool.Configure(duvotool.ByID(refundsID), once),
		duvotool.WithPolicy(hitl.AutoApprove(hitl.For(strings.ToUpper(refundsID))))) // what is not kept is there all the same

	empty := duvotest.New()
	defer empty.Close()
	_, err = duvotool.Discover(t.Context(), empty.Client(), duvotool.Configure(duvotool.ByName("Refunds"), once))
	require.ErrorContains(t, err, "the team has no Assignments at all")
	discover(t, empty.Client(), duvotool.Configure(duvotool.ByName("Refunds").Optional(), once))
	discover(t, empty.Client())
}

// A guard that was found by name stays with its Assignment when that is renamed
// or moved, and holds for another that takes the name.
func TestRenamedAssignmentKeepsItsGuard(t *testing.T) {
	for name, c := range map[string]struct {
		guard  duvotool.Selector
		change func(*duvotest.Assignment)
		heir   duvotest.Assignment
	}{
		"name":    {duvotool.ByName("Complaint handler"), func(a *duvotest.Assignment) { a.Name = "Care" }, duvotest.Assignment{Name: "Complaint handler", Description: "x"}},
		"pattern": {duvotool.ByPattern("Complaint.*"), func(a *duvotest.Assignment) { a.Name = "Care" }, duvotest.Assignment{Name: "Complaints", Description: "x"}},
		"folder":  {duvotool.InFolder("Support"), func(a *duvotest.Assignment) { a.Folder = "Old" }, duvotest.Assignment{Name: "Heir", Folder: "Support", Description: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(complaints), duvotest.WithAssignment(duvotest.Assignment{Name: "Newsletter", Description: "x", Folder: "Support/Complaints/Kept"}))
			defer d.Close()
			if name != "folder" {
				require.NoError(t, d.UpdateAssignment(refundsID, func(a *duvotest.Assignment) { a.Folder = "" }))
			}
			var logged syncbuf.Buffer
			reg := discover(t, d.Client(), duvotool.Configure(c.guard, duvotool.OncePerScope()), duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
			guarded := func(id string) {
				t.Helper()
				_, err := mustTool(reg, id).Run(t.Context(), "refund 4711")
				require.ErrorIs(t, err, outcome.ErrNoScope)
			}
			guarded(refundsID)
			require.NoError(t, d.UpdateAssignment(refundsID, c.change))
			for range 2 {
				got, err := reg.Refresh(t.Context())
				require.NoError(t, err)
				require.Empty(t, got.Unmatched)
				guarded(refundsID)
			}
			if name != "folder" { // its folder is there still
				require.Equal(t, 1, strings.Count(logged.String(), "renamed or moved"), "told once")
			}
			require.NoError(t, d.AddAssignment(c.heir))
			_, err := reg.Refresh(t.Context())
			require.NoError(t, err)
			guarded(refundsID)
			guarded(c.heir.Name)
			require.Empty(t, d.Jobs())
		})
	}
}

// What is gone since a refresh is told once, and breaks nothing.
func TestRefreshTellsWhatIsNamedInVain(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var seen changes
		var logged syncbuf.Buffer
		reg := discover(t, d.Client(), duvotool.Configure(duvotool.ByName("Complaint handler"), duvotool.OncePerScope()), duvotool.WithObserver(seen.observe),
			duvotool.WithPolicy(hitl.FirstOf(hitl.AutoApprove(hitl.For(refundsID)), hitl.LeaveToDuvo())), duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
		require.NoError(t, d.RemoveAssignment(refundsID))
		want := []string{`no Assignment has the ID "` + refundsID + `"`, `no Assignment has the name "Complaint handler"`}
		c, err := reg.Refresh(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, want, c.Unmatched)
		require.Contains(t, c.String(), "2 names match nothing")
		require.Equal(t, 2, strings.Count(logged.String(), "is gone"))
		require.NoError(t, d.AddAssignment(duvotest.Assignment{Name: "Complaints handler", Description: "x"})) // another near name is no news
		c, err = reg.Refresh(t.Context())
		require.NoError(t, err)
		require.Empty(t, c.Unmatched)
		require.NoError(t, reg.Close(t.Context()))
		require.Equal(t, want, seen.all()[0].Changes.Unmatched)
	}, duvotest.WithAssignment(complaints))
}

// A folder that a policy names must be known: an outage of the list of folders
// is none of its absence.
func TestFoldersThatPoliciesName(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(complaints))
	defer d.Close()
	p := folderPolicy{hitl.LeaveToDuvo()}
	reg := discover(t, d.Client(), duvotool.WithPolicy(p))
	d.Inject(duvotest.Fault{Op: "listAgentFolders", Kind: duvotest.StatusBefore, Status: 403})
	_, err := reg.Refresh(t.Context())
	require.ErrorIs(t, err, duvo.ErrForbidden, "the folders of requests would be lost")
	require.Equal(t, "Support/Complaints", reg.All()[0].Folder())
	d.Inject(duvotest.Fault{Op: "listAgentFolders", Kind: duvotest.StatusBefore, Status: 403})
	_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(p))
	require.ErrorContains(t, err, `the folder "Support" cannot be looked up: the folders could not be listed`)
}

type folderPolicy struct{ hitl.Policy }

func (folderPolicy) CheckNames(n hitl.Names) error { return n.HaveFolders("Support") }
