package duvotool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// threeTasks are Assignments of which one asks, one fails and one answers.
func threeTasks() []duvotest.Assignment {
	return []duvotest.Assignment{
		{ID: refundsID, Name: "Refunds", Description: "Refunds an order.", Script: func(j *duvotest.Job) { j.Complete("refunded " + j.Input()) }},
		{Name: "Broken", Script: func(j *duvotest.Job) { j.Fail("no") }},
		{Name: "Slow", Script: func(j *duvotest.Job) { j.Sleep(time.Hour); j.Complete("late") }},
	}
}

// Every tool of a registry is offered and called in one way, and tells whether anything
// came of the call.
func TestCallables(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.WithFollowUps(), duvotool.WithWaitBudget(time.Minute))
		byName := map[string]duvotool.Callable{}
		for _, c := range reg.Callables() {
			byName[c.Name()] = c
		}
		for _, t := range []interface{ Name() string }{reg.SearchTool(), reg.RunTool(), reg.RouterTool()} {
			byName[t.Name()] = t.(duvotool.Callable)
		}
		require.Len(t, byName, 8)
		for name, c := range byName {
			require.NotEmpty(t, c.FunctionDescription())
			require.LessOrEqual(t, utf8.RuneCountInString(c.FunctionDescription()), 1024)
			for _, dialect := range []duvotool.Dialect{duvotool.Neutral, duvotool.OpenAI, duvotool.OpenAIStrict, duvotool.Anthropic, duvotool.Gemini, duvotool.MCP} {
				text, err := c.SchemaFor(dialect)
				require.NoError(t, err, name)
				require.Contains(t, string(text), `"properties":{`)
			}
			_, err := c.SchemaFor("x")
			require.ErrorContains(t, err, `there is no dialect "x"`)
		}
		handle := ""
		for _, c := range []struct {
			tool, args, says string
			isError          bool
			outcome          outcome.Outcome
		}{
			{"refunds", `{"input":"order 1"}`, "refunded order 1", false, outcome.OutcomeCompleted},
			{"refunds", "```json\n{\"input\":\"order 2\"}\n```", "refunded order 2", false, outcome.OutcomeCompleted},
			{"refunds", `"{\"input\":\"order 3\"}"`, "refunded order 3", false, outcome.OutcomeCompleted},
			{"refunds", `{"inpt":"order 1"}`, "inpt is not known", true, ""},
			{"broken", `{"input":"x"}`, "failed", true, outcome.OutcomeFailed},
			{"slow", `{"input":"x"}`, "check_job", false, outcome.OutcomePending},
			{"check_job", `{"handle":"HANDLE"}`, "check_job", false, outcome.OutcomePending},
			{"check_job", `{"handle":"job-abcdefghijklmnopqrstuvwxyz"}`, "There is no Job", true, ""},
			{"check_job", `{}`, "holds no handle", true, ""},
			{"continue_job", `{"handle":"HANDLE","message":"hurry"}`, "it has not ended", true, ""},
			{"continue_job", `[`, "must be an object", true, ""},
			{"duvo_search", `{"query":"refund"}`, "refunds", false, ""},
			{"duvo", `{"assignment":"refunds","input":"order 4"}`, "refunded order 4", false, outcome.OutcomeCompleted},
			{"duvo", `"{\"assignment\":\"refunds\",\"input\":\"order 5\"}"`, "refunded order 5", false, outcome.OutcomeCompleted},
			{"duvo_run", `{"assignment":"refnds","input":"x"}`, "There is no Assignment", true, ""},
			{"duvo_run", `nothing`, "cannot be read", true, ""},
		} {
			reply, err := byName[c.tool].Invoke(t.Context(), json.RawMessage(strings.ReplaceAll(c.args, "HANDLE", handle)))
			require.NoError(t, err)
			require.Contains(t, strings.ToLower(reply.Text), strings.ToLower(c.says), "%s %s", c.tool, c.args)
			require.Equal(t, c.isError, reply.IsError, "%s %s: %s", c.tool, c.args, reply.Text)
			if c.outcome == "" {
				require.Nil(t, reply.Result)
				continue
			}
			require.Equal(t, c.outcome, reply.Result.Outcome)
			if reply.Result.Handle != "" && c.outcome == outcome.OutcomePending {
				handle = reply.Result.Handle
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("hunter2"))
		for name, c := range byName {
			reply, err := c.Invoke(ctx, json.RawMessage(`{}`))
			if name == "duvo" || name == "duvo_run" {
				continue // which have no input to begin with
			}
			var job *outcome.JobError
			require.ErrorAs(t, err, &job, name)
			require.True(t, reply.IsError)
			require.NotContains(t, reply.Text, "hunter2")
			require.NotEmpty(t, reply.Text)
		}
	}, duvotest.WithAssignments(threeTasks()...))
}

// A program's result and a model's observation come from one call.
func TestRunArguments(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		tool := mustTool(discover(t, d.Client(), duvotool.InputOf[refund]()), "refunds")
		res, err := tool.RunArguments(t.Context(), json.RawMessage(goodRefund))
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		_, err = tool.RunArguments(t.Context(), json.RawMessage(`{"order":1}`))
		var bad *outcome.InputError
		require.ErrorAs(t, err, &bad)
		require.Len(t, d.Jobs(), 1)
		var none *duvotool.Tool
		_, err = none.RunArguments(t.Context(), nil)
		require.ErrorIs(t, err, hitl.ErrNoTool)
		reply, err := none.Invoke(t.Context(), nil)
		require.ErrorIs(t, err, hitl.ErrNoTool)
		require.NotEmpty(t, reply.Text)
	}, duvotest.WithAssignments(threeTasks()...))
}

// wild is a tool of somebody else's.
type wild struct {
	duvotool.Callable
	name string
	do   func() (duvotool.Reply, error)
	one  bool
}

func (w wild) Name() string     { return w.name }
func (w wild) OneAtATime() bool { return w.one }
func (w wild) Invoke(context.Context, json.RawMessage) (duvotool.Reply, error) {
	return w.do()
}

// The calls of a turn run at the same time, each with its key and in the scope; what
// goes wrong with one takes nothing from the others.
func TestRunCalls(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client())
		var order []string
		note := func(s string) func() (duvotool.Reply, error) {
			return func() (duvotool.Reply, error) { order = append(order, s); return duvotool.Reply{}, nil }
		}
		offered := append(reg.Callables(),
			wild{name: "panics", do: func() (duvotool.Reply, error) { panic("hunter2") }},
			wild{name: "errs", do: func() (duvotool.Reply, error) { return duvotool.Reply{}, errors.New("hunter2") }},
			wild{name: "first", one: true, do: note("first")}, wild{name: "second", one: true, do: note("second")})
		call := func(id, name, args string) duvotool.ModelCall {
			return duvotool.ModelCall{ID: id, Name: name, Arguments: json.RawMessage(args)}
		}
		calls := []duvotool.ModelCall{
			call("a", "refunds", `{"input":"order 1"}`), call("b", "functions.REFUNDS", `{"input":"order 1"}`), call("c", "default_api.refunds", `{"input":"order 2"}`),
			call("d", "refund", `{"input":"order 3"}`), call("e", "panics", ``), call("f", "errs", ``), call("g", "first", ``), call("h", "second", ``), call("i", "refunds", `[]`),
		}
		calls[2].Key = "order-2"
		replies, err := duvotool.RunCalls(t.Context(), offered, calls)
		require.NoError(t, err)
		require.Len(t, replies, len(calls))
		for i, want := range []struct {
			says    string
			isError bool
		}{{"refunded order 1", false}, {"refunded order 1", false}, {"refunded order 2", false}, {"Did you mean refunds? The tools are: broken, errs, first, panics, refunds, second, slow.", true},
			{"panicked", true}, {"The tool failed.", true}, {"said nothing", false}, {"said nothing", false}, {"expected an object", true}} {
			require.Equal(t, calls[i].ID, replies[i].ID)
			require.Contains(t, replies[i].Text, want.says)
			require.Equal(t, want.isError, replies[i].IsError, replies[i].Text)
			require.NotContains(t, replies[i].Text, "hunter2")
		}
		require.Error(t, replies[5].Err)
		require.Equal(t, []string{"first", "second"}, order)
		require.Len(t, d.Jobs(), 2, "the same call twice in a turn is one Job")
		require.Equal(t, replies[0].Result.JobID, replies[1].Result.JobID)
		res, err := reg.Lookup(t.Context(), "order-2")
		require.NoError(t, err)
		require.Equal(t, replies[2].Result.JobID, res.JobID)

		// In a scope the next turn repeats nothing either.
		ctx := duvotool.WithOperationScope(t.Context(), "chat")
		for range 2 {
			_, err = duvotool.RunCalls(ctx, offered, calls[:1])
			require.NoError(t, err)
		}
		require.Len(t, d.Jobs(), 3)

		var many []duvotool.ModelCall
		for i := range duvotool.MaxTurnCalls + 1 {
			many = append(many, call(fmt.Sprint(i), "first", ``))
		}
		replies, err = duvotool.RunCalls(ctx, offered, many)
		require.NoError(t, err)
		require.Contains(t, replies[duvotool.MaxTurnCalls].Text, "too many")

		// The end of the run is an error that names every Job that goes on.
		ended, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Minute, cancel)
		replies, err = duvotool.RunCalls(ended, offered, []duvotool.ModelCall{call("a", "slow", `{"input":"x"}`), call("b", "slow", `{"input":"y"}`), call("c", "refunds", `{"input":"order 1"}`)})
		require.ErrorIs(t, err, context.Canceled)
		for _, r := range replies[:2] {
			var job *outcome.JobError
			require.ErrorAs(t, r.Err, &job)
			require.NotEmpty(t, job.Key)
			require.Contains(t, r.Text, "Do not repeat it")
		}
		require.NoError(t, replies[2].Err)
	}, duvotest.WithAssignments(threeTasks()...))
}

// A tool that was never found says so, instead of ending the process.
func TestNilTool(t *testing.T) {
	var tool *duvotool.Tool
	for name, call := range map[string]func() error{
		"Run":           func() error { _, err := tool.Run(t.Context(), "x"); return err },
		"Call":          func() error { _, err := tool.Call(t.Context(), "x"); return err },
		"CallArguments": func() error { _, err := tool.CallArguments(t.Context(), json.RawMessage("{}")); return err },
		"Start":         func() error { _, err := tool.Start(t.Context(), "x"); return err },
		"As":            func() error { _, err := duvotool.As[string, string](tool); return err },
		"Typed.Run": func() error {
			_, _, err := new(duvotool.Typed[string, string]).Run(t.Context(), "x")
			return err
		},
	} {
		err := call()
		require.Error(t, err, name)
		require.NotPanics(t, func() { _ = err.Error() })
		if name != "As" {
			require.ErrorIs(t, err, hitl.ErrNoTool, name)
		}
	}
}
