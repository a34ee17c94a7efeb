package offer_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type part struct {
	Name  string   `json:"name" jsonschema:"minLength=1,maxLength=3"`
	Count *int8    `json:"count"`
	Tags  []string `json:"tags,omitempty" jsonschema:"uniqueItems=true"`
}

type everything struct {
	Part  part            `json:"part"`
	Parts []*part         `json:"parts,omitempty"`
	By    map[string]part `json:"by"`
	Ints  map[int]bool    `json:"ints,omitempty"`
	Blob  []byte          `json:"blob,omitempty"`
	Pair  [2]uint8        `json:"pair"`
	At    time.Time       `json:"at,omitzero"`
	For   time.Duration   `json:"for,omitempty"`
	Host  netip.Addr      `json:"host,omitzero"`
	Raw   json.RawMessage `json:"raw,omitempty"`
	Any   any             `json:"any,omitempty"`
	Text  int             `json:"text,string,omitempty"`
	Kind  string          `json:"kind" jsonschema:"enum=a,enum=b"`
	Half  float32         `json:"half,omitempty" jsonschema:"minimum=0,multipleOf=0.5"`
	Maybe *part           `json:"maybe"`
	Empty struct{}        `json:"empty,omitzero"`
}

// What passes an offered form of a Go type, and the check, decodes into it.
func TestWhatIsAcceptedDecodes(t *testing.T) {
	typ := reflect.TypeFor[everything]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		t.Run(f.Name, func(t *testing.T) { acceptedDecodes(t, reflect.StructOf([]reflect.StructField{f})) })
	}
}

func acceptedDecodes(t *testing.T, typ reflect.Type) {
	s, err := schema.Of(typ, false)
	require.NoError(t, err)
	tree := decoded(t, s.Tree())
	check := compiled(t, tree)
	accepted := 0
	for _, d := range dialects {
		text, err := offer.Schema(d, s.Tree())
		require.NoError(t, err)
		var form any
		require.NoError(t, json.Unmarshal(text, &form))
		holds, descriptions := compiled(t, decoded(t, form)), told(form)
		rapid.Check(t, func(t *rapid.T) {
			v := drawFields(t, form.(object))
			raw, _ := json.Marshal(v)
			if holds.Validate(decoded(t, v)) != nil {
				return
			}
			read, err := s.Read(raw)
			require.NoError(t, err)
			read = s.Tidy(read, false)
			if problem := s.Check(read, "the whole", true); problem != "" {
				require.True(t, anyTold(tree, check, read, descriptions), "%s: %s of %s", d, problem, raw)
				return
			}
			out := reflect.New(typ)
			if err := json.Unmarshal(schema.Canonical(read), out.Interface()); err != nil {
				require.Contains(t, err.Error(), "ParseAddr", "%s allows %s", d, raw)
				require.Contains(t, string(text), "in the form of netip.Addr")
				return
			}
			accepted++
		})
	}
	require.Positive(t, accepted)
}
