package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type small int8
type octet uint8
type Inner struct {
	A string
	B *int `json:"b,omitempty"`
}
type Tagged struct {
	C []string `json:"A"`
	D map[string]Inner
}
type deepest struct{ A, X bool }
type Wrapped struct {
	deepest
	*Inner
}

var leaves = []reflect.Type{
	reflect.TypeFor[string](), reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[small](),
	reflect.TypeFor[uint16](), reflect.TypeFor[uint64](), reflect.TypeFor[int64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
	reflect.TypeFor[[]byte](), reflect.TypeFor[[]octet](), reflect.TypeFor[[3]byte](), reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](),
	reflect.TypeFor[netip.Addr](), reflect.TypeFor[json.Number](), reflect.TypeFor[any](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[struct{}](),
	reflect.TypeFor[Inner](), reflect.TypeFor[Tagged](), reflect.TypeFor[Wrapped](),
}

// drawType draws a type, with lists, maps, pointers and structs of others.
func drawType(t *rapid.T, depth int) reflect.Type {
	leaf := func() reflect.Type { return rapid.SampledFrom(leaves).Draw(t, "leaf") }
	if depth == 0 {
		return leaf()
	}
	switch rapid.IntRange(0, 7).Draw(t, "kind") {
	case 0:
		return reflect.SliceOf(drawType(t, depth-1))
	case 1:
		return reflect.ArrayOf(rapid.IntRange(0, 2).Draw(t, "len"), drawType(t, depth-1))
	case 2:
		key := rapid.SampledFrom([]reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[small](), reflect.TypeFor[uint8](), reflect.TypeFor[netip.Addr]()}).Draw(t, "key")
		return reflect.MapOf(key, drawType(t, depth-1))
	case 3:
		return reflect.PointerTo(drawType(t, depth-1))
	case 4, 5:
		return drawStruct(t, depth-1)
	}
	return leaf()
}

func drawStruct(t *rapid.T, depth int) reflect.Type {
	var fields []reflect.StructField
	for i := range rapid.IntRange(0, 4).Draw(t, "fields") {
		f := reflect.StructField{Name: string(rune('A' + i)), Type: drawType(t, depth)}
		f.Tag = reflect.StructTag(rapid.SampledFrom([]string{"", `json:"a"`, `json:"b,omitempty"`, `json:",omitzero"`, `json:"-,"`, `json:"-"`, `json:",string"`,
			`json:"x\"y"`, `json:"A,omitempty" jsonschema:"description=One"`, `jsonschema:"nullable"`}).Draw(t, "tag"))
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

// fill gives a value something of everything, and nothing of some.
func fill(t *rapid.T, v reflect.Value) {
	if rapid.IntRange(0, 3).Draw(t, "zero") == 0 {
		return
	}
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(0, 1e10).Draw(t, "time"), 5).UTC()))
		return
	case reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(netip.MustParseAddr("10.0.0.1")))
		return
	case reflect.TypeFor[json.Number]():
		v.SetString(rapid.SampledFrom([]string{"1", "-2.5", "1e30"}).Draw(t, "number"))
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(rapid.SampledFrom([]string{"1", `{"a":null}`, "[]"}).Draw(t, "raw")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.SampledFrom([]string{"a", "", "{}", "null", "é"}).Draw(t, "string"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.SampledFrom([]int64{-128, -1, 5, 127}).Draw(t, "int"))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(rapid.IntRange(0, 255).Draw(t, "uint")))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(rapid.SampledFrom([]float64{0.5, -3, 1e30}).Draw(t, "float"))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 2).Draw(t, "n"), 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, k)
		fill(t, e)
		v.SetMapIndex(k, e)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(t, f)
			}
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"a": nil}))
	}
}

// Whatever encoding/json writes of a type passes the type's schema, and what passes
// decodes into the type and is written the same again.
func TestWhatGoWritesPasses(t *testing.T) {
	taken, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		typ := drawStruct(t, 3)
		for _, open := range []bool{false, true} {
			s, err := schema.Of(typ, open)
			if err != nil {
				refused++
				require.Regexp(t, "no text that a model would write", err.Error())
				continue
			}
			taken++
			v := reflect.New(typ)
			fill(t, v.Elem())
			wrote, err := json.Marshal(v.Interface())
			if err != nil {
				continue // an empty json.RawMessage and the like
			}
			read, err := schema.Decode(wrote)
			require.NoError(t, err)
			read = s.Tidy(read, true)
			require.Empty(t, s.Check(read, "the whole", true), "%s\n%s\n%s", typ, wrote, s.JSON())
			again := reflect.New(typ)
			dec := json.NewDecoder(bytes.NewReader(schema.Canonical(read)))
			require.NoError(t, dec.Decode(again.Interface()), "%s of %s", wrote, typ)
			require.NoError(t, schema.CheckNames(typ, read))
			names(t, typ, wrote, s)
		}
	})
	t.Log(taken, "types taken,", refused, "refused")
	require.Greater(t, taken, refused)
}

// names checks that the schema has the names that encoding/json writes, and no others.
func names(t *rapid.T, typ reflect.Type, wrote []byte, s *schema.Schema) {
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(wrote, &fields))
	for name := range fields {
		require.True(t, s.Has(name), "%s of %s", name, typ)
	}
	required, _ := s.Tree()["required"].([]any)
	for _, r := range required {
		require.Contains(t, fields, r, "%s", typ)
	}
}

// Arguments are found in what models put around them.
func TestRead(t *testing.T) {
	s, err := schema.Parse([]byte(`{"type":"object","properties":{"a":{"type":"integer"},"list":{"type":"array","items":{"type":"object","properties":{"b":{"type":"string"}}}}}}`))
	require.NoError(t, err)
	quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	const plain = `{"a":1}`
	for _, text := range []string{plain, " \n" + plain + "\n", "```json\n" + plain + "\n```", "```\n" + plain + "\n```\nThat is it.", quote(plain), quote(quote(plain)),
		quote("```json\n" + plain + "\n```"), `{"__arg1":` + quote(plain) + `}`, `{"__arg1":` + plain + `}`, plain + " That should do.", plain + "\nObservation: done", "\ufeff" + plain} {
		v, err := s.Read([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, plain, string(schema.Canonical(s.Tidy(v, false))), text)
	}
	for _, text := range []string{plain + plain, plain + "\n[1]", "refund 4711", "", "```json\n" + plain + "\n```\n```json\n" + plain + "\n```", `"refund"x{`, "\xff"} {
		_, err := s.Read([]byte(text))
		require.Error(t, err, text)
	}
	for _, list := range []string{`[{"b":"x"}]`, quote(`[{"b":"x"}]`), quote(quote(`[{"b":"x"}]`)), quote("```json\n[{\"b\":\"x\"}]\n```"), `[` + quote(`{"b":"x"}`) + `]`, `[{"b":"x"}]`} {
		v, err := s.Read([]byte(`{"a":null,"list":` + list + `}`))
		require.NoError(t, err)
		v = s.Tidy(v, false)
		require.Equal(t, `{"list":[{"b":"x"}]}`, string(schema.Canonical(v)), list)
		require.Empty(t, s.Check(v, "the whole", true))
	}
	// A text stays one where a text may stand.
	free, err := schema.Parse([]byte(`{"type":"object","properties":{"a":{"type":["string","array"]},"b":{}}}`))
	require.NoError(t, err)
	v, err := free.Read([]byte(`{"a":"[1]","b":"{}"}`))
	require.NoError(t, err)
	require.Equal(t, `{"a":"[1]","b":"{}"}`, string(schema.Canonical(free.Tidy(v, true))))
}

// A null that a form may leave out is left out by that form, unless another one of the
// same value needs it.
func TestTidyOfForms(t *testing.T) {
	for text, want := range map[string]string{
		`{"v":{"kind":"a","note":null}}`: `{"v":{"kind":"a"}}`,
		`{"v":{"kind":"b","note":null}}`: `{"v":{"kind":"b","note":null}}`,
		`{"v":"{\"kind\":\"a\"}"}`:       `{"v":{"kind":"a"}}`,
		`{"v":null}`:                     `{}`,
	} {
		s, err := schema.Parse([]byte(`{"type":"object","properties":{"v":{"anyOf":[
			{"type":"object","required":["kind"],"properties":{"kind":{"const":"a"},"note":{"type":"string"}}},
			{"type":"object","required":["kind","note"],"properties":{"kind":{"const":"b"},"note":{"type":["string","null"]}}}]}}}`))
		require.NoError(t, err)
		v, err := s.Read([]byte(text))
		require.NoError(t, err)
		v = s.Tidy(v, false)
		require.Equal(t, want, string(schema.Canonical(v)))
		require.Empty(t, s.Check(v, "the whole", true), fmt.Sprint(text))
	}
}
