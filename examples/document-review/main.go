// Document-review is an editor that hands an action to Duvo: it has the clauses
// of a draft checked by the Assignment "Compliance check". What goes there and
// what comes back are Go types. The editor calls it itself, and so may its
// assistant, a model that is offered the same types as a schema.
//
// Without any environment it runs on an emulator with a stand-in for the model.
// DUVO_API_KEY, and OPENAI_API_KEY or OLLAMA_HOST, name real ones.
package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
)

// A Review is what the Assignment takes.
type Review struct {
	Rules    string   `json:"rules" jsonschema:"enum=purchasing,enum=privacy,description=Which rules to check against"`
	Clauses  []Clause `json:"clauses" jsonschema:"minItems=1,description=The clauses to check, word for word"`
	Register bool     `json:"register,omitempty" jsonschema:"description=Enter the contract in the register if the check finds nothing that must change"`
}

// A Clause is a paragraph of the draft.
type Clause struct {
	Number int    `json:"number" jsonschema:"minimum=1"`
	Text   string `json:"text" jsonschema:"minLength=1"`
}

// A Verdict is what it answers.
type Verdict struct {
	Findings   []Finding `json:"findings"`
	Registered bool      `json:"registered"`
}

// A Finding is what is wrong with a clause.
type Finding struct {
	Clause   int    `json:"clause"`
	Severity string `json:"severity" jsonschema:"enum=must,enum=should"`
	Problem  string `json:"problem"`
	Proposal string `json:"proposal"`
}

const wish = "Check clause 2 once more by the purchasing rules, and have the contract entered in the register."

var help = usage.Text{
	Does: "Has a draft checked by a Duvo Assignment, with Go types at both ends.",
	About: `An editor hands the draft to the Assignment "Compliance check": first by a button
of its own, then by its assistant, a model that is offered the same types as a schema. What
needs a person is asked at the terminal, and denied where there is none.`,
	Examples: []string{"document-review"},
}

func main() {
	setup.Main(help, flag.NewFlagSet("document-review", flag.ContinueOnError), emulated(), script, run)
}

func run(ctx context.Context, s setup.Setup) error {
	doc := &draft{clauses: []Clause{
		{1, "The supplier delivers 40 coffee machines by the first of March."},
		{2, "Invoices are due after 90 days."},
		{3, "The supplier is liable without any limit."},
	}}
	reg, err := duvotool.Discover(ctx, s.Client, append(s.Options,
		duvotool.Keep(duvotool.ByName("Compliance check")), // the editor needs no other
		duvotool.InputOf[Review](), duvotool.OutputOf[Verdict](), duvotool.CorrectOnce(),
		duvotool.WithPolicy(s.Operator),
		duvotool.WithObserver(doc.observe))...)
	if err != nil {
		return err
	}
	defer reg.Close(context.WithoutCancel(ctx))

	tool, err := reg.Tool("Compliance check")
	if err != nil {
		return fmt.Errorf("%w; make one in Duvo first", err)
	}
	// The same clauses, asked for again, are the same Job as long as the draft is open.
	ctx = duvotool.WithOperationScope(ctx, "draft opened "+time.Now().Format(time.RFC3339Nano))

	// The editor's own button: Go values in, Go values out.
	check, err := duvotool.As[Review, Verdict](tool)
	if err != nil {
		return err
	}
	verdict, _, err := check.Run(ctx, Review{Rules: "purchasing", Clauses: doc.clauses})
	if err != nil {
		return err
	}
	for _, f := range verdict.Findings {
		if i := f.Clause - 1; f.Severity == "must" && i >= 0 && i < len(doc.clauses) {
			doc.clauses[i].Text = f.Proposal
		}
	}

	// Its assistant: a model that reads the draft and fills in a Review.
	agent, err := langchaingo.NewAgent(s.Model, reg, langchaingo.WithSystem("You are the assistant of an editor. "+
		"Use the tool for what the person asks, and tell them in a sentence or two what came of it."))
	if err != nil {
		return err
	}
	answer, err := chains.Run(ctx, agents.NewExecutor(agent), wish+"\n\nThe draft:\n"+doc.String())
	if err != nil {
		return err
	}
	if err := reg.Close(ctx); err != nil { // now the margin has all there is
		return err
	}
	fmt.Fprintf(s.Out, "\nThe draft:\n%s\nIn the margin:\n", hitl.SafeText(doc.String(), 0))
	for _, note := range doc.margin {
		fmt.Fprintln(s.Out, "  "+note)
	}
	fmt.Fprintf(s.Out, "\n%s\n%s\n", wish, hitl.SafeText(answer, 0))
	return nil
}
