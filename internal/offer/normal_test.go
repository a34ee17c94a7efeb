package offer_test

import (
	"encoding/json"
	"testing"

	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawAny draws a value of any kind.
func drawAny(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 6).Draw(t, "kind")
	if depth == 0 {
		kind = rapid.IntRange(0, 3).Draw(t, "kind")
	}
	switch kind {
	case 0:
		return rapid.SampledFrom(texts).Draw(t, "text")
	case 1:
		return json.Number(rapid.SampledFrom([]string{"0", "1", "2", "2.5", "3"}).Draw(t, "number"))
	case 2:
		return rapid.Bool().Draw(t, "boolean")
	case 3:
		return nil
	case 4:
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, drawAny(t, depth-1))
		}
		return out
	}
	return drawThing(t, depth)
}

func drawThing(t *rapid.T, depth int) object {
	out := object{}
	for _, name := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, name) {
			out[name] = drawAny(t, depth-1)
		}
	}
	return out
}

// The form that a schema is brought into allows what the schema allowed, and nothing
// else.
func TestTheNormalFormMeansTheSame(t *testing.T) {
	fits, not, refused := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		root := object{}
		drawObject(t, root, 3, rapid.SampledFrom([]string{"object", "open", "split"}).Draw(t, "root"))
		if rapid.Bool().Draw(t, "parts") {
			more := object{}
			drawObject(t, more, 2, rapid.SampledFrom([]string{"object", "open"}).Draw(t, "part"))
			root["allOf"] = []any{more, drawSchema(t, 2)}
		}
		text, err := json.Marshal(root)
		require.NoError(t, err)
		before := compiled(t, decoded(t, root))
		s, err := schema.Parse(text)
		var after interface{ Validate(any) error }
		if err == nil {
			after = compiled(t, decoded(t, s.Tree()))
		}
		for range 10 {
			v := drawThing(t, 3)
			if s != nil && rapid.Bool().Draw(t, "likely") {
				v, _ = drawFields(t, s.Tree()).(object)
			}
			own := decoded(t, v)
			want := before.Validate(own) == nil
			if after == nil {
				refused++
				require.False(t, want, "%s is refused (%v) and allows %v", text, err, v)
				continue
			}
			require.Equal(t, want, after.Validate(own) == nil, "%s\nbecame %s\nand the value is %v", text, s.JSON(), v)
			if want {
				fits++
			} else {
				not++
			}
		}
	})
	t.Log(fits, "fit,", not, "do not,", refused, "refused")
	require.Positive(t, fits)
	require.Positive(t, not)
}
