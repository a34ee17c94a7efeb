package schema

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/duvotool/duvotool/internal/safetext"
)

// CheckNames tells why a value must not be decoded into a Go type: encoding/json
// takes a name that differs from a field's in the case of its letters alone (and
// the letters U+017F and U+212A for s and k) for that field, so that what no schema
// has checked would overwrite what was. The value is one that [Decode] returned.
// Types that decode themselves are not looked into.
func CheckNames(t reflect.Type, v any) error { return checkNames(t, v, "") }

func checkNames(t reflect.Type, v any, at string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); p.Implements(decoderType) || p.Implements(textType) {
		return nil
	}
	switch v := v.(type) {
	case map[string]any:
		return checkObject(t, v, at)
	case []any:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return nil
		}
		for i, e := range v {
			if err := checkNames(t.Elem(), e, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkObject(t reflect.Type, v map[string]any, at string) error {
	var fields map[string]reflect.Type
	switch t.Kind() {
	case reflect.Map:
	case reflect.Struct:
		fields = map[string]reflect.Type{}
		for _, f := range jsonFields(t) {
			fields[f.name] = f.Type
		}
	default:
		return nil
	}
	for name, e := range v {
		inner := strings.TrimPrefix(at+"."+safetext.OneLine(name, 60), ".")
		of := fields[name]
		if t.Kind() == reflect.Map {
			of = t.Elem()
		}
		if of == nil {
			for field := range fields {
				if strings.EqualFold(field, name) {
					return fmt.Errorf("%s: there is no such name, but %q; names are the same only letter for letter", inner, field)
				}
			}
			continue
		}
		if err := checkNames(of, e, inner); err != nil {
			return err
		}
	}
	return nil
}
