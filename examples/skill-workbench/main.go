// Skill-workbench keeps Duvo's Assignments as named skills in categories, which
// are the folders of Duvo, and routes each task to one. Who knows the category
// offers the model the skills in it. Who does not lets the model choose from a
// list of all, by a router, or, in a large catalog, search.
//
//	go run ./examples/skill-workbench
//	go run ./examples/skill-workbench -category Finance "Reconcile invoice 12"
//	go run ./examples/skill-workbench -route search "Translate our home page into German"
//
// Without any environment it runs on an emulator with a stand-in for the model.
// DUVO_API_KEY, and OPENAI_API_KEY or OLLAMA_HOST, name real ones.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
)

// A task is what somebody wants done, and how the skill for it is found.
type task struct{ category, route, text string }

// demo is what is done without a task of yours: one by each route.
var demo = []task{
	{category: "Finance", text: "Reconcile invoice 12 with the payments of March"},
	{route: "router", text: "Answer how many days of vacation a colleague has after ten years"},
	{route: "search", text: "Translate our home page into German"},
}

var help = usage.Text{
	Does: "Routes a task to one of Duvo's Assignments, kept as named skills in categories.",
	Call: "[flags] [TASK]",
	About: `The categories are the folders of Duvo. Without a task it shows three, one by each
way to find a skill. What needs a person is asked at the terminal, and denied where there
is none.`,
	Args: true,
	Examples: []string{
		"skill-workbench",
		"skill-workbench -category Finance 'Reconcile invoice 12'",
		"skill-workbench -route search 'Translate our home page into German'",
	},
}

func main() {
	var t task
	fs := flag.NewFlagSet("skill-workbench", flag.ContinueOnError)
	fs.StringVar(&t.category, "category", "", "the `CATEGORY` whose skills are offered; empty: all, as -route says")
	fs.StringVar(&t.route, "route", "router", "how the model finds a skill without a category: `router|search`")
	setup.Main(help, fs, emulated(), script, func(ctx context.Context, s setup.Setup) error {
		tasks := demo
		if t.text = strings.Join(fs.Args(), " "); fs.NFlag() > 0 || t.text != "" {
			tasks = []task{t}
		}
		return run(ctx, s, tasks)
	})
}

func run(ctx context.Context, s setup.Setup, tasks []task) error {
	reg, err := duvotool.Discover(ctx, s.Client, append(s.Options, duvotool.WithPolicy(s.Operator))...)
	if err != nil {
		return err
	}
	defer reg.Close(context.WithoutCancel(ctx))
	skills := byCategory(reg)
	for _, category := range slices.Sorted(maps.Keys(skills)) {
		fmt.Fprintf(s.Out, "\n%s\n", hitl.SafeLine(cmp.Or(category, "Other"), 80))
		for _, skill := range skills[category] {
			fmt.Fprintf(s.Out, "  %-24s %s\n", skill.Name(), hitl.SafeLine(skill.Description(), 100))
		}
	}
	for i, t := range tasks {
		agent, err := t.agent(s, reg)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "\n-- %s (%s)\n", hitl.SafeText(t.text, 0), hitl.SafeLine(cmp.Or(t.category, "found by "+t.route), 80))
		scoped := duvotool.WithOperationScope(ctx, fmt.Sprintf("task %d of %s", i+1, time.Now().Format(time.RFC3339Nano)))
		answer, err := chains.Run(scoped, agents.NewExecutor(agent), t.text)
		if err != nil {
			return err
		}
		fmt.Fprintln(s.Out, hitl.SafeText(answer, 0))
	}
	return reg.Close(ctx)
}

// byCategory sorts the skills by the folder at the top.
func byCategory(reg *duvotool.Registry) map[string][]*duvotool.Tool {
	skills := map[string][]*duvotool.Tool{}
	for _, t := range reg.All() {
		category, _, _ := strings.Cut(t.Folder(), "/")
		skills[category] = append(skills[category], t)
	}
	return skills
}

// agent offers the model what the route of the task says.
func (t task) agent(s setup.Setup, reg *duvotool.Registry) (*langchaingo.Agent, error) {
	switch {
	case strings.TrimSpace(t.text) == "":
		return nil, errors.New("there is no task; write it behind the flags")
	case t.category != "":
		var offered langchaingo.Tools
		for _, skill := range byCategory(reg)[t.category] {
			offered = append(offered, skill)
		}
		if len(offered) == 0 {
			return nil, fmt.Errorf("there is no category %q", t.category)
		}
		return langchaingo.NewAgent(s.Model, offered)
	case t.route == "router":
		return langchaingo.NewAgent(s.Model, langchaingo.Tools{reg.RouterTool()})
	case t.route == "search":
		return langchaingo.NewAgent(s.Model, reg, langchaingo.WithSearch())
	}
	return nil, fmt.Errorf("a route is router or search, not %q", t.route)
}
