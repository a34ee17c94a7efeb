package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"
)

const instructions = "You triage inbound e-mails. Hand the e-mail to the one tool that fits it best, " +
	"with all of its details in the tool's input. Then tell in a few sentences what came of it, " +
	"including what was denied and why. Never call a tool twice for one e-mail."

// newExecutor makes the agent: an OpenAI model with function calling, a model
// of Ollama with the one-shot agent, or the offline stand-in.
func newExecutor(offered []tools.Tool) (e *agents.Executor, name string, err error) {
	const steps = 5
	switch {
	case os.Getenv("OPENAI_API_KEY") != "":
		model := cmp.Or(os.Getenv("OPENAI_MODEL"), "gpt-4o-mini")
		opts := []openai.Option{openai.WithToken(os.Getenv("OPENAI_API_KEY")), openai.WithModel(model)}
		if u := os.Getenv("OPENAI_BASE_URL"); u != "" {
			opts = append(opts, openai.WithBaseURL(u))
		}
		llm, err := openai.New(opts...)
		if err != nil {
			return nil, "", fmt.Errorf("the OpenAI model: %w", err)
		}
		agent := agents.NewOpenAIFunctionsAgent(llm, offered, agents.NewOpenAIOption().WithSystemMessage(instructions))
		return agents.NewExecutor(agent, agents.WithMaxIterations(steps)), model, nil

	case os.Getenv("OLLAMA_HOST") != "":
		model := cmp.Or(os.Getenv("OLLAMA_MODEL"), "llama3.1")
		base := strings.TrimRight(os.Getenv("OLLAMA_HOST"), "/")
		if !strings.Contains(base, "://") {
			base = "http://" + base
		}
		llm, err := openai.New(openai.WithToken("ollama"), openai.WithModel(model), openai.WithBaseURL(base+"/v1"))
		if err != nil {
			return nil, "", fmt.Errorf("the Ollama model: %w", err)
		}
		// Not every model there can call functions; the one-shot agent works
		// with text alone.
		agent := agents.NewOneShotAgent(langchaingo.Guard(llm), offered)
		return agents.NewExecutor(agent, agents.WithMaxIterations(steps),
			agents.WithParserErrorHandler(agents.NewParserErrorHandler(nil))), model + " at " + base, nil
	}
	agent := agents.NewOpenAIFunctionsAgent(standIn{}, offered, agents.NewOpenAIOption().WithSystemMessage(instructions))
	return agents.NewExecutor(agent, agents.WithMaxIterations(steps)),
		"an offline stand-in (set OPENAI_API_KEY or OLLAMA_HOST to use a real one)", nil
}
