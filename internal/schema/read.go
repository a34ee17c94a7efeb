package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// fence is a block of code that a model puts around JSON.
var fence = regexp.MustCompile("(?s)^```[a-zA-Z0-9]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```(.*)$")

// maxWrapped is how many wrappings of one JSON value are taken off.
const maxWrapped = 5

// Read finds the arguments in what a model hands over for them: an object of this
// schema as JSON, perhaps in a code fence, in a text in JSON, or as langchaingo's
// one argument, and perhaps with words behind it. Another JSON value behind it is
// refused: nobody could tell which is meant.
func (s *Schema) Read(text []byte) (any, error) {
	raw, err := find(text, s.Has)
	if err != nil {
		return nil, err
	}
	return decodeOnce(raw)
}

// Find is [Schema.Read] where there is no schema, and without decoding what it finds.
func Find(text []byte) (json.RawMessage, error) {
	return find(text, func(string) bool { return false })
}

func find(text []byte, has func(string) bool) (json.RawMessage, error) {
	for range maxWrapped {
		text = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\ufeff")))
		if m := fence.FindSubmatch(text); m != nil {
			if severalValues(m[2]) {
				return nil, errSeveral
			}
			text = bytes.TrimSpace(m[1])
		}
		var first json.RawMessage
		dec := json.NewDecoder(bytes.NewReader(text))
		if dec.Decode(&first) != nil {
			break // Decode tells why
		}
		if severalValues(text[dec.InputOffset():]) {
			return nil, errSeveral
		}
		inner, wrapped := unwrap(first, has)
		if !wrapped {
			return first, nil
		}
		text = inner
	}
	_, err := Decode(text)
	return text, err
}

// NothingBeside reports whether a text is JSON, perhaps in a code fence, with nothing beside it.
func NothingBeside(text []byte) bool {
	text = bytes.TrimSpace(text)
	if m := fence.FindSubmatch(text); m != nil && len(bytes.TrimSpace(m[2])) == 0 {
		text = m[1]
	}
	return json.Valid(text)
}

var errSeveral = errors.New("there is more after the JSON value, which may be JSON too; give one object")

// severalValues reports whether what stands behind a JSON value may be another one.
func severalValues(rest []byte) bool { return bytes.ContainsAny(rest, `{[`) }

// unwrap takes JSON out of a text in JSON, or out of langchaingo's one argument.
func unwrap(v json.RawMessage, has func(string) bool) (inner []byte, ok bool) {
	var text string
	if json.Unmarshal(v, &text) == nil && v[0] == '"' {
		text = strings.TrimSpace(text)
		return []byte(text), text != "" && strings.ContainsRune("{\"`\ufeff", []rune(text)[0])
	}
	const one = "__arg1"
	var fields map[string]json.RawMessage
	if json.Unmarshal(v, &fields) == nil && len(fields) == 1 && fields[one] != nil && !has(one) {
		return fields[one], true
	}
	return nil, false
}

// Tidy removes what a writer of JSON puts where there is nothing, a null for an
// optional property that cannot be null, and reads a text of JSON where an object or
// a list is wanted and no text. With lists set it makes empty lists, objects and
// texts of bytes of nulls where such are wanted, which is how Go writes a nil slice
// and map. The value is changed and returned.
func (s *Schema) Tidy(v any, lists bool) any { return tidy(s.compiled, v, lists || s.lenient, nil) }

// tidy is Tidy by one schema; needed are the properties that others require of the
// same value.
func tidy(s *jsonschema.Schema, v any, lists bool, needed []string) any {
	if s == nil || s.Bool != nil {
		return v
	}
	can := kindsOf(s)
	needed = slices.Concat(needed, s.Required)
	if text, ok := v.(string); ok && can&aText == 0 {
		v = ofText(text, can)
	}
	switch own := v.(type) {
	case nil:
		if can&aNull == 0 && lists {
			return empty(s, can)
		}
		return v
	case map[string]any:
		for name, e := range own {
			p := propertyOf(s, name)
			if p == nil {
				continue
			}
			if e == nil && kindsOf(p)&aNull == 0 && !slices.Contains(needed, name) {
				delete(own, name)
				continue
			}
			own[name] = tidy(p, e, lists, nil)
		}
	case []any:
		for i, e := range own {
			if p := itemOf(s, i); p != nil {
				own[i] = tidy(p, e, lists, nil)
			}
		}
	}
	for _, part := range s.AllOf {
		v = tidy(part, v, lists, needed)
	}
	v = tidyOne(s.AnyOf, v, lists, needed)
	return tidyOne(s.OneOf, v, lists, needed)
}

// tidyOne makes a value fit one of several forms, if it fits none as it is.
func tidyOne(forms []*jsonschema.Schema, v any, lists bool, needed []string) any {
	if len(forms) == 0 || slices.ContainsFunc(forms, func(f *jsonschema.Schema) bool { return f.Validate(v) == nil }) {
		return v
	}
	best, least := v, maxCollected // what comes closest, to tell what is wrong by
	for _, f := range forms {
		own := tidy(f, deep(v), lists, needed)
		err := f.Validate(own)
		if err == nil {
			return own
		}
		if kindsOf(f)&kindOf(own) == 0 {
			continue
		}
		if n := problemsIn(err); n < least {
			best, least = own, n
		}
	}
	return best
}

// problemsIn counts what a validator found.
func problemsIn(err error) int {
	var e *jsonschema.ValidationError
	if !errors.As(err, &e) {
		return 1
	}
	n := 1
	for _, c := range e.Causes {
		n += problemsIn(c)
	}
	return n
}

func empty(s *jsonschema.Schema, can kinds) any {
	switch {
	case can == aList:
		return []any{}
	case can == anObject && len(s.Properties) == 0:
		return map[string]any{}
	case can == aText && s.Pattern != nil && s.Pattern.String() == base64Pattern:
		return ""
	}
	return nil
}

// ofText reads JSON that was written as a text, perhaps more than once and in a
// fence; or it returns the text.
func ofText(text string, can kinds) any {
	inner := text
	for range maxWrapped {
		inner = strings.TrimSpace(inner)
		if m := fence.FindStringSubmatch(inner); m != nil && strings.TrimSpace(m[2]) == "" {
			inner = m[1]
		}
		v, err := decodeOnce([]byte(inner))
		if err != nil {
			return text
		}
		switch v := v.(type) {
		case map[string]any:
			if can&anObject != 0 {
				return v
			}
		case []any:
			if can&aList != 0 {
				return v
			}
		case string:
			inner = v
			continue
		}
		return text
	}
	return text
}

// kinds are the kinds of values that a schema may allow; it errs on the side of yes.
type kinds uint8

const (
	aNull kinds = 1 << iota
	aBoolean
	aNumber
	aText
	aList
	anObject
	anything = aNull | aBoolean | aNumber | aText | aList | anObject
)

func kindNamed(name string) kinds {
	switch name {
	case "null":
		return aNull
	case "boolean":
		return aBoolean
	case "number", "integer":
		return aNumber
	case "string":
		return aText
	case "array":
		return aList
	case "object":
		return anObject
	}
	return 0
}

func kindOf(v any) kinds {
	switch v.(type) {
	case nil:
		return aNull
	case bool:
		return aBoolean
	case string:
		return aText
	case []any:
		return aList
	case map[string]any:
		return anObject
	}
	return aNumber
}

func kindsOf(s *jsonschema.Schema) kinds {
	if s.Bool != nil {
		if *s.Bool {
			return anything
		}
		return 0
	}
	can := anything
	if s.Types != nil {
		can = 0
		for _, t := range s.Types.ToStrings() {
			can |= kindNamed(t)
		}
	}
	if s.Const != nil {
		can &= kindOf(*s.Const)
	}
	if s.Enum != nil {
		var in kinds
		for _, v := range s.Enum.Values {
			in |= kindOf(v)
		}
		can &= in
	}
	for _, part := range s.AllOf {
		can &= kindsOf(part)
	}
	for _, forms := range [][]*jsonschema.Schema{s.AnyOf, s.OneOf} {
		var in kinds
		for _, f := range forms {
			in |= kindsOf(f)
		}
		if len(forms) > 0 {
			can &= in
		}
	}
	return can
}

// propertyOf returns the schema of a property; nil: none of its own.
func propertyOf(s *jsonschema.Schema, name string) *jsonschema.Schema {
	if p := s.Properties[name]; p != nil {
		return p
	}
	for pattern, p := range s.PatternProperties {
		if pattern.MatchString(name) {
			return p
		}
	}
	p, _ := s.AdditionalProperties.(*jsonschema.Schema)
	return p
}

func itemOf(s *jsonschema.Schema, i int) *jsonschema.Schema {
	if i < len(s.PrefixItems) {
		return s.PrefixItems[i]
	}
	return s.Items2020
}
