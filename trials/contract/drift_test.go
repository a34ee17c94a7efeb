package contract

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
)

// publishedAt names the environment variable with the path of a description
// that Duvo published. It is not part of this repository.
const publishedAt = "DUVO_OPENAPI"

// leftOut are the parts of the published description that ours leaves out on
// purpose.
var leftOut = []string{"listAgents 200 .agents[].latest_build.config"}

// TestDrift tells where the published description has moved away from ours.
func TestDrift(t *testing.T) {
	path := os.Getenv(publishedAt)
	if path == "" {
		t.Skipf("set %s to the path of the published description", publishedAt)
	}
	ours, theirs := operations(load(t, described)), operations(load(t, path))
	var found []string
	for id, op := range ours {
		if theirs[id] == nil {
			found = append(found, id+": not published")
			continue
		}
		found = append(found, compare(flatten(id, op), flatten(id, theirs[id]))...)
	}
	for _, f := range found {
		t.Error(f)
	}
	t.Logf("compared %d operations; %d are published", len(ours), len(theirs))
}

func TestDriftIsFound(t *testing.T) {
	before := flatten("getRun", operations(load(t, described))["getRun"])
	require.Greater(t, len(before), 50)
	require.Empty(t, compare(before, before))
	for name, change := range map[string]func(*operation){
		"a path":       func(op *operation) { op.path += "/x" },
		"a parameter":  func(op *operation) { op.Parameters[0].Value.Name = "id" },
		"a status":     func(op *operation) { op.Responses.Delete("404") },
		"a type":       func(op *operation) { run(op).Properties["status"].Value.Type = &openapi3.Types{"integer"} },
		"an enum":      func(op *operation) { run(op).Properties["status"].Value.Enum = []any{"running"} },
		"required":     func(op *operation) { run(op).Required = run(op).Required[1:] },
		"nullability":  func(op *operation) { run(op).Nullable = false },
		"a field more": func(op *operation) { run(op).Properties["new"] = run(op).Properties["status"] },
		"a field less": func(op *operation) { delete(run(op).Properties, "status") },
		"openness":     func(op *operation) { run(op).AdditionalProperties = openapi3.AdditionalProperties{} },
		"a format":     func(op *operation) { run(op).Properties["id"].Value.Format = "" },
	} {
		t.Run(name, func(t *testing.T) {
			op := operations(load(t, described))["getRun"]
			change(op)
			require.NotEmpty(t, compare(before, flatten("getRun", op)))
		})
	}
}

func run(op *operation) *openapi3.Schema {
	return op.Responses.Value("200").Value.Content.Get("application/json").Schema.Value.Properties["run"].Value
}

type operation struct {
	*openapi3.Operation
	method, path string
}

func operations(doc *openapi3.T) map[string]*operation {
	ops := map[string]*operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			op.Parameters = append(slices.Clone(item.Parameters), op.Parameters...)
			ops[op.OperationID] = &operation{op, method, path}
		}
	}
	return ops
}

// flatten turns an operation into a table of places and facts, without prose.
func flatten(id string, op *operation) map[string]string {
	facts := map[string]string{id: op.method + " " + op.path}
	for _, p := range op.Parameters {
		at := fmt.Sprintf("%s %s parameter %s", id, p.Value.In, p.Value.Name)
		facts[at] = fmt.Sprint("required ", p.Value.Required)
		schema(facts, at+" ", p.Value.Schema)
	}
	if b := op.RequestBody; b != nil {
		facts[id+" body"] = fmt.Sprint("required ", b.Value.Required)
		content(facts, id+" body ", b.Value.Content)
	}
	for status, r := range op.Responses.Map() {
		facts[id+" "+status] = "described"
		content(facts, id+" "+status+" ", r.Value.Content)
	}
	return facts
}

func content(facts map[string]string, at string, c openapi3.Content) {
	for kind, media := range c {
		facts[at+kind] = "described"
		schema(facts, at, media.Schema)
	}
}

func schema(facts map[string]string, at string, ref *openapi3.SchemaRef) {
	if ref == nil || slices.Contains(leftOut, at) {
		return
	}
	s := ref.Value
	var kind []string
	if s.Type != nil {
		kind = slices.Sorted(slices.Values(*s.Type))
	}
	enum := make([]string, 0, len(s.Enum))
	for _, e := range s.Enum {
		enum = append(enum, fmt.Sprint(e))
	}
	slices.Sort(enum)
	number := func(f *float64) string {
		if f == nil {
			return "none"
		}
		return fmt.Sprint(*f)
	}
	facts[at] = fmt.Sprintf("type %v, format %q, nullable %v, enum %v, default %v, from %s to %s, length from %d, required %v, more fields %s, extensions %v",
		kind, s.Format, s.Nullable, enum, s.Default, number(s.Min), number(s.Max), s.MinLength,
		slices.Sorted(slices.Values(s.Required)), more(s.AdditionalProperties), s.Extensions)
	for name, p := range s.Properties {
		schema(facts, at+"."+name, p)
	}
	if s.Items != nil {
		schema(facts, at+"[]", s.Items)
	}
	if s.AdditionalProperties.Schema != nil {
		schema(facts, at+".*", s.AdditionalProperties.Schema)
	}
	for kind, of := range map[string]openapi3.SchemaRefs{"anyOf": s.AnyOf, "oneOf": s.OneOf, "allOf": s.AllOf} {
		for i, one := range of {
			schema(facts, fmt.Sprintf("%s %s %d", at, kind, i), one)
		}
	}
}

func more(a openapi3.AdditionalProperties) string {
	switch {
	case a.Schema != nil:
		return "by schema"
	case a.Has == nil:
		return "not said"
	}
	return fmt.Sprint(*a.Has)
}

// compare lists the differences between our facts and theirs.
func compare(ours, theirs map[string]string) (found []string) {
	places := maps.Clone(ours)
	maps.Copy(places, theirs)
	for _, at := range slices.Sorted(maps.Keys(places)) {
		switch {
		case ours[at] == theirs[at]:
		case ours[at] == "":
			found = append(found, at+": published, and not described here: "+theirs[at])
		case theirs[at] == "":
			found = append(found, at+": described here, and not published")
		default:
			found = append(found, strings.Join([]string{at, "  ours:      " + ours[at], "  published: " + theirs[at]}, "\n"))
		}
	}
	return found
}

func decode(r io.Reader, v any) error { return json.NewDecoder(r).Decode(v) }
