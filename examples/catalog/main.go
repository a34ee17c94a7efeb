// Command catalog shows what a catalog of 500 Assignments costs a model's
// prompt: offered as 500 tools, behind one router, or found by a search. It runs
// offline: Duvo is the emulator, and the model a local server that speaks the
// format of OpenAI's and counts what it is sent.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"
)

const task = "Translate the lease for our new office in Graz into German."

// A mode is a way to offer the catalog.
type mode struct {
	name  string
	agent func(llms.Model, *duvotool.Registry) (agents.Agent, error)
}

var modes = []mode{
	{"all as tools", func(m llms.Model, reg *duvotool.Registry) (agents.Agent, error) {
		// OpenAI itself takes 128 tools at most, and NewAgent says so.
		return langchaingo.NewAgent(langchaingo.ForDialect(m, duvotool.Anthropic), reg)
	}},
	{"router", func(m llms.Model, reg *duvotool.Registry) (agents.Agent, error) {
		return langchaingo.NewAgent(m, langchaingo.Tools{reg.RouterTool()})
	}},
	{"search", func(m llms.Model, reg *duvotool.Registry) (agents.Agent, error) {
		return langchaingo.NewAgent(m, reg, langchaingo.WithSearch())
	}},
	{"search and run, in langchaingo's own agent", func(m llms.Model, reg *duvotool.Registry) (agents.Agent, error) {
		return agents.NewOpenAIFunctionsAgent(m, []tools.Tool{reg.SearchTool(), reg.RunTool()}), nil
	}},
}

// A cost is what a mode sent to the model, in tokens of four bytes.
type cost struct {
	mode     string
	requests []int
}

func (c cost) largest() int { return slices.Max(c.requests) }

func (c cost) total() (n int) {
	for _, r := range c.requests {
		n += r
	}
	return n
}

var help = usage.Text{
	Does: "Measures what a catalog of 500 Assignments costs a model's prompt.",
	About: `Offered as 500 tools, behind one router, or found by a search. It runs offline:
Duvo is the emulator, and the model a local server that counts what it is sent.`,
	Examples: []string{"catalog"},
}

func main() {
	if code, done := help.Parse(flag.NewFlagSet("catalog", flag.ContinueOnError), os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	d := duvotest.New(duvotest.WithAssignments(catalog()...))
	defer d.Close()
	if _, err := run(context.Background(), d, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// run carries the task to its end in each mode and tells the costs.
func run(ctx context.Context, d *duvotest.Duvo, out io.Writer) ([]cost, error) {
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPollInterval(10*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer reg.Close(ctx)
	fmt.Fprintf(out, "Assignments: %d. The task:\n  %s\nTokens of requests, estimated as a quarter of the bytes that the model was sent:\n\n", len(reg.All()), task)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "offered\tfirst\tlargest\tall\trequests")
	var costs []cost
	for _, mode := range modes {
		p := newProvider()
		c, err := p.measure(ctx, mode, reg)
		p.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mode.name, err)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", c.mode, c.requests[0], c.largest(), c.total(), len(c.requests))
		costs = append(costs, c)
	}
	return costs, table.Flush()
}

func (p *provider) measure(ctx context.Context, mode mode, reg *duvotool.Registry) (cost, error) {
	model, err := openai.New(openai.WithBaseURL(p.URL), openai.WithToken("none"), openai.WithHTTPClient(p.Client()))
	if err != nil {
		return cost{}, err
	}
	agent, err := mode.agent(model, reg)
	if err != nil {
		return cost{}, err
	}
	ctx = duvotool.WithOperationScope(ctx, mode.name)
	answer, err := chains.Run(ctx, agents.NewExecutor(agent), task)
	if err == nil && answer != goodbye {
		err = fmt.Errorf("the answer is %q", answer)
	}
	return cost{mode.name, p.tokens()}, err
}
