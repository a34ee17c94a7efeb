package langchaingo

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
)

// A finder is duvo_search, for an agent that offers what was found.
type finder struct {
	reg   *duvotool.Registry
	agent *Agent
}

const (
	foundAtOnce = 5
	fitting     = 0.7  // of the best one: less is named, but not offered yet
	foundInAll  = 10   // in one run; the latest ones are offered
	shownOfAll  = 1500 // characters of their descriptions
	shownOfEach = 300
)

func (f *finder) Name() string { return f.reg.SearchTool().Name() }

func (f *finder) Description() string {
	return f.reg.SearchTool().Description() + " You can then call what it found, as tools."
}

func (f *finder) Schema() json.RawMessage {
	return f.reg.SearchTool().(interface{ Schema() json.RawMessage }).Schema()
}

// Call takes the words, or an object with the field query.
func (f *finder) Call(ctx context.Context, input string) (string, error) {
	out, err := f.reg.SearchTool().Call(ctx, input)
	var args struct{ Query string }
	if json.Unmarshal([]byte(input), &args) == nil {
		input = args.Query
	}
	hits := f.reg.Search(input, foundAtOnce)
	if err != nil || len(hits) == 0 {
		return out, err // which says why
	}
	var b strings.Builder
	b.WriteString("Found, the best first. Each is a tool that you can call now:\n")
	var less []string
	names := map[string]string{} // as the agent offers them, by the IDs of the Assignments
	for _, t := range f.agent.apart(f.agent.source.Tools()) {
		names[assignmentOf(t)] = t.Name()
	}
	for _, t := range hits {
		name := names[t.Assignment().ID]
		if name == "" {
			continue // gone since
		}
		if t.Fit < fitting {
			less = append(less, name)
			continue
		}
		b.WriteString("- " + name)
		if t.Folder() != "" {
			fmt.Fprintf(&b, " (%s)", hitl.SafeLine(t.Folder(), 80))
		}
		b.WriteByte('\n')
	}
	if len(less) > 0 {
		b.WriteString("Less likely, and no tools yet; search for the name of one that you need: " + strings.Join(less, ", "))
	}
	return strings.TrimSpace(b.String()), nil
}

// CallArguments is Call with the arguments of Schema.
func (f *finder) CallArguments(ctx context.Context, args json.RawMessage) (string, error) {
	return f.Call(ctx, string(args))
}

var foundLine = regexp.MustCompile(`(?m)^- ([a-zA-Z0-9_-]+)`)

// found returns the tools that these steps have found and that still are there, under
// the names that were found: of a name that the agent has given the Assignment which
// it stood for then, whatever that is called by now, and else the one that has the
// name, which a registry gives to no other one. It reads them off what duvo_search
// itself has answered: so it holds for a run that another process began.
func (f *finder) found(steps []schema.AgentStep) []tools.Tool {
	var names []string // the latest last
	for _, s := range steps {
		name := s.Action.Tool
		if _, m, ok := unmark(s.Action.ToolInput); ok {
			name = m.Tool
		}
		if name != f.Name() {
			continue
		}
		for _, line := range foundLine.FindAllStringSubmatch(s.Observation, -1) {
			if i := slices.Index(names, line[1]); i >= 0 {
				names = slices.Delete(names, i, i+1)
			}
			names = append(names, line[1])
		}
	}
	names = names[max(0, len(names)-foundInAll):]
	byName, byID := map[string]*duvotool.Tool{}, map[string]*duvotool.Tool{}
	for _, t := range f.agent.apart(f.agent.source.Tools()) {
		own, _ := t.(*duvotool.Tool)
		if other, ok := t.(renamed); ok {
			own = other.Tool
		}
		if own != nil {
			byName[t.Name()], byID[strings.ToLower(assignmentOf(t))] = own, own
		}
	}
	var out []tools.Tool
	for _, n := range names {
		t := byName[n]
		if id := f.agent.meantBy(strings.ToUpper(n)); id != "" {
			t = byID[strings.ToLower(id)]
		}
		if t != nil {
			out = append(out, disclosed{renamed{t, n}, min(shownOfEach, shownOfAll/len(names))})
		}
	}
	return out
}

// disclosed is a tool whose description is kept short.
type disclosed struct {
	renamed
	shown int // characters
}

func (d disclosed) FunctionDescription() string {
	return hitl.SafeLine(d.Tool.FunctionDescription(), d.shown)
}
