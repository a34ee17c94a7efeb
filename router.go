package duvotool

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/internal/toolname"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/tmc/langchaingo/tools"
)

const (
	// maxListed is how many Assignments a router names, and maxListedChars how many
	// characters their names have together. OpenAI takes an enum of no more than 1,000
	// values, and of no more than 15,000 characters where there are more than 250; see
	// "Supported schemas" of its guide to structured outputs.
	maxListed      = 1000
	maxListedChars = 15_000
)

// RouterTool returns the tool duvo, one tool for the whole catalog: its
// arguments are an Assignment, by the name of its tool, and the input. It is
// for catalogs of some dozens up to a thousand; beyond, and where every word of
// the prompt counts, use [Registry.SearchTool].
//
// A call is the same as one of the Assignment's own tool: it has the same
// operation key, policy and limits. Its names are those of the last
// [Registry.Refresh].
func (r *Registry) RouterTool() tools.Tool { return &routerTool{r, true} }

// RunTool returns the tool duvo_run, which is that of [Registry.RouterTool]
// without the list of Assignments: the model has their names from
// [Registry.SearchTool].
func (r *Registry) RunTool() tools.Tool { return &routerTool{r, false} }

type routerTool struct {
	reg    *Registry
	listed bool
}

func (t *routerTool) Name() string {
	if t.listed {
		return toolname.Router
	}
	return toolname.Run
}

const routerUse = `The input is JSON: {"assignment": "name", "input": "what is to be done, in plain words with every detail, or a JSON object for an Assignment that has fields"}.`

// Description tells how to call it and, for models that read no schema, lists
// the Assignments by folder.
func (t *routerTool) Description() string {
	if !t.listed {
		return "Hands work to the Duvo Assignment with a name that " + toolname.Search + " found. " + routerUse
	}
	all, more := t.names()
	byFolder := map[string][]string{}
	for _, own := range all {
		byFolder[own.work.Folder] = append(byFolder[own.work.Folder], own.work.Name)
	}
	folders := make([]string, 0, len(byFolder))
	for f := range byFolder {
		folders = append(folders, f)
	}
	slices.Sort(folders)
	var b strings.Builder
	b.WriteString("Hands work to one of the Duvo Assignments. " + routerUse + " The Assignments:")
	for i, f := range folders {
		if i > 0 {
			b.WriteByte(';')
		}
		if f != "" {
			fmt.Fprintf(&b, " in %s:", safetext.OneLine(f, 80))
		}
		b.WriteString(" " + strings.Join(byFolder[f], ", "))
	}
	if more > 0 {
		fmt.Fprintf(&b, "; and %d more, which %s finds", more, toolname.Search)
	}
	return b.String() + "."
}

// FunctionDescription is Description for agents that show the Schema too.
func (t *routerTool) FunctionDescription() string {
	if !t.listed {
		return "Hands work to the Duvo Assignment with a name that " + toolname.Search + " found."
	}
	_, folders := t.reg.assignmentsByFolder()
	return offer.Cut("Hands work to one of the Duvo Assignments."+folders, offer.MaxDescription)
}

// names returns the tools to list, and how many are left out.
func (t *routerTool) names() (listed []*Tool, more int) {
	all := t.reg.All()
	chars := 0
	for i, own := range all {
		if chars += len(own.work.Name); i >= maxListed || i >= 250 && chars > maxListedChars {
			return all[:i], len(all) - i
		}
	}
	return all, 0
}

// Schema is the JSON Schema of the arguments, with the Assignments as an enum.
func (t *routerTool) Schema() json.RawMessage {
	name := map[string]any{"type": "string", "description": "The name that " + toolname.Search + " found"}
	if all, more := t.names(); t.listed && more == 0 && len(all) > 0 {
		var names []string
		for _, own := range all {
			names = append(names, own.work.Name)
		}
		name = map[string]any{"type": "string", "enum": names}
	}
	schema, _ := json.Marshal(map[string]any{ // strings and maps always marshal
		"type": "object", "required": []string{"assignment", "input"}, "additionalProperties": false,
		"properties": map[string]any{
			"assignment": name,
			"input":      map[string]any{"type": "string", "description": "What is to be done, in plain words with every detail; for an Assignment that has fields, a JSON object of them"},
		},
	})
	return schema
}

// SchemaFor is Schema in a dialect.
func (t *routerTool) SchemaFor(d Dialect) (json.RawMessage, error) {
	return typed.SchemaIn(offer.Dialect(d), t.Schema())
}

// Call takes the object that Description tells of.
func (t *routerTool) Call(ctx context.Context, input string) (string, error) {
	return t.CallArguments(ctx, json.RawMessage(react.Input(input)))
}

// CallArguments is Call with the arguments of Schema.
func (t *routerTool) CallArguments(ctx context.Context, args json.RawMessage) (string, error) {
	reply, err := t.Invoke(ctx, args)
	return reply.text(err)
}

// Invoke takes the arguments of Schema.
func (t *routerTool) Invoke(ctx context.Context, args json.RawMessage) (Reply, error) {
	own, work, problem := t.route(args)
	if problem != "" {
		return t.reg.ownCall(ctx, string(args), func() (Reply, error) { return refused(problem), nil })
	}
	return own.callWith(ctx, work)
}

// route picks the tool and its arguments, or tells what is wrong.
func (t *routerTool) route(args json.RawMessage) (own *Tool, work json.RawMessage, problem string) {
	var in map[string]json.RawMessage // exact names: who looks at the arguments first must read what is done
	raw, err := schema.Find(args)
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil {
		return nil, nil, "No Job was started: the arguments cannot be read. " + routerUse
	}
	for _, field := range slices.Sorted(maps.Keys(in)) {
		if field != "assignment" && field != "input" {
			return nil, nil, fmt.Sprintf("No Job was started: there is no argument %q. %s", hitl.SafeLine(field, 80), routerUse)
		}
	}
	var assignment string
	if raw, ok := in["assignment"]; ok && json.Unmarshal(raw, &assignment) != nil {
		return nil, nil, "No Job was started: the arguments cannot be read. " + routerUse
	}
	if assignment == "" {
		return nil, nil, "No Job was started: the assignment is missing. " + routerUse
	}
	if own, problem = t.named(assignment); problem != "" {
		var near []string
		for _, hit := range t.reg.Search(assignment, 3) {
			near = append(near, hit.work.Name)
		}
		if len(near) > 0 {
			problem += " Similar ones: " + strings.Join(near, ", ") + "."
		}
		return nil, nil, problem
	}
	return own, in["input"], ""
}

// named finds the tool that a model means, or tells why there is none: what it
// has read a name of before must be what it calls.
func (t *routerTool) named(assignment string) (own *Tool, problem string) {
	t.reg.mu.RLock()
	meant, said := t.reg.catalog.meant, t.reg.catalog.said
	t.reg.mu.RUnlock()
	own, _ = t.reg.FindTool(assignment)
	id := ""
	if own != nil {
		id = own.work.Assignment.ID
	}
	// By its own name it is the only one that ever had that name, or none.
	byID := strings.EqualFold(id, assignment)
	byOwnName := own != nil && !byID && !strings.EqualFold(own.work.Name, assignment)
	switch was, known := said[assignment]; {
	case !byID && (meant.MeantAnother(assignment, id) || known && !strings.EqualFold(was, id) || byOwnName && !known):
		return nil, fmt.Sprintf("No Job was started: the names have changed, and %q now means another Assignment or none; look at the list or search again.", hitl.SafeLine(assignment, 100))
	case own == nil:
		return nil, fmt.Sprintf("No Job was started: there is no Assignment %q.", hitl.SafeLine(assignment, 100))
	}
	return own, ""
}

// callWith calls the tool with an input that is a JSON text, or any other JSON,
// which is for tools whose input has fields. What stands in JSON is taken as it
// is: it was not cut out of a model's words.
func (t *Tool) callWith(ctx context.Context, input json.RawMessage) (Reply, error) {
	var text string
	if len(input) > 0 && json.Unmarshal(input, &text) != nil {
		text = string(input)
	}
	text = strings.TrimSpace(text)
	// Run tells the model if there is no input.
	return t.reg.invoke(ctx, text, func() (Reply, error) { return replyOf(t.Run(ctx, text)) })
}
