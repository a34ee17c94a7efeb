package langchaingo

import (
	"strings"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
)

// messages tells the model all that was so far, and which IDs of calls are
// used.
func (a *Agent) messages(steps []schema.AgentStep, inputs map[string]string) (out []llms.MessageContent, used map[string]bool) {
	system := a.system
	if h := strings.TrimSpace(inputs[historyKey]); h != "" {
		system = strings.TrimSpace(system + "\n\nThe conversation so far:\n" + h)
	}
	if system != "" {
		out = append(out, llms.TextParts(llms.ChatMessageTypeSystem, system))
	}
	out = append(out, llms.TextParts(llms.ChatMessageTypeHuman, inputs[inputKey]))
	used = map[string]bool{}
	for _, s := range steps {
		if s.Action.Tool == "" { // the executor's words about an answer that made no sense
			out = append(out, llms.TextParts(llms.ChatMessageTypeHuman, s.Observation))
			continue
		}
		args, m, marked := unmark(s.Action.ToolInput)
		name := s.Action.Tool
		if marked {
			name = m.Tool
		}
		call := llms.ToolCall{ID: s.Action.ToolID, FunctionCall: &llms.FunctionCall{Name: functionName(name), Arguments: args}}
		used[call.ID] = true
		out = append(out, Paired(s.Action.Log, []llms.ToolCall{call}, []llms.ToolCallResponse{{Content: s.Observation}})...)
	}
	return out, used
}
