package directory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/internal/toolname"
)

const (
	// maxListed is how many Assignments a router names, and maxListedChars how many
	// characters their names have together. OpenAI takes an enum of no more than 1,000
	// values, and of no more than 15,000 characters where there are more than 250; see
	// "Supported schemas" of its guide to structured outputs.
	maxListed      = 1000
	maxListedChars = 15_000
)

// A Router words the tool duvo, or, where the Assignments are not Listed, duvo_run.
type Router struct {
	Catalog *catalog.Catalog
	Listed  bool
}

const routerUse = `The input is JSON: {"assignment": "name", "input": "what is to be done, in plain words with every detail, or a JSON object for an Assignment that has fields"}.`

// Description tells how to call it and, for models that read no schema, lists
// the Assignments by folder.
func (r Router) Description() string {
	if !r.Listed {
		return "Hands work to the Duvo Assignment with a name that " + toolname.Search + " found. " + routerUse
	}
	all, more := r.names()
	byFolder := map[string][]string{}
	for _, own := range all {
		byFolder[own.Work.Folder] = append(byFolder[own.Work.Folder], own.Work.Name)
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
func (r Router) FunctionDescription() string {
	if !r.Listed {
		return "Hands work to the Duvo Assignment with a name that " + toolname.Search + " found."
	}
	_, folders := byFolder(r.Catalog)
	return offer.Cut("Hands work to one of the Duvo Assignments."+folders, offer.MaxDescription)
}

// names returns the tools to list, and how many are left out.
func (r Router) names() (listed []*catalog.Entry, more int) {
	all := r.Catalog.Entries
	chars := 0
	for i, own := range all {
		if chars += len(own.Work.Name); i >= maxListed || i >= 250 && chars > maxListedChars {
			return all[:i], len(all) - i
		}
	}
	return all, 0
}

// Schema is the JSON Schema of the arguments, with the Assignments as an enum.
func (r Router) Schema() json.RawMessage {
	name := map[string]any{"type": "string", "description": "The name that " + toolname.Search + " found"}
	if all, more := r.names(); r.Listed && more == 0 && len(all) > 0 {
		var names []string
		for _, own := range all {
			names = append(names, own.Work.Name)
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

// Route tells which entry a model means, by its place, and the input for it; or what
// is wrong.
func (r Router) Route(args json.RawMessage) (own int, work json.RawMessage, problem string) {
	var in map[string]json.RawMessage // exact names: who looks at the arguments first must read what is done
	raw, err := schema.Find(args)
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	if err != nil {
		return -1, nil, "No Job was started: the arguments cannot be read. " + routerUse
	}
	for _, field := range slices.Sorted(maps.Keys(in)) {
		if field != "assignment" && field != "input" {
			return -1, nil, fmt.Sprintf("No Job was started: there is no argument %q. %s", hitl.SafeLine(field, 80), routerUse)
		}
	}
	var assignment string
	if raw, ok := in["assignment"]; ok && json.Unmarshal(raw, &assignment) != nil {
		return -1, nil, "No Job was started: the arguments cannot be read. " + routerUse
	}
	if assignment == "" {
		return -1, nil, "No Job was started: the assignment is missing. " + routerUse
	}
	if own, problem = r.named(assignment); problem != "" {
		var near []string
		for _, hit := range r.Catalog.Search(assignment, 3) {
			near = append(near, r.Catalog.Entries[hit.Doc].Work.Name)
		}
		if len(near) > 0 {
			problem += " Similar ones: " + strings.Join(near, ", ") + "."
		}
		return -1, nil, problem
	}
	return own, in["input"], ""
}

// named finds the tool that a model means, or tells why there is none: what it
// has read a name of before must be what it calls.
func (r Router) named(assignment string) (own int, problem string) {
	own = r.Catalog.Find(assignment)
	switch {
	case r.Catalog.Renamed(assignment, own):
		return -1, fmt.Sprintf("No Job was started: the names have changed, and %q now means another Assignment or none; look at the list or search again.", hitl.SafeLine(assignment, 100))
	case own < 0:
		return -1, fmt.Sprintf("No Job was started: there is no Assignment %q.", hitl.SafeLine(assignment, 100))
	}
	return own, ""
}

// Input reads the input of a call: a JSON text, or any other JSON, which is for tools
// whose input has fields. What stands in JSON is taken as it is: it was not cut out of
// a model's words.
func Input(input json.RawMessage) string {
	var text string
	if len(input) > 0 && json.Unmarshal(input, &text) != nil {
		text = string(input)
	}
	return strings.TrimSpace(text)
}
