package schema

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// maxNodes bounds the size of a schema, in places that have a schema of their
// own.
const maxNodes = 5000

// Of makes the schema of a Go type: of what encoding/json writes of it, and reads
// into it. Descriptions, enums and bounds come from its jsonschema tags; a field
// without omitempty or omitzero is required.
//
// With open set objects may have properties that the type does not know, and a null
// is taken for an empty list, map or text of bytes, as for Tidy with lists set.
//
// Types that have no finite schema, or one that would not tell what decodes
// into them, are refused.
func Of(t reflect.Type, open bool) (*Schema, error) {
	b := &builder{open: open}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var text []byte
	err := safely(t, func() error {
		built, err := b.of(t, nil)
		if err != nil {
			return err
		}
		text, err = json.Marshal(built)
		return err
	})
	if err != nil {
		return nil, err
	}
	s, err := Parse(text)
	if err == nil {
		s.lenient = open
	}
	return s, err
}

// safely calls methods of the program's types.
func safely(t reflect.Type, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: its schema cannot be made: %v", t, p)
		}
	}()
	return f()
}

var (
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
	decoderType   = reflect.TypeFor[json.Unmarshaler]()
	textOutType   = reflect.TypeFor[encoding.TextMarshaler]()
	encoderType   = reflect.TypeFor[json.Marshaler]()
	describedType = reflect.TypeFor[interface{ JSONSchema() *jsonschema.Schema }]()
	aliasType     = reflect.TypeFor[interface{ JSONSchemaAlias() any }]()
	aliasesType   = reflect.TypeFor[interface{ JSONSchemaProperty(string) any }]()
	extendedType  = reflect.TypeFor[interface {
		JSONSchemaExtend(*jsonschema.Schema)
	}]()
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	numberType   = reflect.TypeFor[json.Number]()
	urlType      = reflect.TypeFor[url.URL]()
)

func decimal(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// is reports whether a value of the type, or its address, has the methods.
func is(t, methods reflect.Type) bool {
	return t.Implements(methods) || reflect.PointerTo(t).Implements(methods)
}

func decodesText(t reflect.Type) bool { return is(t, textType) && !is(t, decoderType) }

// A builder makes the schema of a type. It refuses what would not end, as a type
// that holds itself, and kinds that JSON has nothing for.
type builder struct {
	open  bool
	path  []reflect.Type // from the outside in
	nodes int
}

// of makes the schema of a type that stands somewhere: of a pointer, null too.
func (b *builder) of(t reflect.Type, field []string) (*jsonschema.Schema, error) {
	pointer := t.Kind() == reflect.Pointer
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s, err := b.build(t, field)
	if err == nil && pointer {
		s = orNull(s)
	}
	return s, err
}

func orNull(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "null"}}}
}

func refusal(field []string, format string, args ...any) error {
	at := ""
	if len(field) > 0 {
		at = "the field " + strings.Join(field, ".") + ": "
	}
	return fmt.Errorf("%s%s", at, fmt.Sprintf(format, args...))
}

func (b *builder) build(t reflect.Type, field []string) (*jsonschema.Schema, error) {
	if b.nodes++; b.nodes > maxNodes {
		return nil, fmt.Errorf("%s: the schema would have more than %d places; types within types multiply", b.first(t), maxNodes)
	}
	for _, outer := range b.path {
		if outer == t {
			return nil, refusal(field, "the type %s is recursive: it holds itself, and a model's tools take no schema without an end. Give the field another type, leave it out with `json:\"-\"`, or describe it with a JSONSchema method", t)
		}
	}
	b.path = append(b.path, t)
	defer func() { b.path = b.path[:len(b.path)-1] }()

	if s, done, err := b.methods(t, field); done {
		return s, err
	}
	s, err := b.kind(t, field)
	if err == nil && t.Implements(extendedType) {
		reflect.New(t).Interface().(interface {
			JSONSchemaExtend(*jsonschema.Schema)
		}).JSONSchemaExtend(s)
	}
	return s, err
}

// methods makes the schema of a type that tells it, or that writes and reads itself.
func (b *builder) methods(t reflect.Type, field []string) (s *jsonschema.Schema, done bool, err error) {
	switch {
	case t.Implements(aliasType):
		alias := reflect.New(t).Interface().(interface{ JSONSchemaAlias() any }).JSONSchemaAlias()
		if alias == nil {
			return nil, true, refusal(field, "the JSONSchemaAlias of %s is nil", t)
		}
		s, err = b.of(reflect.TypeOf(alias), field)
		return s, true, err
	case t.Implements(describedType):
		own := reflect.New(t).Interface().(interface{ JSONSchema() *jsonschema.Schema }).JSONSchema()
		if own == nil {
			return nil, true, refusal(field, "the JSONSchema of %s is nil", t)
		}
		mine := *own // tags are written into it
		if own.Items != nil {
			items := *own.Items
			mine.Items = &items
		}
		return &mine, true, nil
	case reflect.PointerTo(t).Implements(describedType):
		return nil, true, refusal(field, "the JSONSchema method of %s has a pointer receiver, with which it is not found; give it a value receiver", t)
	case t == timeType:
		return &jsonschema.Schema{Type: "string", Format: "date-time"}, true, nil
	case t == rawType:
		return &jsonschema.Schema{}, true, nil
	case t == numberType:
		return &jsonschema.Schema{Type: "number"}, true, nil
	case t == urlType:
		return nil, true, refusal(field, "net/url.URL does not decode from JSON text; use a string with `jsonschema:\"format=uri\"`")
	case is(t, decoderType):
		return nil, true, refusal(field, "the type %s decodes itself with UnmarshalJSON, so its fields do not tell its schema; give it a JSONSchema method", t)
	case is(t, encoderType):
		return nil, true, refusal(field, "the type %s writes itself with MarshalJSON, and what it writes does not tell what it reads; give it a JSONSchema method", t)
	case is(t, textType) != is(t, textOutType):
		return nil, true, refusal(field, "the type %s has only one of the methods MarshalText and UnmarshalText, so it does not read what it writes; give it both, or a JSONSchema method", t)
	case decodesText(t):
		return &jsonschema.Schema{Type: "string", Description: fmt.Sprintf("As text, in the form of %s.", t)}, true, nil
	}
	return nil, false, nil
}

// base64Pattern is what encoding/json writes of bytes, and reads.
const base64Pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

func (b *builder) kind(t reflect.Type, field []string) (*jsonschema.Schema, error) {
	switch t.Kind() {
	case reflect.Bool:
		return &jsonschema.Schema{Type: "boolean"}, nil
	case reflect.String:
		return &jsonschema.Schema{Type: "string"}, nil
	case reflect.Float32, reflect.Float64:
		return &jsonschema.Schema{Type: "number"}, nil
	case reflect.Int8, reflect.Int16, reflect.Int32:
		least := int64(-1) << (t.Bits() - 1)
		return &jsonschema.Schema{Type: "integer", Minimum: decimal(least), Maximum: decimal(-least - 1)}, nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return &jsonschema.Schema{Type: "integer", Minimum: "0", Maximum: decimal(int64(1)<<t.Bits() - 1)}, nil
	case reflect.Uint, reflect.Uint64: // no model comes near the upper bound
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}, nil
	case reflect.Int, reflect.Int64:
		s := &jsonschema.Schema{Type: "integer"}
		if t == durationType {
			s.Description = "In nanoseconds: 1000000000 is a second."
		}
		return s, nil
	case reflect.Slice:
		if e := t.Elem(); e.Kind() == reflect.Uint8 && !is(e, encoderType) && !is(e, textOutType) {
			return &jsonschema.Schema{Type: "string", ContentEncoding: "base64", Pattern: base64Pattern, Description: "Bytes, in base64."}, nil
		}
		items, err := b.of(t.Elem(), field)
		return &jsonschema.Schema{Type: "array", Items: items}, err
	case reflect.Array:
		items, err := b.of(t.Elem(), field)
		n := uint64(t.Len())
		return &jsonschema.Schema{Type: "array", Items: items, MinItems: &n, MaxItems: &n}, err
	case reflect.Map:
		return b.mapOf(t, field)
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return nil, refusal(field, "nothing can be decoded into the interface %s; use a concrete type, or any", t)
		}
		return &jsonschema.Schema{}, nil
	case reflect.Struct:
		return b.structOf(t, field)
	}
	return nil, refusal(field, "JSON has nothing for the type %s", t)
}

// mapOf tells the names of a map where they are not just any text.
func (b *builder) mapOf(t reflect.Type, field []string) (*jsonschema.Schema, error) {
	k := t.Key()
	pattern := ""
	switch {
	case is(k, textType) != is(k, textOutType):
		return nil, refusal(field, "the names of the type %s are not read as they are written; give it both MarshalText and UnmarshalText", k)
	case k.Kind() == reflect.String, decodesText(k):
	case k.Kind() >= reflect.Int && k.Kind() <= reflect.Int64:
		pattern = `^(0|-?[1-9][0-9]*)$`
	case k.Kind() >= reflect.Uint && k.Kind() <= reflect.Uint64:
		pattern = `^(0|[1-9][0-9]*)$`
	default:
		return nil, refusal(field, "JSON has no names of the type %s", k)
	}
	values, err := b.of(t.Elem(), field)
	s := &jsonschema.Schema{Type: "object", AdditionalProperties: values}
	switch {
	case pattern != "":
		s.PropertyNames = &jsonschema.Schema{Pattern: pattern}
		s.Description = fmt.Sprintf("The names are integers, as of %s.", k.Kind())
	case decodesText(k):
		s.Description = fmt.Sprintf("The names are texts in the form of %s.", k)
	}
	return s, err
}

func (b *builder) structOf(t reflect.Type, field []string) (*jsonschema.Schema, error) {
	s := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties()}
	if !b.open {
		s.AdditionalProperties = jsonschema.FalseSchema
	}
	if err := embedded(t, nil, field); err != nil {
		return nil, err
	}
	for _, f := range jsonFields(t) {
		at := append(field[:len(field):len(field)], f.name)
		if err := b.field(s, f, at); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// embedded refuses structs that embed themselves, and pointers that nothing can be
// read into.
func embedded(t reflect.Type, path []reflect.Type, field []string) error {
	for _, p := range path {
		if p == t {
			return refusal(field, "the type %s is recursive: it embeds itself", t)
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if _, _, tagged, skip := jsonName(f); skip || !embeds(f, tagged) {
			continue
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			if inner = inner.Elem(); !f.IsExported() {
				return refusal(field, "nothing can be read into the embedded pointer to %s, which is not exported", inner)
			}
		}
		if err := embedded(inner, append(path[:len(path):len(path)], t), field); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) first(t reflect.Type) reflect.Type {
	if len(b.path) > 0 {
		return b.path[0]
	}
	return t
}

// errNoObject is a schema for something other than an object.
var errNoObject = errors.New(`the schema must be of "type": "object" at its root: a model hands over named arguments`)
