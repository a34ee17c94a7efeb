package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tmc/langchaingo/llms"
)

// A Script takes a model's place where none can be reached. It returns the calls
// that it makes, or, with none, its last words.
type Script func(Turn) (calls []Call, words string)

// A Turn is what a model is told.
type Turn struct {
	Task    string                    // what the person said last
	Offered []llms.FunctionDefinition // the tools
	Results []string                  // what the calls so far have answered, in order
}

// A Call is what a model asks for. The arguments are written as JSON.
type Call struct {
	Tool      string
	Arguments any
}

// StandIn returns a model that acts by a script. It is safe for concurrent use.
func StandIn(script Script) llms.Model { return standIn{script} }

type standIn struct{ script Script }

func (m standIn) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	turn := Turn{Offered: opts.Functions}
	for _, t := range opts.Tools {
		turn.Offered = append(turn.Offered, *t.Function)
	}
	for _, msg := range messages {
		for _, part := range msg.Parts {
			switch p := part.(type) {
			case llms.TextContent:
				if msg.Role == llms.ChatMessageTypeHuman {
					turn.Task = p.Text
				}
			case llms.ToolCallResponse:
				turn.Results = append(turn.Results, p.Content)
			}
		}
	}
	if len(turn.Offered) == 0 {
		return nil, errors.New("the stand-in for the model was offered no tools")
	}
	calls, words := m.script(turn)
	choice := &llms.ContentChoice{Content: words}
	for i, c := range calls {
		args, err := json.Marshal(c.Arguments)
		if err != nil {
			return nil, err
		}
		choice.ToolCalls = append(choice.ToolCalls, llms.ToolCall{ID: fmt.Sprintf("call_%d", len(turn.Results)+i+1), Type: "function",
			FunctionCall: &llms.FunctionCall{Name: c.Tool, Arguments: string(args)}})
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{choice}}, nil
}

func (m standIn) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

// Fitting returns the name of the tool that fits a text best.
func (t Turn) Fitting(text string) string {
	about := map[string]string{}
	for _, f := range t.Offered {
		about[f.Name] = f.Name + " " + f.Description
	}
	return Pick(text, about)
}

// Enum returns the values that a field of a tool's arguments may have.
func Enum(tool llms.FunctionDefinition, field string) []string {
	var schema struct {
		Properties map[string]struct{ Enum []string }
	}
	raw, err := json.Marshal(tool.Parameters)
	if err != nil || json.Unmarshal(raw, &schema) != nil {
		return nil
	}
	return schema.Properties[field].Enum
}
