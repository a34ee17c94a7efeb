package safetext

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestBlockShowsWhatHides(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain":         {"Refund 120 €?", "Refund 120 €?"},
		"lines":         {"a\n\tb", "a\n\tb"},
		"crlf":          {"a\r\nb", "a\nb"},
		"lone cr":       {"yes\rno", "yes<U+000D>no"},
		"ansi":          {"\x1b[31mred", "<U+001B>[31mred"},
		"c1 csi":        {"\u009b2J", "<U+009B>2J"},
		"bidi":          {"\u202egnp.exe", "<U+202E>gnp.exe"},
		"isolate":       {"\u2066x\u2069", "<U+2066>x<U+2069>"},
		"zero width":    {"ap\u200bprove\ufeff", "ap<U+200B>prove<U+FEFF>"},
		"tag letters":   {"ok\U000E0041", "ok<U+E0041>"},
		"nbsp":          {"1\u00a0000", "1<U+00A0>000"},
		"line sep":      {"a\u2028b", "a<U+2028>b"},
		"hangul filler": {"a\u3164b", "a<U+3164>b"},
		"braille blank": {"a\u2800b", "a<U+2800>b"},
		"invalid utf8":  {"a\xffb", "a<0xFF>b"},
		"private use":   {"\ue000", "<U+E000>"},
		"zalgo":         {"a\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301<U+0301>"},
		"look-alike":    {"p\u0430ypal", "p<U+0430>ypal"},
		"look-alikes":   {"\u0410PPROVE \u0420ефунд", "<U+0410>PPROVE \u0420ефунд"},
		"greek alone":   {"λόγος 5µm", "λόγος 5µm"},
		"japanese":      {"返金してください", "返金してください"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, Block(c.in, 0)) })
	}
}

func TestBlockMarksTheCut(t *testing.T) {
	require.Equal(t, "äää… [cut, 7 more characters]", Block(strings.Repeat("ä", 10), 3))
	require.Equal(t, "äää", Block("äää", 3))
	require.Less(t, len(Block(strings.Repeat("x", 10<<20), 500)), 600)
}

func TestOneLine(t *testing.T) {
	require.Equal(t, "a b c", OneLine("  a\n\n b\t c \r\n", 0))
	require.Equal(t, "abc…", OneLine("abcdef", 3))
	require.Equal(t, "abc", OneLine("abc", 3))
	require.Equal(t, "a<U+001B>b", OneLine("a\x1bb", 0))
}

func FuzzBlock(f *testing.F) {
	f.Add("a\u202eb\x00", 3)
	f.Fuzz(func(t *testing.T, s string, max int) {
		for _, out := range []string{Block(s, max), OneLine(s, max)} {
			require.True(t, utf8.ValidString(out))
			for _, r := range out {
				require.True(t, r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r), "%U", r)
			}
		}
		require.NotContains(t, OneLine(s, max), "\n")
	})
}
