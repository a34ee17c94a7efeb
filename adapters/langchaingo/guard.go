package langchaingo

import (
	"context"

	"github.com/duvotool/duvotool/internal/react"
	"github.com/tmc/langchaingo/llms"
)

// Guard wraps the model of an agent that finds tool calls in the model's text:
// agents.NewOneShotAgent and agents.NewConversationalAgent. Those agents take
// "the answer is:" or "AI:" for the end of the run wherever it stands, so that
// a complaint about "OpenAI: charged twice" ends it before any Job was
// started; and where a model ignores stop words they take an observation that
// it made up for the tool's. Guard hides the one, which the tools of package
// duvotool undo, and cuts off the other.
//
// Agents that use function calling need no guard.
func Guard(model llms.Model) llms.Model { return guard{model} }

type guard struct{ llms.Model }

// Unwrap returns the model.
func (g guard) Unwrap() llms.Model { return g.Model }

// GenerateContent asks the model and guards every choice that calls a tool.
func (g guard) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	resp, err := g.Model.GenerateContent(ctx, messages, options...)
	if err != nil || resp == nil {
		return resp, err
	}
	guarded := *resp
	guarded.Choices = make([]*llms.ContentChoice, len(resp.Choices))
	for i, c := range resp.Choices {
		if c != nil {
			own := *c
			own.Content = react.Guard(c.Content)
			c = &own
		}
		guarded.Choices[i] = c
	}
	return &guarded, nil
}

// Call asks the model for one text, guarded.
func (g guard) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, g, prompt, options...)
}
