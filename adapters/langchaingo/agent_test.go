package langchaingo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"
)

// A turn of a model: what it was asked, and what it says to that.
type turn struct {
	n        int
	messages []llms.MessageContent
	tools    []llms.Tool
}

// results are what the model was told of its calls, by their IDs.
func (t turn) results() map[string]string {
	out := map[string]string{}
	for _, m := range t.messages {
		for _, p := range m.Parts {
			if r, ok := p.(llms.ToolCallResponse); ok {
				out[r.ToolCallID] = r.Content
			}
		}
	}
	return out
}

func (t turn) offered() []string {
	var names []string
	for _, tool := range t.tools {
		names = append(names, tool.Function.Name)
	}
	return names
}

// model answers as a function tells it to.
type model struct {
	mu    sync.Mutex
	asked int
	say   func(turn) *llms.ContentResponse
}

func (m *model) GenerateContent(_ context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	m.mu.Lock()
	m.asked++
	n := m.asked
	m.mu.Unlock()
	resp := m.say(turn{n, messages, opts.Tools})
	if resp == nil {
		return nil, fmt.Errorf("the model has no words for turn %d", n)
	}
	return resp, nil
}

func (m *model) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

func says(s string) *llms.ContentResponse {
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: s}}}
}

func asks(calls ...llms.ToolCall) *llms.ContentResponse {
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{ToolCalls: calls}}}
}

func execute(ctx context.Context, t *testing.T, a *langchaingo.Agent, opts ...agents.Option) (string, error) {
	t.Helper()
	return chains.Run(ctx, agents.NewExecutor(a, opts...), "do it")
}

func agent(t *testing.T, m llms.Model, from langchaingo.Source, opts ...langchaingo.Option) *langchaingo.Agent {
	t.Helper()
	a, err := langchaingo.NewAgent(m, from, opts...)
	require.NoError(t, err)
	return a
}

// worker is an Assignment whose Jobs take some time.
func worker(name string, d time.Duration) duvotest.Assignment {
	return duvotest.Assignment{Name: name, Description: "Works.", Script: func(j *duvotest.Job) {
		j.Sleep(d)
		j.Complete(name + " did " + j.Input())
	}}
}

// bubble runs f with a Duvo in memory, in time that costs none.
func bubble(t *testing.T, all []duvotest.Assignment, opts []duvotool.Option, f func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignments(all...))
		reg, err := duvotool.Discover(t.Context(), d.Client(), append([]duvotool.Option{duvotool.WithPollInterval(time.Second)}, opts...)...)
		require.NoError(t, err)
		t.Cleanup(d.Close)
		t.Cleanup(func() { require.NoError(t, reg.Close(context.Background())) })
		f(t, d, reg)
	})
}

// Three delegated Jobs take the time of the longest, and whatever the order in
// which they end, each result stands where its call stood.
func TestATurnTakesTheTimeOfItsLongestJob(t *testing.T) {
	times := []time.Duration{2 * time.Minute, 7 * time.Minute, 4 * time.Minute}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var all []duvotest.Assignment
		for i, place := range order {
			all = append(all, worker(fmt.Sprint("worker_", i), times[place]))
		}
		bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
			var got map[string]string
			m := &model{say: func(now turn) *llms.ContentResponse {
				if now.n == 1 {
					return asks(callOf("a", "worker_0", "A"), callOf("b", "worker_1", "B"), callOf("c", "worker_2", "C"))
				}
				got = now.results()
				return says("done")
			}}
			began := time.Now()
			a := agent(t, m, reg)
			answer, err := execute(t.Context(), t, a)
			require.NoError(t, err)
			require.Equal(t, "done", answer)
			took := time.Since(began)
			t.Logf("Jobs of %v, %v and %v: %v; one after the other they take %v", times[order[0]], times[order[1]], times[order[2]],
				took.Round(time.Second), times[0]+times[1]+times[2])
			require.GreaterOrEqual(t, took, 7*time.Minute)
			require.Less(t, took, 7*time.Minute+3*time.Second)
			require.Contains(t, got["a"], "worker_0 did A")
			require.Contains(t, got["b"], "worker_1 did B")
			require.Contains(t, got["c"], "worker_2 did C")
			require.Len(t, got, 3)
			require.Len(t, d.Jobs(), 3)
			require.Zero(t, a.Held())
		})
	}
}

// One that fails, in whatever way, leaves the two others right.
func TestOneFailureLeavesTheOthers(t *testing.T) {
	secret := errors.New("dial postgres://admin:hunter2@db")
	fails := map[string]struct {
		assignment duvotest.Assignment
		call       llms.ToolCall
		says       string
	}{
		"the Job fails": {duvotest.Assignment{Name: "bad", Script: func(j *duvotest.Job) { j.Fail("out of paper") }},
			callOf("b", "bad", "B"), "failed"},
		"the policy fails": {duvotest.Assignment{Name: "bad", Script: func(j *duvotest.Job) { j.AskApproval("May I?", "") }},
			callOf("b", "bad", "B"), "approval policy failed, and nothing was answered"},
		"the key may not": {duvotest.Assignment{Name: "bad"}, callOf("b", "bad", ""), "the input is empty"},
		"no such tool":    {duvotest.Assignment{Name: "bad"}, callOf("b", "nothing", "B"), "not a valid tool"},
		"no arguments": {duvotest.Assignment{Name: "bad"}, llms.ToolCall{ID: "b", FunctionCall: &llms.FunctionCall{Name: "bad"}},
			"input"},
		"broken arguments": {duvotest.Assignment{Name: "bad"}, llms.ToolCall{ID: "b", FunctionCall: &llms.FunctionCall{Name: "bad", Arguments: `{"input": "ref`}},
			"JSON"},
	}
	for name, f := range fails {
		t.Run(name, func(t *testing.T) {
			all := []duvotest.Assignment{worker("one", time.Minute), f.assignment, worker("two", 2*time.Minute)}
			policy := duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
				return hitl.Decision{}, secret
			}))
			bubble(t, all, []duvotool.Option{policy}, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
				check := func(got map[string]string) {
					require.Contains(t, got["a"], "one did A")
					require.Contains(t, got["b"], f.says)
					require.Contains(t, got["c"], "two did C")
					require.NotContains(t, fmt.Sprint(got), "hunter2")
				}
				calls := []llms.ToolCall{callOf("a", "one", "A"), f.call, callOf("c", "two", "C")}
				m := &model{say: func(now turn) *llms.ContentResponse {
					if now.n == 1 {
						return asks(calls...)
					}
					check(now.results())
					return says("done")
				}}
				_, err := execute(t.Context(), t, agent(t, m, reg))
				require.NoError(t, err)
				require.Zero(t, d.Count("respondToHumanRequest"))

				began := time.Now()
				responses, err := langchaingo.RunCalls(t.Context(), reg.Tools(), calls)
				require.NoError(t, err)
				got := map[string]string{}
				for i, r := range responses {
					require.Equal(t, calls[i].ID, r.ToolCallID)
					require.Equal(t, calls[i].FunctionCall.Name, r.Name)
					got[r.ToolCallID] = r.Content
				}
				got["b"] = strings.Replace(got["b"], "There is no tool", "not a valid tool", 1)
				check(got)
				require.Less(t, time.Since(began), 2*time.Minute+3*time.Second)
			})
		})
	}
}

// The registry's limit holds for the calls of a turn.
func TestTheRegistrysLimitHolds(t *testing.T) {
	var all []duvotest.Assignment
	for i := range 4 {
		all = append(all, worker(fmt.Sprint("worker_", i), time.Minute))
	}
	bubble(t, all, []duvotool.Option{duvotool.WithJobLimit(2)}, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			if now.n > 1 {
				require.Len(t, now.results(), 4)
				return says("done")
			}
			return asks(callOf("a", "worker_0", "A"), callOf("b", "worker_1", "B"), callOf("c", "worker_2", "C"), callOf("d", "worker_3", "D"))
		}}
		began := time.Now()
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(began), 2*time.Minute)
		require.Less(t, time.Since(began), 2*time.Minute+5*time.Second)
		require.Len(t, d.Jobs(), 4)
	})
}

// When the context ends, so does the run, at once, and nothing is left behind
// but the Jobs, which the error leads back to.
func TestTheContextEnds(t *testing.T) {
	all := []duvotest.Assignment{worker("one", time.Hour), worker("two", time.Hour)}
	bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			return asks(callOf("a", "one", "A"), callOf("b", "two", "B"))
		}}
		a := agent(t, m, reg)
		ctx, cancel := context.WithTimeout(duvotool.WithOperationScope(t.Context(), "s"), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := execute(ctx, t, a)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(began))
		var job *outcome.JobError
		require.ErrorAs(t, err, &job)
		require.NotEmpty(t, job.Key)
		own, ok := d.Job(job.JobID)
		require.True(t, ok)
		require.Equal(t, "one", own.AssignmentName)
		time.Sleep(2 * time.Minute)
		require.Zero(t, a.Held())
		require.Len(t, d.Jobs(), 2)
		require.Zero(t, d.Count("stopRun"))
		require.Equal(t, 1, m.asked)

		// The next run of the scope takes them up again.
		m.say = func(now turn) *llms.ContentResponse {
			if now.n == 2 {
				return asks(callOf("a", "one", "A"), callOf("b", "two", "B"))
			}
			require.Contains(t, now.results()["b"], "two did B")
			return says("done")
		}
		_, err = execute(duvotool.WithOperationScope(t.Context(), "s"), t, a)
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 2)
	})
}

// An executor that stops before it has asked for all results leaves nothing
// behind once its context ends.
func TestAnExecutorThatStopsEarly(t *testing.T) {
	all := []duvotest.Assignment{worker("one", time.Minute), worker("two", time.Hour)}
	bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(turn) *llms.ContentResponse { return asks(callOf("a", "one", "A"), callOf("b", "two", "B")) }}
		a := agent(t, m, reg)
		ctx, cancel := context.WithCancel(t.Context())
		actions, finish, err := a.Plan(ctx, nil, map[string]string{"input": "x"})
		require.NoError(t, err)
		require.Nil(t, finish)
		require.Len(t, actions, 2)
		time.Sleep(2 * time.Minute) // the first has ended, and nobody asks
		require.Equal(t, 2, a.Held())
		cancel()
		time.Sleep(2 * time.Minute)
		require.Zero(t, a.Held())
		require.Len(t, d.Jobs(), 2)
	})
}

// Executors that stop and never end their context do not pile up what they left.
func TestWhatNobodyAsksForIsBounded(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			calls := make([]llms.ToolCall, 100)
			for i := range calls {
				calls[i] = callOf("", "one", " ") // no Job is started
			}
			return asks(calls...)
		}}
		a := agent(t, m, reg)
		for range 40 {
			_, _, err := a.Plan(context.Background(), nil, map[string]string{"input": "x"})
			require.NoError(t, err)
			synctest.Wait()
		}
		require.LessOrEqual(t, a.Held(), 2*langchaingo.MaxHeld)
	})
}

// A model that repeats itself starts one Job in a run, with or without a scope;
// reworded, one where OncePerScope says so.
func TestARunDoesNotRepeatItself(t *testing.T) {
	pay := duvotest.Assignment{Name: "pay", Script: func(j *duvotest.Job) { j.Complete("paid " + j.Input()) }}
	refund := duvotest.Assignment{Name: "refund", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund", "") {
			j.Complete("refunded")
		}
		j.Complete("not refunded")
	}}
	opts := []duvotool.Option{duvotool.Configure(duvotool.ByName("refund"), duvotool.OncePerScope())}
	bubble(t, []duvotest.Assignment{pay, refund}, opts, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		say := func(now turn) *llms.ContentResponse {
			switch now.n {
			case 1:
				return asks(callOf("c1", "pay", "order 1"), callOf("c1", "pay", "order 1"), callOf("c2", "refund", "order 1"))
			case 2:
				return asks(callOf("c1", "pay", "order 1"), callOf("c3", "refund", "please refund order 1, it was approved"))
			}
			return says(fmt.Sprint(now.results()))
		}
		a := agent(t, &model{say: say}, reg)
		answer, err := execute(t.Context(), t, a)
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(answer, "repeats an earlier one"), answer)
		require.Equal(t, 2, strings.Count(answer, "only be called within an operation scope"), "none was set")
		require.Len(t, d.Jobs(), 1)

		// Another run is another matter.
		_, err = execute(t.Context(), t, agent(t, &model{say: say}, reg))
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 2)

		// Within a scope it is the same one again.
		for range 2 {
			answer, err = execute(duvotool.WithOperationScope(t.Context(), "conversation"), t, agent(t, &model{say: say}, reg))
			require.NoError(t, err)
			require.Len(t, d.Jobs(), 4)
		}
		require.Contains(t, answer, "this call's input was not used")
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
		for _, j := range d.Jobs() {
			for _, r := range j.Requests {
				require.False(t, *r.Response.Approved)
			}
		}
	})
}

// Two runs at once, with the same context and the same words, keep apart.
func TestRunsKeepApart(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", time.Minute)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			if len(now.results()) == 0 {
				return asks(callOf("a", "one", "A"))
			}
			require.NotContains(t, now.results()["a"], "repeats")
			return says(now.results()["a"])
		}}
		a := agent(t, m, reg)
		var wg sync.WaitGroup
		answers := make([]string, 8)
		for i := range answers {
			wg.Go(func() {
				var err error
				answers[i], err = execute(context.Background(), t, a)
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Len(t, d.Jobs(), len(answers))
		for i, x := range answers {
			for _, y := range answers[:i] {
				require.NotEqual(t, x, y, "each tells its own Job")
			}
		}
		require.Zero(t, a.Held())
	})
}

// local is a tool of the program's own, which knows nothing of concurrent use.
type local struct {
	name    string
	running int
	calls   []string
	do      func(input string) (string, error)
}

func (l *local) Name() string        { return l.name }
func (l *local) Description() string { return "A tool of our own." }
func (l *local) Call(_ context.Context, input string) (string, error) {
	if l.running++; l.running > 1 {
		panic("called at once")
	}
	time.Sleep(time.Second)
	l.running--
	l.calls = append(l.calls, input)
	return l.do(input)
}

// Tools that say nothing about concurrent use are called one after the other;
// their failures and panics are observations too.
func TestOtherTools(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", time.Minute)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		own := &local{name: "Our Tool: äöü", do: func(in string) (string, error) {
			switch in {
			case "fail":
				return "", errors.New("no\x1b[31m luck")
			case "panic":
				panic("boom")
			}
			return "ok " + in, nil
		}}
		const name = "Our_Tool_____"
		calls := []llms.ToolCall{callOf("1", name, "x"), callOf("2", "one", "A"), callOf("3", name, "fail"), callOf("4", name, "panic"), callOf("5", name, "y"),
			{ID: "6", FunctionCall: &llms.FunctionCall{Name: name, Arguments: `{"input": {"a": 1}}`}}, {ID: "7", FunctionCall: &llms.FunctionCall{Name: name, Arguments: `{"q": 1}`}}}
		check := func(got map[string]string) {
			require.Equal(t, "ok x", got["1"])
			require.Contains(t, got["2"], "one did A")
			require.Equal(t, "The tool failed: no<U+001B>[31m luck", got["3"])
			require.Contains(t, got["4"], "it panicked")
			require.Equal(t, "ok y", got["5"])
			require.Equal(t, `ok {"a": 1}`, got["6"])
			require.Contains(t, got["7"], `text field "input"`)
		}
		m := &model{say: func(now turn) *llms.ContentResponse {
			require.Equal(t, []string{"one", name}, now.offered())
			if now.n == 1 {
				return asks(calls...)
			}
			check(now.results())
			return says("done")
		}}
		began := time.Now()
		_, err := execute(t.Context(), t, agent(t, m, reg, langchaingo.WithTools(own)))
		require.NoError(t, err)
		require.Less(t, time.Since(began), time.Minute+10*time.Second)
		require.Equal(t, []string{"x", "fail", "panic", "y", `{"a": 1}`}, own.calls)

		own.calls = nil
		responses, err := langchaingo.RunCalls(t.Context(), append(reg.Tools(), own), calls)
		require.NoError(t, err)
		got := map[string]string{}
		for _, r := range responses {
			got[r.ToolCallID] = r.Content
		}
		check(got)
		require.Equal(t, []string{"x", "fail", "panic", "y", `{"a": 1}`}, own.calls)
	})
}

// What a refresh changes is offered at the next turn of the same run, and an
// Assignment that is gone says so.
func TestRefreshInTheMidstOfARun(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", time.Minute)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{}
		m.say = func(now turn) *llms.ContentResponse {
			switch now.n {
			case 1:
				require.Equal(t, []string{"one"}, now.offered())
				require.NoError(t, d.AddAssignment(worker("two", time.Minute)))
				require.NoError(t, d.RemoveAssignment(mustTool(reg, "one").Assignment().ID))
				_, err := reg.Refresh(t.Context())
				require.NoError(t, err)
				return asks(callOf("a", "one", "A"))
			case 2:
				require.Equal(t, []string{"two"}, now.offered())
				require.Contains(t, now.results()["a"], "no longer offered")
				return asks(callOf("b", "two", "B"), callOf("c", "two", "C"))
			}
			require.Contains(t, now.results()["b"], "two did B")
			require.Contains(t, now.results()["c"], "two did C")
			var names []string
			for _, msg := range now.messages {
				for _, p := range msg.Parts {
					if c, ok := p.(llms.ToolCall); ok {
						names = append(names, c.FunctionCall.Name)
					}
				}
			}
			require.Equal(t, []string{"one", "two", "two"}, names)
			return says("done")
		}
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 2)
	})
}

// The history that the model is told: one call a message, followed by its
// response; IDs are unique, arguments are objects, and nothing of ours shows.
func TestHistory(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			switch now.n {
			case 1: // as anthropic's provider answers: a choice for each block
				return &llms.ContentResponse{Choices: []*llms.ContentChoice{
					{Content: "Let me see."}, {ToolCalls: []llms.ToolCall{callOf("", "one", "A")}}, nil,
					{ToolCalls: []llms.ToolCall{callOf("x", "one", "B"), {ID: "x", FunctionCall: &llms.FunctionCall{Name: "one", Arguments: "order 7"}}}},
				}}
			case 2:
				return &llms.ContentResponse{Choices: []*llms.ContentChoice{{FuncCall: &llms.FunctionCall{Name: "one", Arguments: ""}}}}
			}
			return says("done")
		}}
		var last []llms.MessageContent
		say := m.say
		m.say = func(now turn) *llms.ContentResponse { last = now.messages; return say(now) }
		out, err := chains.Call(t.Context(), agents.NewExecutor(agent(t, m, reg), agents.WithReturnIntermediateSteps()), map[string]any{"input": "do it", "history": "Human: hello"})
		require.NoError(t, err)
		require.Len(t, out["intermediateSteps"], 4)

		require.Equal(t, llms.ChatMessageTypeSystem, last[0].Role)
		require.Contains(t, last[0].Parts[0].(llms.TextContent).Text, "The conversation so far:\nHuman: hello")
		require.Equal(t, llms.TextParts(llms.ChatMessageTypeHuman, "do it"), last[1])
		require.Len(t, last, 2+2*4)
		seen := map[string]bool{}
		for i := 2; i < len(last); i += 2 {
			call := last[i].Parts[0].(llms.ToolCall)
			response := last[i+1].Parts[0].(llms.ToolCallResponse)
			require.Equal(t, llms.ChatMessageTypeAI, last[i].Role)
			require.Equal(t, llms.ChatMessageTypeTool, last[i+1].Role)
			require.Equal(t, call.ID, response.ToolCallID)
			require.Equal(t, "one", response.Name)
			require.Equal(t, "function", call.Type)
			require.NotEmpty(t, call.ID)
			require.False(t, seen[call.ID], call.ID)
			seen[call.ID] = true
			var object map[string]any
			require.NoError(t, json.Unmarshal([]byte(call.FunctionCall.Arguments), &object))
			require.NotContains(t, call.FunctionCall.Arguments, "#run-")
		}
		require.Equal(t, llms.TextContent{Text: "Let me see."}, last[2].Parts[1])
		require.JSONEq(t, `{"not_an_object": "order 7"}`, last[6].Parts[0].(llms.ToolCall).FunctionCall.Arguments)
		require.Len(t, d.Jobs(), 2)
	})
}

// An answer that was cut off starts nothing that may be incomplete, and neither
// does a flood of calls.
func TestCutAndFlood(t *testing.T) {
	for _, reason := range []string{"length", "max_tokens", "FinishReasonMaxTokens"} {
		bubble(t, []duvotest.Assignment{worker("one", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
			m := &model{say: func(now turn) *llms.ContentResponse {
				if now.n == 1 {
					resp := asks(callOf("a", "one", "A"), callOf("b", "one", "order 47"))
					resp.Choices[0].StopReason = reason
					return resp
				}
				require.Contains(t, now.results()["a"], "one did A")
				require.Contains(t, now.results()["b"], "cut off")
				return says("done")
			}}
			_, err := execute(t.Context(), t, agent(t, m, reg))
			require.NoError(t, err)
			require.Len(t, d.Jobs(), 1)
		})
	}
	bubble(t, []duvotest.Assignment{worker("one", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			if now.n > 1 {
				require.Contains(t, now.results()["130"], "too many")
				return says("done")
			}
			var calls []llms.ToolCall
			for i := range 200 {
				calls = append(calls, callOf(fmt.Sprint(i), "one", fmt.Sprint(i)))
			}
			return asks(calls...)
		}}
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 128)
	})
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(turn) *llms.ContentResponse { return says("  ") }}
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.ErrorIs(t, err, agents.ErrUnableToParseOutput)

		m.say = func(now turn) *llms.ContentResponse {
			if now.n == 2 {
				return says("")
			}
			require.Equal(t, llms.TextParts(llms.ChatMessageTypeHuman, "say something"), now.messages[len(now.messages)-1])
			return says("sorry")
		}
		answer, err := execute(t.Context(), t, agent(t, m, reg), agents.WithParserErrorHandler(agents.NewParserErrorHandler(func(string) string { return "say something" })))
		require.NoError(t, err)
		require.Equal(t, "sorry", answer)
	})
}

func TestBadUse(t *testing.T) {
	m := &model{}
	one := &local{name: "a b"}
	for want, f := range map[string]func() (*langchaingo.Agent, error){
		"the model is nil":          func() (*langchaingo.Agent, error) { return langchaingo.NewAgent(nil, langchaingo.Tools{}) },
		"source of tools is nil":    func() (*langchaingo.Agent, error) { return langchaingo.NewAgent(m, nil) },
		"holds nil":                 func() (*langchaingo.Agent, error) { return langchaingo.NewAgent(m, (*duvotool.Registry)(nil)) },
		"source of tools holds nil": func() (*langchaingo.Agent, error) { return langchaingo.NewAgent(m, langchaingo.Tools{nil}) },
		"a nil option":              func() (*langchaingo.Agent, error) { return langchaingo.NewAgent(m, langchaingo.Tools{}, nil) },
		"two tools named \"a_b\"":   func() (*langchaingo.Agent, error) { return langchaingo.NewAgent(m, langchaingo.Tools{one, one}) },
		"only a registry can be": func() (*langchaingo.Agent, error) {
			return langchaingo.NewAgent(m, langchaingo.Tools{}, langchaingo.WithSearch())
		},
		"WithTools: a tool is nil": func() (*langchaingo.Agent, error) {
			return langchaingo.NewAgent(m, langchaingo.Tools{}, langchaingo.WithTools(nil))
		},
		"must be of": func() (*langchaingo.Agent, error) {
			return langchaingo.NewAgent(m, langchaingo.Tools{odd(`{"type":"string"}`)})
		},
		"the schema of the tool \"o": func() (*langchaingo.Agent, error) { return langchaingo.NewAgent(m, langchaingo.Tools{odd(`{`)}) },
	} {
		_, err := f()
		require.ErrorContains(t, err, want)
	}
}

// odd is a tool with a schema.
type odd string

func (odd) Name() string                                                   { return "odd" }
func (odd) Description() string                                            { return "" }
func (odd) Call(context.Context, string) (string, error)                   { return "", nil }
func (o odd) Schema() json.RawMessage                                      { return json.RawMessage(o) }
func (odd) CallArguments(context.Context, json.RawMessage) (string, error) { return "", nil }

var _ tools.Tool = odd("")

// A Job that takes longer than its budget is asked for by its handle, in the
// same run.
func TestCheckJob(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", 10*time.Minute), worker("two", 9*time.Minute)}, []duvotool.Option{duvotool.WithWaitBudget(4 * time.Minute)}, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		check := func(id, told string) llms.ToolCall {
			_, rest, _ := strings.Cut(told, "the handle ")
			args, _ := json.Marshal(map[string]string{"handle": strings.TrimRight(rest[:30], ".\n")})
			return llms.ToolCall{ID: id, FunctionCall: &llms.FunctionCall{Name: "check_job", Arguments: string(args)}}
		}
		m := &model{say: func(now turn) *llms.ContentResponse {
			got := now.results()
			switch now.n {
			case 1:
				return asks(callOf("a", "one", "A"), callOf("b", "two", "B"))
			case 2:
				require.Contains(t, got["a"], "still at work")
				return asks(check("c", got["a"]), check("d", got["b"]))
			case 3:
				require.Contains(t, got["c"], "still at work")
				return asks(check("e", got["a"]), check("f", got["b"]))
			}
			require.Contains(t, got["e"], "one did A")
			require.Contains(t, got["f"], "two did B")
			return says("done")
		}}
		began := time.Now()
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.NoError(t, err)
		require.Less(t, time.Since(began), 10*time.Minute+10*time.Second, "both are waited for at once")
		require.Len(t, d.Jobs(), 2)
	})
}

// The model goes on with a Job that has ended, by its handle; said twice in a
// run it is one message.
func TestContinueJob(t *testing.T) {
	draft := duvotest.Assignment{Name: "draft", Script: func(j *duvotest.Job) { j.Complete("a long draft") },
		Resume: func(j *duvotest.Job, message string) { j.Complete("as you said: " + message) }}
	bubble(t, []duvotest.Assignment{draft}, []duvotool.Option{duvotool.WithFollowUps()}, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			got := now.results()
			switch now.n {
			case 1:
				return asks(callOf("a", "draft", "A"))
			case 2:
				_, rest, ok := strings.Cut(got["a"], "the handle ")
				require.True(t, ok, got["a"])
				handle, _, _ := strings.Cut(rest, " ")
				args, _ := json.Marshal(map[string]string{"handle": handle, "message": "shorter"})
				call := llms.FunctionCall{Name: "continue_job", Arguments: string(args)}
				return asks(llms.ToolCall{ID: "b", FunctionCall: &call}, llms.ToolCall{ID: "c", FunctionCall: &call})
			}
			require.Contains(t, got["b"], "as you said: shorter")
			require.Contains(t, got["c"], "as you said: shorter")
			return says("done")
		}}
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 1)
		require.Equal(t, 1, d.Count("postRunMessage"))
	})
}
