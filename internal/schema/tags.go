package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// A hole stands for the type of a field whose schema is known already.
type hole struct{}

// tagged writes into a field's schema what its jsonschema tags say, in
// invopop/jsonschema's reading of them: of a struct with this one field, which is
// called X. What comes back is that struct.
func tagged(f goField, own *jsonschema.Schema) *jsonschema.Schema {
	tag := `json:"X"`
	for _, key := range []string{"jsonschema", "jsonschema_description", "jsonschema_extras"} {
		if v, ok := f.Tag.Lookup(key); ok {
			tag += " " + key + ":" + strconv.Quote(v)
		}
	}
	one := reflect.StructOf([]reflect.StructField{{Name: "X", Type: reflect.TypeFor[hole](), Tag: reflect.StructTag(tag)}})
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, ExpandedStruct: true, Mapper: func(t reflect.Type) *jsonschema.Schema {
		if t == reflect.TypeFor[hole]() {
			return own
		}
		return nil
	}}
	return r.ReflectFromType(one)
}

// field adds a field to the schema of its struct.
func (b *builder) field(s *jsonschema.Schema, f goField, at []string) error {
	if hidden, _, _ := strings.Cut(f.Tag.Get("jsonschema"), ","); hidden == "-" {
		return refusal(at, "it is hidden from the schema with `jsonschema:\"-\"`, and Go writes and reads it all the same; leave it out with `json:\"-\"`")
	}
	t := f.Type
	if f.owner.Implements(aliasesType) {
		alias := reflect.New(f.owner).Interface().(interface{ JSONSchemaProperty(string) any }).JSONSchemaProperty(f.name)
		if alias != nil {
			t = reflect.TypeOf(alias)
		}
	}
	pointer := t.Kind() == reflect.Pointer
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	own, err := b.build(t, at)
	if err == nil && f.quoted {
		own, err = quoted(f, t, at)
	}
	if err != nil {
		return err
	}
	note := own.Description
	of := tagged(f, own)
	own.Description = strings.TrimSpace(own.Description + " " + note)
	if doc, ok := reflect.New(f.owner).Interface().(interface{ GetFieldDocString(string) string }); ok && f.owner.Implements(docType) {
		own.Description = strings.TrimSpace(doc.GetFieldDocString(f.Name) + " " + note)
	}
	property, _ := of.Properties.Get("X")
	if property != own || pointer && (!f.optional || f.within) {
		property = orNull(own) // as a tag says, or for a nil pointer that is not left out
	}
	s.Properties.Set(f.name, property)
	if explicit := requiredByTag(f); explicit || !f.optional {
		s.Required = append(s.Required, f.name)
	}
	s.OneOf = together(s.OneOf, of.OneOf, f.name)
	s.AnyOf = together(s.AnyOf, of.AnyOf, f.name)
	return nil
}

var docType = reflect.TypeFor[interface{ GetFieldDocString(string) string }]()

func requiredByTag(f goField) bool {
	return slices.Contains(strings.Split(f.Tag.Get("jsonschema"), ","), "required")
}

// together adds the groups of oneof_required and anyof_required that a field is of.
func together(groups, of []*jsonschema.Schema, name string) []*jsonschema.Schema {
	for _, g := range of {
		i := slices.IndexFunc(groups, func(o *jsonschema.Schema) bool { return o.Title == g.Title })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &jsonschema.Schema{Title: g.Title})
		}
		groups[i].Required = append(groups[i].Required, name)
	}
	return groups
}

// quoted is the schema of a number or boolean that is written as text.
func quoted(f goField, t reflect.Type, at []string) (*jsonschema.Schema, error) {
	tag := f.Tag.Get("jsonschema")
	switch {
	case is(t, textType), is(t, decoderType), is(t, describedType), t.Kind() == reflect.String:
		return nil, refusal(at, "what `json:\",string\"` makes of the type %s is no text that a model would write; leave it out of the tag", t)
	case strings.Contains(strings.ToLower(tag), "minimum=") || strings.Contains(strings.ToLower(tag), "maximum=") || strings.Contains(tag, "multipleOf="):
		return nil, refusal(at, "a number that `json:\",string\"` writes as text has no bounds in JSON Schema; leave out one or the other")
	}
	s := &jsonschema.Schema{Type: "string"}
	switch k := t.Kind(); {
	case k == reflect.Bool:
		s.Enum = []any{"true", "false"}
	case k == reflect.Float32, k == reflect.Float64:
		s.Pattern, s.Description = `^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`, "A number, as text."
	case k >= reflect.Uint:
		s.Pattern, s.Description = `^(0|[1-9][0-9]*)$`, fmt.Sprintf("An integer as of %s, as text.", k)
	default:
		s.Pattern, s.Description = `^(0|-?[1-9][0-9]*)$`, fmt.Sprintf("An integer as of %s, as text.", k)
	}
	if t == durationType {
		s.Description += " In nanoseconds: 1000000000 is a second."
	}
	return s, nil
}
