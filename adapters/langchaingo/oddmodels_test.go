package langchaingo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
)

// local is a tool of the program's own, which knows nothing of concurrent use.
type local struct {
	name    string
	running int
	calls   []string
	do      func(input string) (string, error)
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
		"its type is string, and mu": func() (*langchaingo.Agent, error) {
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
