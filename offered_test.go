package duvotool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// goWrites checks that a tool takes what its Go type writes, at both ends. A type that
// Discover refuses is told why.
func goWrites[T any](t *testing.T, name, refused string, v T) {
	wrote, err := json.Marshal(v)
	require.NoError(t, err)
	for end, opt := range map[string]duvotool.ToolOption{"input": duvotool.InputOf[T](), "output": duvotool.OutputOf[T]()} {
		t.Run(name+"/"+end, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{Name: "one", Script: func(j *duvotest.Job) { j.Complete(string(wrote)) }}))
			defer d.Close()
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(time.Millisecond), opt)
			if refused != "" {
				require.ErrorContains(t, err, refused)
				return
			}
			require.NoError(t, err)
			defer reg.Close(context.Background())
			if end == "input" {
				own, err := duvotool.As[T, string](mustTool(reg, "one"))
				require.NoError(t, err)
				_, _, err = own.Run(t.Context(), v)
				require.NoError(t, err, "%s does not fit %s", wrote, mustTool(reg, "one").Schema())
				require.Len(t, d.Jobs(), 1)
				return
			}
			own, err := duvotool.As[string, T](mustTool(reg, "one"))
			require.NoError(t, err)
			_, _, err = own.Run(t.Context(), "go")
			require.NoError(t, err, "%s", wrote)
		})
	}
}

type octet uint8
type lists struct {
	X []string `json:"x"`
}
type Base struct{ E string }
type Other struct {
	E int
	G string
}

func TestASchemaTakesWhatItsTypeWrites(t *testing.T) {
	goWrites(t, "negative keys", "", struct{ M map[int]string }{map[int]string{-1: "a"}})
	goWrites(t, "bytes of a named type", "", struct{ B []octet }{[]octet{1, 2}})
	goWrites(t, "nil bytes", "", struct{ B []byte }{})
	goWrites(t, "a nil pointer", "", struct{ P *string }{})
	goWrites(t, "a nil pointer in a list", "", struct{ P []*string }{[]*string{nil}})
	goWrites(t, "a nil pointer in a map", "", struct{ M map[string]*lists }{map[string]*lists{"a": nil}})
	goWrites(t, "a nil time", "", struct{ T *time.Time }{})
	goWrites(t, "a nil list in a map", "", struct{ M map[string][]string }{map[string][]string{"a": nil}})
	goWrites(t, "a nil list in a struct in a map", "", struct{ M map[string]lists }{map[string]lists{"a": {}}})
	goWrites(t, "a nil list in a list", "", struct{ M [][]string }{[][]string{nil}})
	goWrites(t, "nil lists in an array", "", struct{ R [2][]int }{})
	goWrites(t, "a nil map in a list", "", struct{ M []map[string]int }{[]map[string]int{nil}})
	goWrites(t, "a field named -", "", struct {
		//lint:ignore SA5008 that name is meant
		N string `json:"-,"`
	}{"x"})
	goWrites(t, "a field that the schema hides", "hidden from the schema", struct {
		A string `json:"a"`
		N string `json:"n" jsonschema:"-"`
	}{"x", "y"})
	goWrites(t, "an embedded pointer that is nil", "", struct {
		*Base
		F string
	}{nil, "x"})
	goWrites(t, "a name that Go refuses", "", struct {
		//lint:ignore SA5008 which Go does not take
		R string `json:"a\"b"`
	}{"y"})
	goWrites(t, "embedded fields that hide each other", "", struct {
		Base
		Other
	}{Base{"x"}, Other{1, "y"}})
	goWrites(t, "an embedded field that is hidden", "", struct {
		Base
		E bool
	}{Base{"x"}, true})
	goWrites(t, "numbers as text", "", struct {
		N int8    `json:",string"`
		F float64 `json:",string"`
		B *bool   `json:",string"`
	}{-5, 1e30, nil})
	goWrites(t, "bounds of a number as text", "no bounds in JSON Schema", struct {
		N int `json:",string" jsonschema:"minimum=1"`
	}{5})
	goWrites(t, "a text in quotes twice", "no text that a model would write", struct {
		N string `json:",string"`
	}{"a"})
	goWrites(t, "a duration", "", struct{ D time.Duration }{time.Second})
}

// A duration is a number, of which only its description tells the unit.
func TestADurationIsToldWithItsUnit(t *testing.T) {
	reg := discover(t, &fake{}, duvotool.InputOf[struct {
		D time.Duration `json:"d" jsonschema:"description=How long"`
	}]())
	require.Contains(t, string(reg.All()[0].Schema()), `"How long In nanoseconds: 1000000000 is a second."`)
}

// A schema that is offered without its $schema is read by everybody as one of the
// newest draft; what is offered must then mean what is checked.
func TestAnOfferedSchemaMeansWhatIsChecked(t *testing.T) {
	for name, c := range map[string]struct{ schema, fits, not string }{
		"a tuple of draft 7": {`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["v"],
			"properties":{"v":{"type":"array","items":[{"type":"integer"},{"type":"string"}],"additionalItems":false}}}`, `{"v":[1,"a"]}`, `{"v":["a",1,2]}`},
		"an exclusive bound of draft 4": {`{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["v"],
			"properties":{"v":{"type":"integer","minimum":5,"exclusiveMinimum":true}}}`, `{"v":6}`, `{"v":5}`},
		"dependencies of draft 7": {`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object",
			"properties":{"a":{"type":"string"},"b":{"type":"string"}},"dependencies":{"a":["b"]}}`, `{"a":"x","b":"y"}`, `{"a":"x"}`},
		"definitions of 2019-09": {`{"$schema":"https://json-schema.org/draft/2019-09/schema","type":"object","definitions":{"r":{"type":"array","items":[{"type":"boolean"}]}},
			"properties":{"v":{"$ref":"#/definitions/r"}}}`, `{"v":[true,1]}`, `{"v":[1]}`},
	} {
		t.Run(name, func(t *testing.T) {
			for text, want := range map[string]bool{c.fits: true, c.not: false} {
				f := &fake{}
				f.job = ended("completed")
				reg := discover(t, f, duvotool.WithPollInterval(time.Millisecond), duvotool.InputSchema(json.RawMessage(c.schema)))
				offered := reg.All()[0].Schema()
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(offered))
				require.NoError(t, err)
				compiler := jsonschema.NewCompiler()
				require.NoError(t, compiler.AddResource("mem:///offered.json", doc))
				read, err := compiler.Compile("mem:///offered.json")
				require.NoError(t, err, "what is offered is no schema of the draft that it is read as: %s", offered)
				value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
				require.NoError(t, err)
				require.Equal(t, want, read.Validate(value) == nil, "%s", offered)
				out, err := reg.All()[0].CallArguments(t.Context(), json.RawMessage(text))
				require.NoError(t, err)
				require.Equal(t, want, f.starts == 1, "the check: %s", out)
			}
		})
	}
}

// What providers refuse at the root of a tool's arguments is merged, or told.
func TestTheRootIsAPlainObject(t *testing.T) {
	for name, c := range map[string]struct{ schema, offered string }{
		"a reference beside the type": {`{"type":"object","$ref":"#/$defs/R","$defs":{"R":{"properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}`,
			`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`},
		"parts": {`{"type":"object","required":["a"],"allOf":[{"properties":{"a":{"type":"integer","minimum":1}}},{"properties":{"a":{"maximum":5},"b":{"type":"boolean"}},"required":["b"]}]}`,
			`{"type":"object","properties":{"a":{"type":"integer","minimum":1,"maximum":5},"b":{"type":"boolean"}},"required":["a","b"]}`},
		"a map": {`{"type":"object","additionalProperties":{"type":"integer"}}`, `{"type":"object","properties":{},"additionalProperties":{"type":"integer"}}`},
		"forms": {`{"oneOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"type":"object","properties":{"b":{"type":"string"}},"required":["b"]}]}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"description":"oneOf: [{\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"],\"type\":\"object\"},{\"properties\":{\"b\":{\"type\":\"string\"}},\"required\":[\"b\"],\"type\":\"object\"}]."}`},
		"an exclusion": {`{"type":"object","properties":{"a":{"type":"string"}},"not":{"required":["b"]}}`,
			`{"type":"object","properties":{"a":{"type":"string"}},"description":"not: {\"required\":[\"b\"]}."}`},
		"what is required and not declared": {`{"type":"object","required":["a"],"additionalProperties":{"type":"integer"}}`,
			`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":{"type":"integer"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			reg := discover(t, &fake{}, duvotool.InputSchema(json.RawMessage(c.schema)))
			for _, d := range []duvotool.Dialect{duvotool.Neutral, duvotool.OpenAI, duvotool.Anthropic, duvotool.MCP} {
				text, err := reg.All()[0].SchemaFor(d)
				require.NoError(t, err)
				require.JSONEq(t, c.offered, string(text), d)
			}
		})
	}
	reg := discover(t, &fake{}, duvotool.InputOf[map[string]int]())
	require.JSONEq(t, `{"type":"object","properties":{},"additionalProperties":{"type":"integer"}}`, string(reg.All()[0].Schema()))
}

// What cannot be offered is refused when it is given, by the names of tool and field.
func TestWhatCannotBeOfferedIsRefused(t *testing.T) {
	type odd struct {
		A string `json:"größe"`
	}
	type dotted struct {
		In struct {
			A string `json:"a-b"`
		} `json:"in"`
	}
	type narrow struct {
		Lines []string `json:"lines" jsonschema:"minItems=3,maxItems=2"`
	}
	for name, c := range map[string]struct {
		opts []duvotool.Option
		says []string
	}{
		"a name":        {[]duvotool.Option{duvotool.InputOf[odd]()}, []string{`the field "größe"`, "Anthropic's API takes no such name", `the tool "refunds"`}},
		"Google's name": {[]duvotool.Option{duvotool.InputOf[dotted](), duvotool.OfferTo(duvotool.OpenAI, duvotool.Gemini)}, []string{`the field "in.a-b"`, "Google's API"}},
		"a map":         {[]duvotool.Option{duvotool.InputOf[map[string]int](), duvotool.OfferTo(duvotool.Gemini)}, []string{"put the map into a field of a struct"}},
		"a strict map":  {[]duvotool.Option{duvotool.InputOf[map[string]int](), duvotool.OfferTo(duvotool.OpenAIStrict)}, []string{"put the map into a field of a struct"}},
		"no dialect":    {[]duvotool.Option{duvotool.OfferTo("x")}, []string{`there is no dialect "x"`}},
		"nothing fits":  {[]duvotool.Option{duvotool.InputSchema(json.RawMessage(`{"type":"object","properties":{},"required":["a"],"additionalProperties":false}`))}, []string{`"a" is required and not allowed`}},
		"bounds":        {[]duvotool.Option{duvotool.InputSchema(json.RawMessage(`{"type":"object","properties":{"amount":{"type":"integer","minimum":5,"maximum":3}},"required":["amount"]}`))}, []string{"InputSchema", "#/properties/amount: minimum is 5 and maximum is 3"}},
		"bounds of Go":  {[]duvotool.Option{duvotool.InputOf[narrow]()}, []string{"narrow", "#/properties/lines: minItems is 3 and maxItems is 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := duvotool.Discover(t.Context(), &fake{}, c.opts...)
			for _, s := range c.says {
				require.ErrorContains(t, err, s)
			}
		})
	}
	reg := discover(t, &fake{}, duvotool.InputOf[odd](), duvotool.OfferTo(duvotool.OpenAI))
	require.Contains(t, string(reg.All()[0].Schema()), "größe")
}

// What a model reads of a tool is never longer than providers take, however it is
// written.
func TestDescriptionsAreWithinTheLimits(t *testing.T) {
	type wide struct {
		A, B, C, D, E, F, G, H string `jsonschema:"description=Something that takes quite some words to tell, and then some more of them, and still more"`
	}
	for name, text := range map[string]string{
		"long": strings.Repeat("word ", 400), "by one": strings.Repeat("x", 1025), "invisible": strings.Repeat("\u202e", 1000), "none": "",
	} {
		t.Run(name, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{Name: strings.Repeat("\u202e", 190), Description: text}))
			defer d.Close()
			for _, opt := range [][]duvotool.Option{nil, {duvotool.InputOf[wide]()}} {
				reg, err := duvotool.Discover(t.Context(), d.Client(), opt...)
				require.NoError(t, err)
				tool := reg.All()[0]
				require.LessOrEqual(t, utf8.RuneCountInString(tool.Description()), 1024)
				require.LessOrEqual(t, utf8.RuneCountInString(tool.FunctionDescription()), 1024)
				require.NoError(t, reg.Close(context.Background()))
			}
		})
	}
}
