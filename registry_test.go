package duvotool_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

var toolName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,62}$`)

func names(r *duvotool.Registry) []string {
	var out []string
	for _, t := range r.All() {
		out = append(out, t.Name())
	}
	return out
}

func TestDiscoverPagesAndNames(t *testing.T) {
	var all []duvotest.Assignment
	for i := range 250 {
		all = append(all, duvotest.Assignment{Name: fmt.Sprintf("Worker %03d", i), Description: "Works."})
	}
	d := duvotest.New(duvotest.WithAssignments(all...))
	defer d.Close()
	reg := discover(t, d.Client())
	require.Len(t, reg.Tools(), 250)
	require.Equal(t, 3, d.Count("listAgents"))
	require.Equal(t, "worker_000", reg.All()[0].Name())
}

func TestOddAssignments(t *testing.T) {
	long := strings.Repeat("Very long ", 30)
	d := duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{Name: "Refunds", Description: "Refunds."},
		duvotest.Assignment{Name: "REFUNDS", Description: "Shouts."},
		duvotest.Assignment{Name: "返金の処理", Description: "返金します。"},
		duvotest.Assignment{Name: "返品の処理", Description: "返品します。"},
		duvotest.Assignment{Name: long, Description: "Long."},
		duvotest.Assignment{Name: "Überweisung prüfen", Description: strings.Repeat("é", 5000)},
		duvotest.Assignment{Name: "3-way match", Description: "line one\nline two\x1b[31m\u202e"},
		duvotest.Assignment{Name: "No words"},
		duvotest.Assignment{Name: "No build", NoBuild: true},
		duvotest.Assignment{Name: "!!!", Description: "Signs."},
	))
	defer d.Close()
	var logged bytes.Buffer
	reg := discover(t, d.Client(), duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	require.Len(t, reg.All(), 10)
	seen := map[string]bool{}
	byName := map[string]*duvotool.Tool{}
	for _, tool := range reg.All() {
		require.Regexp(t, toolName, tool.Name())
		require.False(t, seen[strings.ToLower(tool.Name())])
		seen[strings.ToLower(tool.Name())] = true
		byName[tool.Assignment().Name] = tool
		require.NotContains(t, tool.Description(), "\n")
		require.LessOrEqual(t, len([]rune(tool.Description())), 1025)
		require.NotEmpty(t, tool.Description())
	}
	require.Regexp(t, `^refunds_[0-9a-f]{6}$`, byName["Refunds"].Name())
	require.Regexp(t, `^refunds_[0-9a-f]{6}$`, byName["REFUNDS"].Name())
	require.Regexp(t, `^assignment_[0-9a-f]{6}$`, byName["返金の処理"].Name())
	require.NotEqual(t, byName["返金の処理"].Name(), byName["返品の処理"].Name())
	require.Equal(t, "uberweisung_prufen", byName["Überweisung prüfen"].Name())
	require.Equal(t, "_3_way_match", byName["3-way match"].Name())
	require.Equal(t, "line one line two<U+001B>[31m<U+202E>", byName["3-way match"].Description())
	require.True(t, strings.HasPrefix(byName[long].Name(), "very_long_very"))
	for _, n := range []string{"No words", "No build"} {
		require.Contains(t, byName[n].Description(), "Nobody has described what it does")
		require.Contains(t, logged.String(), n)
	}
	require.Equal(t, 2, strings.Count(logged.String(), "has no description"))
}

// Names depend on the set of Assignments alone.
func TestNamesAreStable(t *testing.T) {
	var all []duvotest.Assignment
	for i := range 60 {
		all = append(all, duvotest.Assignment{ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i*7919), Name: []string{"Same", "SAME", "same!", "返金", "other"}[i%5], Description: "x"})
	}
	want := map[string]string{}
	for round := range 5 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		d := duvotest.New(duvotest.WithAssignments(all...))
		reg := discover(t, d.Client())
		used := map[string]bool{}
		for _, tool := range reg.All() {
			require.False(t, used[tool.Name()], tool.Name())
			used[tool.Name()] = true
			if round == 0 {
				want[tool.Assignment().ID] = tool.Name()
			}
			require.Equal(t, want[tool.Assignment().ID], tool.Name())
		}
		// A filter changes no name.
		kept := discover(t, d.Client(), duvotool.Keep(duvotool.ByID(all[0].ID)))
		require.Equal(t, []string{want[all[0].ID]}, names(kept))
		d.Close()
	}
}

func TestKeepAndConfigure(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "x", Folder: "Support/Money"},
		duvotest.Assignment{Name: "Refunds EU", Description: "x", Folder: "Support"},
		duvotest.Assignment{Name: "Newsletter", Description: "x", Folder: "Marketing"},
		duvotest.Assignment{Name: "Loose", Description: "x"},
	))
	defer d.Close()
	for name, c := range map[string]struct {
		keep []duvotool.Selector
		want []string
	}{
		"ID":              {[]duvotool.Selector{duvotool.ByID(strings.ToUpper(refundsID))}, []string{"refunds"}},
		"name":            {[]duvotool.Selector{duvotool.ByName("Refunds")}, []string{"refunds"}},
		"name is exact":   {[]duvotool.Selector{duvotool.ByName("refunds").Optional()}, nil},
		"pattern":         {[]duvotool.Selector{duvotool.ByPattern("Refunds.*")}, []string{"refunds", "refunds_eu"}},
		"whole pattern":   {[]duvotool.Selector{duvotool.ByPattern("efund").Optional()}, nil},
		"folder":          {[]duvotool.Selector{duvotool.InFolder("Support")}, []string{"refunds", "refunds_eu"}},
		"folder below":    {[]duvotool.Selector{duvotool.InFolder("/Support/Money/")}, []string{"refunds"}},
		"several":         {[]duvotool.Selector{duvotool.InFolder("Marketing"), duvotool.ByName("Loose")}, []string{"loose", "newsletter"}},
		"no such folder":  {[]duvotool.Selector{duvotool.InFolder("Money").Optional()}, nil},
		"no such name":    {[]duvotool.Selector{duvotool.ByName("Nothing").Optional()}, nil},
		"all by default":  {nil, []string{"loose", "newsletter", "refunds", "refunds_eu"}},
		"pattern of rest": {[]duvotool.Selector{duvotool.ByPattern("Loose|News.*")}, []string{"loose", "newsletter"}},
	} {
		t.Run(name, func(t *testing.T) {
			var opts []duvotool.Option
			if c.keep != nil {
				opts = append(opts, duvotool.Keep(c.keep...))
			}
			require.Equal(t, c.want, names(discover(t, d.Client(), opts...)))
		})
	}
	for name, opts := range map[string][]duvotool.Option{
		"nil option":       {nil},
		"no selectors":     {duvotool.Keep()},
		"zero selector":    {duvotool.Keep(duvotool.Selector{})},
		"no IDs":           {duvotool.Keep(duvotool.ByID())},
		"empty name":       {duvotool.Keep(duvotool.ByName(""))},
		"bad pattern":      {duvotool.Keep(duvotool.ByPattern("("))},
		"breaking pattern": {duvotool.Keep(duvotool.ByPattern("a)|(b"))},
		"configure":        {duvotool.Configure(duvotool.Selector{})},
		"configure nil":    {duvotool.Configure(duvotool.ByID("x"), nil)},
		"timeout":          {duvotool.WithJobTimeout(-1)},
		"stop cause":       {duvotool.StopOn("never")},
		"observer":         {duvotool.WithObserver(nil)},
		"poll":             {duvotool.WithPollInterval(0)},
	} {
		_, err := duvotool.Discover(t.Context(), d.Client(), opts...)
		require.Error(t, err, name)
	}
	_, err := duvotool.Discover(t.Context(), nil)
	require.Error(t, err)
	_, err = duvotool.Discover(t.Context(), &fake{}, duvotool.Keep(duvotool.InFolder("x")))
	require.ErrorContains(t, err, "cannot list folders")
	_, err = duvotool.Discover(t.Context(), &fake{}, duvotool.Configure(duvotool.ByID("x"), duvotool.StopOn(outcome.Cancelled)))
	require.ErrorContains(t, err, "cannot stop Jobs")
}

func TestToolLookup(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{ID: refundsID, Name: "Order status", Description: "x"},
		duvotest.Assignment{Name: "Twin!", Description: "x"}, duvotest.Assignment{Name: "Twin?", Description: "x"}))
	defer d.Close()
	reg := discover(t, d.Client())
	for _, name := range []string{"order_status", "ORDER_STATUS", "Order status", refundsID} {
		found, ok := reg.FindTool(name)
		require.True(t, ok, name)
		require.Same(t, found, mustTool(reg, name))
	}
	for _, name := range []string{"", "nothing", "twin"} {
		found, ok := reg.FindTool(name)
		require.False(t, ok, name)
		require.Nil(t, found)
		tool, err := reg.Tool(name)
		require.ErrorIs(t, err, hitl.ErrNoTool, name)
		require.Nil(t, tool)
	}
}

// A name that is not there is an error that tells which is.
func TestToolThatIsNotThere(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{ID: refundsID, Name: "Order status", Description: "x"},
		duvotest.Assignment{Name: "Twin", Description: "x"}, duvotest.Assignment{ID: fakeID, Name: "Twin", Description: "y"}))
	defer d.Close()
	reg := discover(t, d.Client())
	_, err := reg.Tool("Order statsu")
	require.ErrorIs(t, err, hitl.ErrNoTool)
	var none *hitl.NoMatchError
	require.ErrorAs(t, err, &none)
	require.Equal(t, []string{`"order_status"`}, none.Near)
	require.EqualError(t, err, `duvotool: there is no tool with this name, ID or name of an Assignment: "Order statsu"; is it "order_status"?`)

	_, err = reg.Tool("zzz")
	require.ErrorContains(t, err, `an Assignment: "zzz"; there are "order_status", "twin_`)

	_, err = reg.Tool("Twin")
	require.ErrorIs(t, err, hitl.ErrNoTool)
	require.ErrorContains(t, err, "several Assignments have this name")

	_, err = discover(t, &fake{empty: true}).Tool("Twin")
	require.ErrorContains(t, err, "offers no tools at all")

	_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.Keep(duvotool.ByName("Twn")))
	require.Error(t, err)
	require.NotErrorIs(t, err, hitl.ErrNoTool, "a name of an option is no tool's")
}

func TestRefresh(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds), duvotest.WithAssignment(duvotest.Assignment{Name: "Old", Description: "x"}))
	defer d.Close()
	reg := discover(t, d.Client())
	old, refund := mustTool(reg, "old"), mustTool(reg, "refunds")
	c, err := reg.Refresh(t.Context())
	require.NoError(t, err)
	require.True(t, c.Empty())

	require.NoError(t, d.RemoveAssignment(old.Assignment().ID))
	require.NoError(t, d.AddAssignment(duvotest.Assignment{Name: "REFUNDS", Description: "A look-alike."}))
	require.NoError(t, d.UpdateAssignment(refundsID, func(a *duvotest.Assignment) { a.Description = "Refunds faster." }))
	c, err = reg.Refresh(t.Context())
	require.NoError(t, err)
	require.Len(t, c.Added, 1)
	require.Equal(t, "Old", c.Removed[0].Name)
	require.Len(t, c.Changed, 1)
	require.Equal(t, "refunds", c.Changed[0].NameBefore)
	require.Regexp(t, "^refunds_", c.Changed[0].NameAfter)
	require.Equal(t, "Refunds faster.", c.Changed[0].After.LatestBuild.Description)
	require.Len(t, c.Collided, 2)
	require.Equal(t, "refunds", refund.Name(), "a tool that was handed out keeps its name")
	text, err := old.Call(t.Context(), "x")
	require.NoError(t, err)
	require.Contains(t, text, "no longer offered")
	require.Zero(t, d.Count("startRun"))

	d.Inject(duvotest.Fault{Op: "listAgents", Kind: duvotest.StatusBefore, Status: 403})
	before := names(reg)
	_, err = reg.Refresh(t.Context())
	require.ErrorIs(t, err, duvo.ErrForbidden)
	require.Equal(t, before, names(reg))
}

// What Discover meets: each is a documented outcome.
func TestDiscoveryFailures(t *testing.T) {
	for name, c := range map[string]struct {
		d      []duvotest.Option
		client func(*duvotest.Duvo) (*duvo.Client, error)
		err    error
		says   string
	}{
		"wrong key": {client: func(d *duvotest.Duvo) (*duvo.Client, error) {
			return d.Client(duvo.WithAPIKey("dv_wrong")), nil
		}, err: duvo.ErrUnauthorized},
		"no team":       {d: []duvotest.Option{duvotest.WithTeams(0)}, client: withoutTeam, err: duvo.ErrInvalid, says: "belongs to no team"},
		"several teams": {d: []duvotest.Option{duvotest.WithTeams(2)}, client: withoutTeam, err: duvo.ErrInvalid, says: "DUVO_TEAM_ID"},
		"forbidden":     {d: []duvotest.Option{duvotest.WithForbidden("listAgents")}, client: withoutTeam, err: duvo.ErrForbidden},
		"unreachable": {client: func(*duvotest.Duvo) (*duvo.Client, error) {
			return duvo.New(duvo.WithAPIKey("dv_x"), duvo.WithBaseURL("http://127.0.0.1:1"), duvo.WithRetries(1, 0))
		}, err: duvo.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := duvotest.New(append(c.d, duvotest.WithAssignment(refunds))...)
			defer d.Close()
			client, err := c.client(d)
			require.NoError(t, err)
			_, err = duvotool.Discover(t.Context(), client)
			require.ErrorIs(t, err, c.err)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), d.Key())
		})
	}
	d := duvotest.New()
	defer d.Close()
	var logged bytes.Buffer
	reg := discover(t, d.Client(), duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
	require.Empty(t, reg.Tools(), "an empty catalog is no error")
	require.Contains(t, logged.String(), "no Assignments found")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := duvotool.Discover(ctx, d.Client())
	require.ErrorIs(t, err, context.Canceled)
}

func withoutTeam(d *duvotest.Duvo) (*duvo.Client, error) {
	return duvo.New(duvo.WithAPIKey(d.Key()), duvo.WithBaseURL(duvotest.MemoryURL), duvo.WithHTTPClient(&http.Client{Transport: d.HTTPClient().Transport}))
}

// wordy is a backend whose catalog grows in whatever others write.
type wordy struct {
	duvotool.Backend
	long func(i int, text string) duvo.Assignment
	told int
}

func (w *wordy) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for w.told = 0; w.told < 5000; w.told++ {
			if !yield(w.long(w.told, strings.Repeat("x", 100<<10)), nil) {
				return
			}
		}
	}
}

// A catalog has a bound in bytes, not only in rows.
func TestACatalogIsBoundedInBytes(t *testing.T) {
	for name, long := range map[string]func(i int, text string) duvo.Assignment{
		"names":   func(i int, text string) duvo.Assignment { return duvo.Assignment{ID: fmt.Sprint(i), Name: text} },
		"IDs":     func(i int, text string) duvo.Assignment { return duvo.Assignment{ID: fmt.Sprint(i, text)} },
		"folders": func(i int, text string) duvo.Assignment { return duvo.Assignment{ID: fmt.Sprint(i), FolderID: text} },
		"descriptions": func(i int, text string) duvo.Assignment {
			return duvo.Assignment{ID: fmt.Sprint(i), LatestBuild: &duvo.Build{Description: text}}
		},
		"revisions": func(i int, text string) duvo.Assignment {
			return duvo.Assignment{ID: fmt.Sprint(i), LatestBuild: &duvo.Build{Revision: text}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				w := &wordy{Backend: d.Client(), long: long}
				_, err := duvotool.Discover(t.Context(), w)
				require.ErrorContains(t, err, "bytes of text")
				require.Less(t, len(err.Error()), 300)
				require.Less(t, w.told, 700, "it is read no further")
			})
		})
	}
}
