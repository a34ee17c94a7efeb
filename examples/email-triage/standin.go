package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"unicode"

	"github.com/tmc/langchaingo/llms"
)

// standIn takes a model's place where none can be reached. It calls the one
// function whose name and description share the most telling words with the
// e-mail, and then repeats what the function answered.
type standIn struct{}

var _ llms.Model = standIn{}

func (m standIn) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var opts llms.CallOptions
	for _, o := range options {
		o(&opts)
	}
	var email string
	for _, msg := range messages {
		for _, part := range msg.Parts {
			switch p := part.(type) {
			case llms.TextContent:
				if msg.Role == llms.ChatMessageTypeHuman {
					email = p.Text
				}
			case llms.ToolCallResponse:
				return say("I handed the e-mail to Duvo. " + p.Content), nil
			}
		}
	}
	if len(opts.Functions) == 0 {
		return nil, errors.New("the stand-in model was offered no functions")
	}
	args, err := json.Marshal(map[string]string{"__arg1": email})
	if err != nil {
		return nil, err
	}
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{ToolCalls: []llms.ToolCall{{
		ID: "call_1", Type: "function",
		FunctionCall: &llms.FunctionCall{Name: best(opts.Functions, email), Arguments: string(args)},
	}}}}}, nil
}

func (m standIn) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, prompt, options...)
}

func say(text string) *llms.ContentResponse {
	return &llms.ContentResponse{Choices: []*llms.ContentChoice{{Content: text}}}
}

// best returns the name of the function that fits the text best: each word
// they share counts the more, the fewer functions have it.
func best(functions []llms.FunctionDefinition, text string) string {
	wordsOf := make([]map[string]bool, len(functions))
	users := map[string]int{}
	for i, f := range functions {
		wordsOf[i] = words(f.Name + " " + f.Description)
		for w := range wordsOf[i] {
			users[w]++
		}
	}
	wanted := words(text)
	winner, top := 0, -1.0
	for i := range functions {
		score := 0.0
		for w := range wanted {
			if wordsOf[i][w] {
				score += math.Log(1 + float64(len(functions))/float64(users[w]))
			}
		}
		// Long descriptions share words by chance.
		score /= math.Sqrt(float64(10 + len(wordsOf[i])))
		if score > top {
			winner, top = i, score
		}
	}
	return functions[winner].Name
}

// words returns the words of a text without case and plain endings, and
// without those that tell nothing.
func words(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(w) < 3 || tellsNothing[w] {
			continue
		}
		for _, end := range []string{"ing", "ed", "es", "s"} {
			if s, ok := strings.CutSuffix(w, end); ok && len(s) >= 3 {
				w = s
				break
			}
		}
		out[strings.TrimSuffix(w, "e")] = true
	}
	return out
}

var tellsNothing = map[string]bool{
	"the": true, "and": true, "for": true, "with": true, "that": true, "this": true, "are": true, "was": true, "has": true,
	"have": true, "you": true, "your": true, "our": true, "from": true, "not": true, "but": true, "any": true, "all": true,
	"can": true, "will": true, "its": true, "their": true, "them": true, "who": true, "what": true, "when": true, "which": true,
	"assignment": true, "duvo": true, "use": true, "about": true, "into": true, "after": true, "then": true, "please": true,
}
