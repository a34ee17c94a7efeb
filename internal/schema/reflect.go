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

// Of makes the schema of a Go type. Descriptions, enums and bounds come from
// its jsonschema tags; a field without omitempty or omitzero is required.
//
// With open set objects may have properties that the type does not know.
//
// Types that have no finite schema, or one that would not tell what decodes
// into them, are refused.
func Of(t reflect.Type, open bool) (*Schema, error) {
	w := &typeWalk{}
	if err := w.walk(t, nil); err != nil {
		return nil, err
	}
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, ExpandedStruct: true, AllowAdditionalProperties: open, Mapper: mapType}
	text, err := reflectType(&r, t)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

func reflectType(r *jsonschema.Reflector, t reflect.Type) (text []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: its schema cannot be made: %v", t, p)
		}
	}()
	return json.Marshal(r.ReflectFromType(t))
}

var (
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
	decoderType   = reflect.TypeFor[json.Unmarshaler]()
	describedType = reflect.TypeFor[interface{ JSONSchema() *jsonschema.Schema }]()
	aliasType     = reflect.TypeFor[interface{ JSONSchemaAlias() any }]()
	aliasesType   = reflect.TypeFor[interface{ JSONSchemaProperty(string) any }]()
	extendedType  = reflect.TypeFor[interface {
		JSONSchemaExtend(*jsonschema.Schema)
	}]()
	timeType   = reflect.TypeFor[time.Time]()
	rawType    = reflect.TypeFor[json.RawMessage]()
	numberType = reflect.TypeFor[json.Number]()
	urlType    = reflect.TypeFor[url.URL]()
)

// mapType has the schemas of types for which the kind of a type tells less than
// is known.
func mapType(t reflect.Type) *jsonschema.Schema {
	switch {
	case t == numberType:
		return &jsonschema.Schema{Type: "number"}
	case t == timeType, t.Implements(describedType), t.Implements(extendedType):
		return nil
	case decodesText(t):
		return &jsonschema.Schema{Type: "string"}
	}
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32:
		least := int64(-1) << (t.Bits() - 1)
		return &jsonschema.Schema{Type: "integer", Minimum: decimal(least), Maximum: decimal(-least - 1)}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return &jsonschema.Schema{Type: "integer", Minimum: "0", Maximum: decimal(int64(1)<<t.Bits() - 1)}
	case reflect.Uint, reflect.Uint64: // no model comes near the upper bound
		return &jsonschema.Schema{Type: "integer", Minimum: "0"}
	}
	return nil
}

func decimal(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

func decodesText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(textType) && !reflect.PointerTo(t).Implements(decoderType)
}

// A typeWalk finds what the reflector would run into: it does not end on a
// type that holds itself, and panics on kinds that JSON has nothing for.
type typeWalk struct {
	path  []reflect.Type // from the outside in
	nodes int
}

func (w *typeWalk) walk(t reflect.Type, field []string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	refuse := func(format string, args ...any) error {
		at := ""
		if len(field) > 0 {
			at = "the field " + strings.Join(field, ".") + ": "
		}
		return fmt.Errorf("%s%s", at, fmt.Sprintf(format, args...))
	}
	if w.nodes++; w.nodes > maxNodes {
		return fmt.Errorf("%s: the schema would have more than %d places; types within types multiply", w.first(t), maxNodes)
	}
	for _, outer := range w.path {
		if outer == t {
			return refuse("the type %s is recursive: it holds itself, and a model's tools take no schema without an end. Give the field another type, leave it out with `json:\"-\"`, or describe it with a JSONSchema method", t)
		}
	}
	w.path = append(w.path, t)
	defer func() { w.path = w.path[:len(w.path)-1] }()

	switch {
	case t.Implements(aliasType):
		alias := reflect.New(t).Interface().(interface{ JSONSchemaAlias() any }).JSONSchemaAlias()
		if alias == nil {
			return refuse("the JSONSchemaAlias of %s is nil", t)
		}
		return w.walk(reflect.TypeOf(alias), field)
	case t.Implements(describedType), t == timeType, t == rawType, t == numberType, decodesText(t):
		return nil
	case reflect.PointerTo(t).Implements(describedType):
		return refuse("the JSONSchema method of %s has a pointer receiver, with which it is not found; give it a value receiver", t)
	case t == urlType:
		return refuse("net/url.URL does not decode from JSON text; use a string with `jsonschema:\"format=uri\"`")
	case reflect.PointerTo(t).Implements(decoderType):
		return refuse("the type %s decodes itself with UnmarshalJSON, so its fields do not tell its schema; give it a JSONSchema method", t)
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil // base64 text
		}
		return w.walk(t.Elem(), field)
	case reflect.Array:
		return w.walk(t.Elem(), field)
	case reflect.Map:
		switch k := t.Key(); {
		case k.Kind() == reflect.String, decodesText(k), k.Kind() >= reflect.Int && k.Kind() <= reflect.Uint64:
			return w.walk(t.Elem(), field)
		}
		return refuse("JSON has no names of the type %s", t.Key())
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return refuse("nothing can be decoded into the interface %s; use a concrete type, or any", t)
		}
		return nil
	case reflect.Struct:
		return w.fields(t, field)
	}
	return refuse("JSON has nothing for the type %s", t)
}

func (w *typeWalk) fields(t reflect.Type, field []string) error {
	var aliases func(string) any
	if t.Implements(aliasesType) {
		aliases = reflect.New(t).Interface().(interface{ JSONSchemaProperty(string) any }).JSONSchemaProperty
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		hidden, _, _ := strings.Cut(f.Tag.Get("jsonschema"), ",")
		if !f.IsExported() && !f.Anonymous || f.Tag.Get("json") == "-" || hidden == "-" {
			continue
		}
		name := f.Name
		if tag != "" {
			name = tag
		}
		ft := f.Type
		if aliases != nil {
			if a := aliases(name); a != nil {
				ft = reflect.TypeOf(a)
			}
		}
		if err := w.walk(ft, append(field[:len(field):len(field)], name)); err != nil {
			return err
		}
	}
	return nil
}

func (w *typeWalk) first(t reflect.Type) reflect.Type {
	if len(w.path) > 0 {
		return w.path[0]
	}
	return t
}

// errNoObject is a schema for something other than an object.
var errNoObject = errors.New(`the schema must be of "type": "object" at its root: a model hands over named arguments`)
