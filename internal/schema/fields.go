package schema

import (
	"reflect"
	"strings"
	"unicode"
)

// A goField is a field of a struct as encoding/json sees it: under the name that it
// is written and read by, those of embedded structs among them.
type goField struct {
	reflect.StructField
	name     string
	tagged   bool         // the name comes from a tag
	owner    reflect.Type // the struct that declares it
	depth    int
	optional bool // left out where it is empty, or where an embedded pointer is nil
	quoted   bool // its value is written within quotation marks
	within   bool // an embedded pointer leads to it
}

// jsonName returns the name that a field has in JSON; skip tells that it has none.
// encoding/json takes no name with characters that it does not know.
func jsonName(f reflect.StructField) (name string, options []string, tagged, skip bool) {
	tag := f.Tag.Get("json")
	if tag == "-" {
		return "", nil, false, true
	}
	name, rest, _ := strings.Cut(tag, ",")
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			name = ""
			break
		}
	}
	if name == "" {
		return f.Name, strings.Split(rest, ","), false, false
	}
	return name, strings.Split(rest, ","), true, false
}

// embeds reports whether a field's own fields stand in place of it.
func embeds(f reflect.StructField, tagged bool) bool {
	t := f.Type
	if t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return f.Anonymous && !tagged && t.Kind() == reflect.Struct
}

// jsonFields lists the fields of a struct that encoding/json writes: of several
// with one name the one that lies least deep, of those at the same depth the one
// whose name is in a tag, and none where that leaves several.
func jsonFields(t reflect.Type) []goField {
	all := gatherFields(t, 0, false, nil)
	var out []goField
	for i, f := range all {
		wins := true
		for j, other := range all {
			if i == j || other.name != f.name {
				continue
			}
			if other.depth < f.depth || other.depth == f.depth && (other.tagged || !f.tagged) {
				wins = false
			}
		}
		if wins {
			out = append(out, f)
		}
	}
	return out
}

func gatherFields(t reflect.Type, depth int, within bool, path []reflect.Type) (out []goField) {
	for _, p := range path {
		if p == t {
			return nil // what lies deeper is hidden by what was found
		}
	}
	path = append(path[:len(path):len(path)], t)
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, tagged, skip := jsonName(f)
		switch {
		case skip:
		case embeds(f, tagged):
			inner := f.Type
			pointer := inner.Kind() == reflect.Pointer
			if pointer {
				inner = inner.Elem()
			}
			out = append(out, gatherFields(inner, depth+1, within || pointer, path)...)
		case f.IsExported():
			own := goField{StructField: f, name: name, tagged: tagged, owner: t, depth: depth, optional: within, within: within}
			for _, o := range options {
				own.optional = own.optional || o == "omitempty" || o == "omitzero"
				own.quoted = own.quoted || o == "string" && quotes(f.Type)
			}
			out = append(out, own)
		}
	}
	return out
}

// quotes reports whether the option "string" of a json tag changes how a type is
// written.
func quotes(t reflect.Type) bool {
	if t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch k := t.Kind(); {
	case k == reflect.Bool, k == reflect.String, k >= reflect.Int && k <= reflect.Float64:
		return true
	}
	return false
}
