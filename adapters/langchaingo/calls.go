package langchaingo

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// Calls reads a model's answer: the tool calls in it, in order, and its text.
// It takes together what a provider spreads over several choices, as anthropic
// does, gives a type to each call, and an ID of its own to one that has none or
// another's. So ask for one answer, not for several to choose from.
func Calls(resp *llms.ContentResponse) (calls []llms.ToolCall, text string) {
	return callsIn(resp, map[string]bool{})
}

// callsIn is Calls, with IDs besides those already used.
func callsIn(resp *llms.ContentResponse, used map[string]bool) (calls []llms.ToolCall, text string) {
	if resp == nil {
		return nil, ""
	}
	var texts []string
	take := func(c llms.ToolCall) {
		if c.FunctionCall == nil || c.ID == "" && c.FunctionCall.Name == "" && c.FunctionCall.Arguments == "" {
			return // the latter is a piece of a stream that holds nothing
		}
		c.Type = "function"
		id := c.ID
		for n := len(calls) + 1; id == "" || used[id]; n++ {
			if c.ID == "" {
				id = fmt.Sprint("call_", n)
			} else {
				id = fmt.Sprint(c.ID, "_", n)
			}
		}
		used[id] = true
		c.ID = id
		calls = append(calls, c)
	}
	for _, c := range resp.Choices {
		if c == nil {
			continue
		}
		if strings.TrimSpace(c.Content) != "" {
			texts = append(texts, c.Content)
		}
		for _, call := range c.ToolCalls {
			take(call)
		}
		if len(c.ToolCalls) == 0 && c.FuncCall != nil {
			take(llms.ToolCall{FunctionCall: c.FuncCall})
		}
	}
	return calls, strings.Join(texts, "\n\n")
}

// Paired makes the messages that tell the model its calls and what came of
// them: one call a message, followed at once by its response, which is the one
// form that langchaingo's openai, anthropic and googleai providers all keep
// paired. The text is what the model said beside its calls; anthropic's provider
// drops it. Arguments that are no JSON object, which two of the providers
// choke on, are told as the text they are.
//
// There must be a response for each call, in order, as [RunCalls] returns them;
// a missing one is told as such.
func Paired(text string, calls []llms.ToolCall, responses []llms.ToolCallResponse) []llms.MessageContent {
	out := make([]llms.MessageContent, 0, 2*len(calls))
	for i, c := range calls {
		name, args := "", ""
		if c.FunctionCall != nil {
			name, args = c.FunctionCall.Name, c.FunctionCall.Arguments
		}
		parts := []llms.ContentPart{llms.ToolCall{ID: c.ID, Type: "function", FunctionCall: &llms.FunctionCall{Name: name, Arguments: objectText(args)}}}
		if i == 0 && strings.TrimSpace(text) != "" {
			parts = append(parts, llms.TextContent{Text: text}) // second, because anthropic's provider takes the first only
		}
		r := llms.ToolCallResponse{ToolCallID: c.ID, Name: name, Content: "Nothing is known of this call."}
		if i < len(responses) {
			r.Content = responses[i].Content
		}
		if r.Content == "" {
			r.Content = "The tool said nothing." // some servers refuse an empty result
		}
		out = append(out,
			llms.MessageContent{Role: llms.ChatMessageTypeAI, Parts: parts},
			llms.MessageContent{Role: llms.ChatMessageTypeTool, Parts: []llms.ContentPart{r}})
	}
	return out
}

// objectText returns arguments as a JSON object.
func objectText(args string) string {
	if isObject(args) {
		return args
	}
	if strings.TrimSpace(args) == "" {
		return "{}"
	}
	text, err := json.Marshal(map[string]string{"not_an_object": args})
	if err != nil {
		return "{}"
	}
	return string(text)
}

func isObject(args string) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal([]byte(args), &m) == nil && m != nil
}
