package textwrap

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"short":      {"a b\n", "a b\n"},
		"words":      {"one two three four five", "one two three\nfour five"},
		"exactly":    {"seven77 seven7 x", "seven77 seven7\nx"},
		"mark":       {"  | one two three four", "  | one two\n  | three four"},
		"indent":     {"    one two three four", "    one two\n    three four"},
		"long word":  {"0123456789abcdef", "0123456789abcd\nef"},
		"mark alone": {"  |\n  | x\n", "  |\n  | x\n"},
		"blanks":     {strings.Repeat(" ", 40) + "x", "\nx"},
		"wide":       {"界界界界界界界界", "界界界界界界界\n界"},
		"empty":      {"", ""},
	} {
		require.Equal(t, c.want, Text(c.in, 14), name)
	}
	require.Equal(t, "-x  one two\n    three", Hang("-x  ", "    ", "one two three", 12))
}

// Whatever stands in a line, nothing of it is lost, and no line of it begins at the
// margin but the first.
func TestNothingIsLost(t *testing.T) {
	seed := uint64(1)
	r := rand.New(rand.NewPCG(seed, seed))
	for range 5000 {
		b := make([]rune, r.IntN(120))
		for i := range b {
			b[i] = []rune("  ab|\u00e9\u754c-")[r.IntN(8)]
		}
		columns := 12 + r.IntN(40)
		out := Text("  | "+string(b)+"\n", columns)
		for line := range strings.Lines(out) {
			line = strings.TrimSuffix(line, "\n")
			require.True(t, strings.HasPrefix(line, "  | ") || line == "  | " || line == "  |", "%q", out)
			require.LessOrEqual(t, Width(strings.TrimRight(line, " ")), columns, "%q", out)
		}
		plain := func(s string) string {
			s = strings.ReplaceAll(s, "\n  | ", "")
			return strings.NewReplacer(" ", "", "\n", "").Replace(strings.TrimPrefix(s, "  | "))
		}
		require.Equal(t, plain("  | "+string(b)), plain(out))
	}
}
