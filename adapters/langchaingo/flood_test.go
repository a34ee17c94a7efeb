package langchaingo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
)

// A charge is a tool of the program's own that must not be called twice.
type charge struct{ n atomic.Int64 }

func (*charge) Name() string        { return "charge" }
func (*charge) Description() string { return "Charges a card." }
func (*charge) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer"}}}`)
}
func (c *charge) Call(ctx context.Context, _ string) (string, error) {
	return c.CallArguments(ctx, nil)
}
func (c *charge) CallArguments(context.Context, json.RawMessage) (string, error) {
	c.n.Add(1)
	return "charged", nil
}

// However many calls a turn asks for, at most 128 are made, each once.
func TestAFloodOfCalls(t *testing.T) {
	for _, n := range []int{200, 3000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			own := &charge{}
			var first, last string
			m := &model{say: func(now turn) *llms.ContentResponse {
				if now.n > 1 {
					first, last = now.results()["c0"], now.results()["c150"]
					return says("done")
				}
				var calls []llms.ToolCall
				for i := range n {
					calls = append(calls, llms.ToolCall{ID: fmt.Sprint("c", i), FunctionCall: &llms.FunctionCall{Name: "charge", Arguments: fmt.Sprintf(`{"n":%d}`, i)}})
				}
				return asks(calls...)
			}}
			_, err := execute(t.Context(), t, agent(t, m, langchaingo.Tools{}, langchaingo.WithTools(own)))
			require.NoError(t, err)
			require.Equal(t, "charged", first)
			require.Contains(t, last, "too many")
			require.EqualValues(t, 128, own.n.Load())
		})
	}
}

// An action that an executor hands over twice charges once.
func TestACallThatIsAskedForTwice(t *testing.T) {
	own := &charge{}
	m := &model{say: func(turn) *llms.ContentResponse { return asks(callOf("a", "charge", "x")) }}
	a := agent(t, m, langchaingo.Tools{}, langchaingo.WithTools(own))
	actions, _, err := a.Plan(t.Context(), nil, map[string]string{"input": "charge"})
	require.NoError(t, err)
	bound := a.GetTools()[0]
	out, err := bound.Call(t.Context(), actions[0].ToolInput)
	require.NoError(t, err)
	require.Equal(t, "charged", out)
	out, err = bound.Call(t.Context(), actions[0].ToolInput)
	require.NoError(t, err)
	require.Contains(t, out, "is not made again")
	require.EqualValues(t, 1, own.n.Load())
}
