package setup

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

// Model returns the model that the environment names, or a stand-in with this
// script. With OPENAI_API_KEY it is OPENAI_MODEL at OPENAI_BASE_URL, with
// OLLAMA_HOST it is OLLAMA_MODEL, by the format of OpenAI's that Ollama speaks
// too.
func Model(script Script) (m llms.Model, name string, err error) {
	key, base := os.Getenv("OPENAI_API_KEY"), os.Getenv("OPENAI_BASE_URL")
	name = cmp.Or(os.Getenv("OPENAI_MODEL"), "gpt-4o-mini")
	at := name
	if key == "" {
		if base = os.Getenv("OLLAMA_HOST"); base == "" {
			return StandIn(script), "an offline stand-in (OPENAI_API_KEY or OLLAMA_HOST: a real one)", nil
		}
		if !strings.Contains(base, "://") {
			base = "http://" + base
		}
		base = strings.TrimRight(base, "/") + "/v1"
		key, name = "ollama", cmp.Or(os.Getenv("OLLAMA_MODEL"), "llama3.1")
		at = name + " at " + base
	}
	opts := []openai.Option{openai.WithToken(key), openai.WithModel(name)}
	if base != "" {
		opts = append(opts, openai.WithBaseURL(base))
	}
	if m, err = openai.New(opts...); err != nil {
		return nil, "", fmt.Errorf("the model %s: %w", at, err)
	}
	return remote{m, at, host(os.Getenv("OPENAI_API_KEY") != "")}, at, nil
}

// host names the environment variables by which the model is reached.
func host(openAI bool) (variables [2]string) {
	if openAI {
		return [2]string{"OPENAI_BASE_URL", "OPENAI_API_KEY"}
	}
	return [2]string{"OLLAMA_HOST", "OLLAMA_MODEL"}
}

// A remote model says what to look at when it cannot be used.
type remote struct {
	llms.Model
	at        string
	variables [2]string // of its address, and of what it is asked with
}

func (r remote) GenerateContent(ctx context.Context, messages []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	resp, err := r.Model.GenerateContent(ctx, messages, options...)
	if err == nil || ctx.Err() != nil {
		return resp, err
	}
	return nil, fmt.Errorf("the model %s: %w; check that it runs, %s and %s", r.at, err, r.variables[0], r.variables[1])
}

func (r remote) Call(ctx context.Context, prompt string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, r, prompt, options...)
}
