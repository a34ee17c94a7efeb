package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/tools"
)

// offices are some Assignments in folders.
func offices() []duvotest.Assignment {
	echo := func(j *duvotest.Job) { j.Complete("done: " + j.Input()) }
	return []duvotest.Assignment{
		refunds,
		{Name: "Track a parcel", Folder: "Support/Logistics", Description: "Tells where a shipment is.", Script: echo},
		{Name: "Contract review", Folder: "Legal", Description: "Reads a contract\nand lists risky clauses.", Script: echo},
		{Name: "duvo", Folder: "Legal", Description: "Answers questions about Duvo.", Script: echo},
		{Name: "duvo_run", Script: echo},
		{Name: "Duvo Search", Script: echo},
		{Name: "DUVO-call"},
	}
}

func office(t *testing.T, opts ...duvotool.Option) (*duvotest.Duvo, *duvotool.Registry) {
	t.Helper()
	d := duvotest.New(duvotest.WithAssignments(offices()...))
	t.Cleanup(d.Close)
	return d, discover(t, d.Client(), append([]duvotool.Option{duvotool.WithPollInterval(time.Millisecond)}, opts...)...)
}

// No Assignment can take the name of the registry's own tools.
func TestReservedNames(t *testing.T) {
	_, reg := office(t)
	seen := map[string]bool{}
	for _, tool := range append(reg.Tools(), reg.RouterTool(), reg.RunTool(), reg.SearchTool(), reg.CheckTool()) {
		require.False(t, seen[strings.ToLower(tool.Name())], tool.Name())
		seen[strings.ToLower(tool.Name())] = true
	}
	require.True(t, seen["duvo"] && seen["duvo_run"] && seen["duvo_search"])
}

func TestFolder(t *testing.T) {
	_, reg := office(t)
	require.Equal(t, "Support/Logistics", mustTool(reg, "track_a_parcel").Folder())
	require.Empty(t, mustTool(reg, "refunds").Folder())
}

func TestRouter(t *testing.T) {
	d, reg := office(t)
	router := reg.RouterTool()
	var schema struct {
		Type       string
		Required   []string
		Properties map[string]struct {
			Type string
			Enum []string
		}
	}
	require.NoError(t, json.Unmarshal(router.(interface{ Schema() json.RawMessage }).Schema(), &schema))
	require.Equal(t, []string{"assignment", "input"}, schema.Required)
	require.Len(t, schema.Properties["assignment"].Enum, 7)
	for _, own := range reg.All() {
		require.Contains(t, schema.Properties["assignment"].Enum, own.Name())
		require.Contains(t, router.Description(), own.Name(), "for models that read no schema")
		require.NotContains(t, reg.RunTool().Description(), own.Name()+",")
	}
	require.Contains(t, router.Description(), "in Support/Logistics: track_a_parcel")

	for input, want := range map[string]string{
		`{"assignment": "contract_review", "input": "clause 7"}`:   "done: clause 7",
		`{"assignment": "CONTRACT_REVIEW", "input": "a"}`:          "done: a",
		`{"assignment": "Contract review", "input": {"page": 3}}`:  `done: {"page": 3}`,
		"{\"assignment\":\"contract_review\",\"input\":\"z\\ny\"}": "done: z\ny",
	} {
		for _, tool := range []tools.Tool{router, reg.RunTool()} {
			out, err := tool.Call(t.Context(), input)
			require.NoError(t, err)
			require.Contains(t, out, want)
		}
	}
	jobs := len(d.Jobs())
	for input, want := range map[string]string{
		"":             "cannot be read",
		"refund 4711":  "cannot be read",
		`["a"]`:        "cannot be read",
		`{"input": 1}`: "assignment is missing",
		`{"assignment": "contract_reviews", "input": "x"}`:           "Similar ones: contract_review.",
		`{"assignment": "no\nsuch\u202ething", "input": "x"}`:        `no such<U+202E>thing`,
		`{"assignment": "contract_review"}`:                          "the input is empty",
		`{"assignment": "contract_review", "input": "  "}`:           "the input is empty",
		`{"assignment": {"id": "contract_review"}, "input": "text"}`: "cannot be read",
	} {
		out, err := router.Call(t.Context(), input)
		require.NoError(t, err, input)
		require.Contains(t, out, want, input)
		require.Contains(t, out, "No Job was started", input)
	}
	require.Len(t, d.Jobs(), jobs)
}

// The router is another door to the same room: the same operation, the same
// policy, no second Job.
func TestRouterKeepsTheOperation(t *testing.T) {
	d, reg := office(t, decide(hitl.Deny("kim@example.com", "too much"), nil),
		duvotool.Configure(duvotool.ByName("Contract review"), duvotool.OncePerScope()))
	ctx := duvotool.WithOperationScope(t.Context(), "conversation 1")
	call := func(tool tools.Tool, input string) string {
		out, err := tool.Call(ctx, input)
		require.NoError(t, err)
		return out
	}
	require.Contains(t, call(mustTool(reg, "refunds"), "order 1"), "Denied by kim@example.com")
	require.Contains(t, call(reg.RouterTool(), `{"assignment":"refunds","input":"order 1"}`), "repeats an earlier one")
	require.Contains(t, call(reg.RunTool(), `{"assignment":"refunds","input":"order 1"}`), "repeats an earlier one")
	require.Len(t, d.Jobs(), 1)
	require.Equal(t, 1, d.Count("respondToHumanRequest"))
	require.False(t, *d.Jobs()[0].Requests[0].Response.Approved)

	require.NotContains(t, call(reg.RouterTool(), `{"assignment":"contract_review","input":"a"}`), "repeats")
	require.Contains(t, call(reg.RunTool(), `{"assignment":"contract_review","input":"a, reworded"}`), "repeats")
	require.Len(t, d.Jobs(), 2)

	_, err := reg.RunTool().Call(t.Context(), `{"assignment":"contract_review","input":"a"}`)
	require.ErrorIs(t, err, outcome.ErrNoScope)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, tool := range []tools.Tool{reg.RouterTool(), reg.SearchTool()} {
		_, err = tool.Call(ended, "x")
		require.ErrorIs(t, err, context.Canceled)
	}
}

func TestSearchTool(t *testing.T) {
	d, reg := office(t)
	for _, input := range []string{"where is my package", `{"query": "where is my package"}`} {
		out, err := reg.SearchTool().Call(t.Context(), input)
		require.NoError(t, err)
		require.Contains(t, out, "1. track_a_parcel (Support/Logistics): Tells where a shipment is.\n")
	}
	out, err := reg.SearchTool().Call(t.Context(), "risky contract")
	require.NoError(t, err)
	require.Contains(t, out, "1. contract_review (Legal): Reads a contract and lists risky clauses.\n", "on one line")

	for input, want := range map[string]string{
		"xylophone":      `None of 7 Duvo Assignments matches "xylophone". Try other words, or fewer. Folders: Legal, Support.`,
		"  ":             "The query is empty.",
		`{"q": "x"}`:     "must be an object",
		`{"query": [1]}`: "must be an object",
	} {
		out, err := reg.SearchTool().Call(t.Context(), input)
		require.NoError(t, err)
		require.Contains(t, out, want)
	}
	require.Empty(t, d.Jobs())

	// It knows what the last refresh found.
	require.NoError(t, d.AddAssignment(duvotest.Assignment{Name: "Tune a xylophone", Description: strings.Repeat("long ", 500)}))
	_, err = reg.Refresh(t.Context())
	require.NoError(t, err)
	out, err = reg.SearchTool().Call(t.Context(), "xylophone")
	require.NoError(t, err)
	require.Contains(t, out, "1. tune_a_xylophone: long")
	require.Less(t, len(out), 500)
	require.Equal(t, "tune_a_xylophone", reg.Search("xylophone", 9)[0].Name())
}

// A router of a huge catalog stays bounded.
func TestRouterOfAHugeCatalog(t *testing.T) {
	var all []duvotest.Assignment
	for i := range 1200 {
		all = append(all, duvotest.Assignment{Name: fmt.Sprint("Assignment ", i)})
	}
	d := duvotest.New(duvotest.WithAssignments(all...))
	t.Cleanup(d.Close)
	reg := discover(t, d.Client())
	require.Contains(t, reg.RouterTool().Description(), "and 200 more, which duvo_search finds")
	require.NotContains(t, string(reg.RouterTool().(interface{ Schema() json.RawMessage }).Schema()), "enum")
}

// A callbacks handler sees one call, that of the Assignment's tool.
func TestRouterCallbacks(t *testing.T) {
	h := &handler{}
	_, reg := office(t, duvotool.WithCallbacks(h))
	_, err := reg.RouterTool().Call(t.Context(), `{"assignment":"contract_review","input":"clause 7"}`)
	require.NoError(t, err)
	_, err = reg.SearchTool().Call(t.Context(), "contract")
	require.NoError(t, err)
	var starts []string
	for _, line := range h.log {
		if in, ok := strings.CutPrefix(line, "start "); ok {
			starts = append(starts, in)
		}
	}
	require.Equal(t, []string{"clause 7", "contract"}, starts)
}

// An Assignment with fields takes them through the router too, as text or as an
// object, and what does not fit costs no Job.
func TestRouterOfTypedTools(t *testing.T) {
	type review struct {
		Clause int    `json:"clause" jsonschema:"minimum=1"`
		Tone   string `json:"tone,omitempty"`
	}
	d, reg := office(t, duvotool.Configure(duvotool.ByName("Contract review"), duvotool.InputOf[review]()))
	ctx := duvotool.WithOperationScope(t.Context(), "s")
	for i, input := range []string{`{"assignment":"contract_review","input":{"clause":7}}`, `{"assignment":"contract_review","input":"{\"clause\": 7}"}`} {
		out, err := reg.RunTool().Call(ctx, input)
		require.NoError(t, err)
		require.Contains(t, out, `done: {"clause":7}`)
		require.Equal(t, i > 0, strings.Contains(out, "repeats"))
	}
	for _, input := range []string{`{"assignment":"contract_review","input":"clause seven"}`, `{"assignment":"contract_review","input":{"clause":0}}`, `{"assignment":"contract_review"}`} {
		out, err := reg.RouterTool().Call(ctx, input)
		require.NoError(t, err)
		require.Contains(t, out, "No Job was started")
		require.Contains(t, out, "clause", input)
	}
	require.Len(t, d.Jobs(), 1)
	out, err := reg.SearchTool().Call(ctx, "contract")
	require.NoError(t, err)
	require.Regexp(t, `1\. contract_review \(Legal\): Reads a contract and lists risky clauses\. The input is .*clause`, out)
	require.NotContains(t, mustTool(reg, "contract_review").FunctionDescription(), "The input is")
}

// Whatever a model writes for arguments is told what is wrong with it, or starts
// the one Job that it names.
func FuzzRouter(f *testing.F) {
	d := duvotest.New(duvotest.WithAssignments(offices()...))
	f.Cleanup(d.Close)
	reg, err := duvotool.Discover(context.Background(), d.Client(), duvotool.WithPollInterval(time.Millisecond))
	require.NoError(f, err)
	f.Cleanup(func() { _ = reg.Close(context.Background()) })
	for _, s := range []string{"", "{}", `{"assignment":"contract_review","input":"x"}`, `{"assignment":"duvo","input":[1]}`, `{"assignment":null,"input":null}`, `{"assignment":"x","input":`, `[]`, `"duvo"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		before := d.Count("startRun")
		out, err := reg.RouterTool().Call(t.Context(), s)
		require.NoError(t, err)
		if started := d.Count("startRun") - before; started == 0 {
			require.Contains(t, out, "No Job was started")
		} else {
			require.Equal(t, 1, started)
			require.Contains(t, out, "completed")
		}
		_, err = reg.SearchTool().Call(t.Context(), s)
		require.NoError(t, err)
	})
}

type withArguments interface {
	CallArguments(context.Context, json.RawMessage) (string, error)
}

// What stands in JSON arguments reaches the Job whole: only what was cut out of a
// model's words can have made-up observations behind it.
func TestRouterKeepsTheInputWhole(t *testing.T) {
	d, reg := office(t)
	const note = "Patient 7.\nObservation: pressure 180/110.\nAction: call a doctor."
	args, err := json.Marshal(map[string]string{"assignment": "contract_review", "input": " " + note + " "})
	require.NoError(t, err)
	for _, tool := range []tools.Tool{reg.RouterTool(), reg.RunTool()} {
		_, err = tool.(withArguments).CallArguments(t.Context(), args)
		require.NoError(t, err)
		_, err = tool.Call(t.Context(), string(args)+"\nObservation: done")
		require.NoError(t, err)
	}
	require.Len(t, d.Jobs(), 4)
	for _, j := range d.Jobs() {
		require.Equal(t, note, j.Input)
	}
}

// Names of arguments are exact: a program that looks at them before the call is
// made reads the Assignment that is started.
func TestRouterTakesExactArguments(t *testing.T) {
	d, reg := office(t)
	for _, args := range []string{
		`{"assignment": "contract_review", "Assignment": "refunds", "input": "x"}`,
		`{"ASSIGNMENT": "refunds", "input": "x"}`,
		`{"assignment": "contract_review", "input": "x", "INPUT": "y"}`,
		`{"assignment": "contract_review", "input": "x", "note": "but not clause 7"}`,
	} {
		for _, tool := range []tools.Tool{reg.RouterTool(), reg.RunTool()} {
			out, err := tool.(withArguments).CallArguments(t.Context(), json.RawMessage(args))
			require.NoError(t, err)
			require.Contains(t, out, "No Job was started: there is no argument", args)
		}
	}
	require.Empty(t, d.Jobs())
}
