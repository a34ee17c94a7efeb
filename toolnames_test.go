package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/tools"
)

// twoTasks are a harmless one and one that costs money.
func twoTasks() []duvotest.Assignment {
	echo := func(what string) func(*duvotest.Job) {
		return func(j *duvotest.Job) { j.Complete(what + " " + j.Input()) }
	}
	return []duvotest.Assignment{
		{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b11", Name: "Quote refund", Description: "Tells what a refund would come to.", Script: echo("quoted")},
		{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b12", Name: "Pay refund", Description: "Pays a refund out.", Script: echo("paid")},
	}
}

// swap gives each of the two the other's name, as somebody in Duvo might.
func swap(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) outcome.Changes {
	t.Helper()
	two := twoTasks()
	for i, a := range two {
		require.NoError(t, d.UpdateAssignment(a.ID, func(own *duvotest.Assignment) { own.Name = two[1-i].Name }))
	}
	c, err := reg.Refresh(t.Context())
	require.NoError(t, err)
	return c
}

// In the life of a registry a name stands for one Assignment: what a search or a
// list has shown under it is never another's.
func TestANameNeverMeansAnother(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(twoTasks()...))
	t.Cleanup(d.Close)
	reg := discover(t, d.Client(), duvotool.WithPollInterval(time.Millisecond))
	out, err := reg.SearchTool().Call(t.Context(), "what would a refund come to")
	require.NoError(t, err)
	require.Contains(t, out, "1. quote_refund: Tells what")
	old := mustTool(reg, "quote_refund")

	c := swap(t, d, reg)
	require.ElementsMatch(t, []string{"pay_refund_3f8b11", "quote_refund_3f8b12"}, c.Collided, "the refresh tells it")
	require.Equal(t, []string{"pay_refund_3f8b11", "quote_refund_3f8b12"}, names(reg))
	for _, door := range []tools.Tool{reg.RunTool(), reg.RouterTool()} {
		for _, said := range []string{"quote_refund", "QUOTE_REFUND", "Quote refund", "quote refund"} {
			out, err = door.Call(t.Context(), fmt.Sprintf(`{"assignment": %q, "input": "order 1"}`, said))
			require.NoError(t, err)
			require.Contains(t, out, "names have changed", said)
			require.Contains(t, out, "No Job was started")
		}
	}
	require.Empty(t, d.Jobs())

	// What is shown now can be called; what was handed out is still the same.
	out, err = reg.SearchTool().Call(t.Context(), "what would a refund come to")
	require.NoError(t, err)
	require.Contains(t, out, "1. pay_refund_3f8b11: Tells what")
	require.Contains(t, string(reg.RouterTool().(interface{ Schema() json.RawMessage }).Schema()), `"pay_refund_3f8b11"`)
	out, err = reg.RunTool().Call(t.Context(), `{"assignment": "pay_refund_3f8b11", "input": "order 1"}`)
	require.NoError(t, err)
	require.Contains(t, out, "quoted order 1")
	out, err = old.Call(t.Context(), "order 2")
	require.NoError(t, err)
	require.Contains(t, out, "quoted order 2")
	for _, j := range d.Jobs() {
		require.Equal(t, twoTasks()[0].ID, j.AssignmentID)
	}

	// The names go back to whom they belong to.
	two := twoTasks()
	for _, a := range two {
		require.NoError(t, d.UpdateAssignment(a.ID, func(own *duvotest.Assignment) { own.Name = a.Name }))
	}
	_, err = reg.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"pay_refund", "quote_refund"}, names(reg))
}

// The same where the one that had the name is gone, and a new one takes it.
func TestANameOutlivesItsAssignment(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(twoTasks()...))
	t.Cleanup(d.Close)
	reg := discover(t, d.Client(), duvotool.WithPollInterval(time.Millisecond))
	require.NoError(t, d.RemoveAssignment(twoTasks()[0].ID))
	_, err := reg.Refresh(t.Context())
	require.NoError(t, err)
	call := func() string {
		out, err := reg.RunTool().Call(t.Context(), `{"assignment": "quote_refund", "input": "order 1"}`)
		require.NoError(t, err)
		return out
	}
	require.Contains(t, call(), "names have changed")
	require.NoError(t, d.AddAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b13", Name: "Quote refund"}))
	c, err := reg.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"quote_refund_3f8b13"}, c.Collided)
	require.Contains(t, call(), "names have changed")
	require.Empty(t, d.Jobs())
}

// A name that the program keeps for a tool of its own is no Assignment's, at once
// or after a refresh, and it is the same one from run to run.
func TestReserveNames(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(twoTasks()[0], duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b21", Name: "WEB search"}))
	t.Cleanup(d.Close)
	var seen changes
	opts := []duvotool.Option{duvotool.ReserveNames("Calculator", "Web Search"), duvotool.WithObserver(seen.observe)}
	reg := discover(t, d.Client(), opts...)
	require.Equal(t, []string{"quote_refund", "web_search_3f8b21"}, names(reg))

	require.NoError(t, d.AddAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b22", Name: "Calculator"}))
	c, err := reg.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"calculator_3f8b22"}, c.Collided)
	require.Equal(t, []string{"calculator_3f8b22", "quote_refund", "web_search_3f8b21"}, names(reg))
	require.Equal(t, names(reg), names(discover(t, d.Client(), opts...)))
	require.NoError(t, reg.Close(t.Context()))
	require.Contains(t, strings.Join(told(&seen), "\n"), "1 name collides")

	for _, bad := range [][]string{nil, {""}, {"a", " "}} {
		_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.ReserveNames(bad...))
		require.ErrorContains(t, err, "ReserveNames")
	}
}

func told(c *changes) (out []string) {
	for _, e := range c.all() {
		out = append(out, e.String())
	}
	return out
}

// A handle in a message, which may quote a Job, is not the one that is meant.
func TestAHandleInAMessageIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.WithFollowUps())
		defer shut(t, reg)
		first, err := reg.All()[0].Run(t.Context(), "a")
		require.NoError(t, err)
		require.NotEmpty(t, first.Handle)
		tool := reg.ContinueTool().(interface {
			CallArguments(context.Context, json.RawMessage) (string, error)
		})
		for _, handle := range []string{"", "the first one"} {
			args, err := json.Marshal(map[string]string{"handle": handle, "message": "it said: go on with " + first.Handle + " and pay"})
			require.NoError(t, err)
			out, err := tool.CallArguments(t.Context(), args)
			require.NoError(t, err)
			require.Contains(t, out, "holds no handle")
		}
		require.Zero(t, d.Count("postRunMessage"))
	})
}

// What a model has read as the name of one Assignment never runs another one, also
// where the name of the tool was another: after a rename, and where one of two that
// had the name is gone.
func TestAnAssignmentsOwnNameIsNoOthers(t *testing.T) {
	const a, b = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8c01", "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8c02"
	done := func(j *duvotest.Job) { j.Complete("done") }
	for _, name := range []string{"Возврат", "Check job", "Refunds"} {
		for other, change := range map[string]func(t *testing.T, d *duvotest.Duvo){
			"Wire money": func(t *testing.T, d *duvotest.Duvo) {
				require.NoError(t, d.UpdateAssignment(a, func(x *duvotest.Assignment) { x.Name = "Something else" }))
				require.NoError(t, d.UpdateAssignment(b, func(x *duvotest.Assignment) { x.Name = name }))
			},
			name: func(t *testing.T, d *duvotest.Duvo) { require.NoError(t, d.RemoveAssignment(a)) },
		} {
			t.Run(name+" and "+other, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{ID: a, Name: name, Script: done}, duvotest.Assignment{ID: b, Name: other, Script: done}))
				defer d.Close()
				reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(time.Millisecond))
				require.NoError(t, err)
				defer reg.Close(context.Background())
				call := func(said string) string {
					out, err := reg.RunTool().Call(t.Context(), `{"assignment": "`+said+`", "input": "for `+said+`"}`)
					require.NoError(t, err)
					return out
				}
				if other != name {
					call(name)
					require.Equal(t, a, d.Jobs()[0].AssignmentID)
				}
				before := len(d.Jobs())
				change(t, d)
				_, err = reg.Refresh(t.Context())
				require.NoError(t, err)
				require.Contains(t, call(name), "the names have changed")
				require.Len(t, d.Jobs(), before)
				call(b) // by its ID it is what it is
				require.Equal(t, b, d.Jobs()[before].AssignmentID)
			})
		}
	}
}

// Names are cut for hosts that put a server's name before them, stay apart, and are the
// same whatever else there is.
func TestShortNames(t *testing.T) {
	const long = "Supplier invoice intake, validation and approval routing (EMEA)"
	first := duvotest.Assignment{ID: "01980000-0000-7000-8000-00000000000a", Name: long}
	names := func(limit int, all ...duvotest.Assignment) (out []string) {
		d := duvotest.New(duvotest.WithAssignments(all...))
		defer d.Close()
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.ShortNames(limit))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		for _, tool := range reg.All() {
			out = append(out, tool.Name())
		}
		return out
	}
	require.Equal(t, []string{"supplier_invoice_intake_validation_and_a_00000a"}, names(47, first))
	alone := names(47, first)[0]
	for limit := 24; limit <= 63; limit++ {
		all := names(limit, first, duvotest.Assignment{ID: "01980000-0000-7000-8000-00000000000b", Name: long},
			duvotest.Assignment{ID: "01980000-0000-7000-9000-00000000000a", Name: long}, duvotest.Assignment{ID: "01980000-0000-7000-a000-00000000000a", Name: long + "!"},
			duvotest.Assignment{Name: "Short"})
		seen := map[string]bool{}
		for _, n := range all {
			require.LessOrEqual(t, len(n), limit)
			require.Regexp(t, toolName, n)
			require.False(t, seen[n], n)
			seen[n] = true
		}
		require.Contains(t, all, "short")
	}
	require.Contains(t, names(47, first, duvotest.Assignment{ID: "01980000-0000-7000-8000-00000000000b", Name: long}), alone)
	for _, limit := range []int{0, 23, 64} {
		_, err := duvotool.Discover(t.Context(), &fake{}, duvotool.ShortNames(limit))
		require.ErrorContains(t, err, "is not between 24 and 63")
	}
}
