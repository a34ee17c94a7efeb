package setup

import (
	"cmp"
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
			return StandIn(script), "an offline stand-in (set OPENAI_API_KEY or OLLAMA_HOST to use a real one)", nil
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
	return m, at, nil
}
