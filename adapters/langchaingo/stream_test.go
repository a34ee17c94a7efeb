package langchaingo_test

import (
	"testing"

	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
)

// A piece of a stream that holds nothing is no call; one without a name is a wrong
// one, and told so.
func TestPiecesOfAStreamThatHoldNothing(t *testing.T) {
	resp := &llms.ContentResponse{Choices: []*llms.ContentChoice{{ToolCalls: []llms.ToolCall{
		{ID: "a", Type: "function", FunctionCall: &llms.FunctionCall{Name: "refunds", Arguments: `{"input":"x"}`}},
		{FunctionCall: &llms.FunctionCall{}},
		{FunctionCall: &llms.FunctionCall{Arguments: `{"input":"y"}`}},
	}}}}
	calls, _ := langchaingo.Calls(resp)
	require.Len(t, calls, 2)
	require.Equal(t, "refunds", calls[0].FunctionCall.Name)
	require.Equal(t, `{"input":"y"}`, calls[1].FunctionCall.Arguments)
}
