// Package langchaingo makes duvotool's tools first-class citizens of
// langchaingo.
//
// [NewAgent] is an agent for models that call tools. It offers each tool with
// its own schema, lets the calls of one turn run at the same time, and keeps
// each paired with its result:
//
//	agent, err := langchaingo.NewAgent(model, reg)
//	if err != nil { ... }
//	ctx = duvotool.WithOperationScope(ctx, conversationID)
//	answer, err := chains.Run(ctx, agents.NewExecutor(agent), complaint)
//
// It works with langchaingo's providers openai, anthropic and googleai, and with
// Ollama through the openai provider:
//
//	model, err := openai.New(openai.WithBaseURL("http://localhost:11434/v1"),
//		openai.WithToken("ollama"), openai.WithModel("llama3.1"))
//
// For a loop of your own there are the pieces: [LLMTools] makes what
// llms.WithTools takes, [Calls] reads the model's answer, [RunCalls] runs its
// calls, and [Paired] makes the messages for the next turn.
//
//	for {
//		shown := reg.Tools() // once a turn: a call runs what the model was shown
//		offered, err := langchaingo.LLMTools(model, shown)
//		if err != nil { ... }
//		resp, err := model.GenerateContent(ctx, messages, llms.WithTools(offered))
//		if err != nil { ... }
//		calls, text := langchaingo.Calls(resp)
//		if len(calls) == 0 {
//			return text, nil
//		}
//		responses, err := langchaingo.RunCalls(ctx, shown, calls)
//		if err != nil { ... }
//		messages = append(messages, langchaingo.Paired(text, calls, responses)...)
//	}
//
// [Guard] is for the agents that find calls in the model's text.
//
// # Large catalogs
//
// A catalog of hundreds of Assignments drowns a model. With [WithSearch] the
// agent offers one tool that finds Assignments, and then those that it found, as
// tools of their own for the rest of the run. For other agents there are
// [duvotool.Registry.SearchTool] with [duvotool.Registry.RunTool], and
// [duvotool.Registry.RouterTool].
//
// # Tools of your own
//
// Any langchaingo tool takes part: it is offered with one text, "input". One
// that has these two methods is offered with its own schema, brought into the form
// that the model's provider takes:
//
//	Schema() json.RawMessage
//	CallArguments(ctx context.Context, arguments json.RawMessage) (string, error)
//
// It must then be safe for concurrent use, because it is called while others of
// the same turn run. Tools without these methods are called one after the
// other.
//
// # Failures
//
// What a tool returns as an error is told to the model as an observation, so
// that one failure takes nothing from the others; for errors of package duvotool
// it says what became of the Job, and never shows the error's text, which is
// the host program's: [duvotool.WithObserver] and [duvotool.WithCallbacks] tell
// it there. Only the end of the context and of the registry end the run. The error
// is then joined of those of all calls of the turn: each is a [*outcome.JobError]
// with the operation key of a Job that goes on, also where the executor had not
// come to ask for it.
package langchaingo
