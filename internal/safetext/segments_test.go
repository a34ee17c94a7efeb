package safetext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func joined(segments []Segment) string {
	var b strings.Builder
	for _, s := range segments {
		if s.Mark {
			b.WriteString("<" + s.Text + ">")
		} else {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

func TestSegmentsAreTheBlock(t *testing.T) {
	for _, s := range []string{"", "plain", "a\u202eb", "\u202e", "\xff\xfeab\x80", "line\r\nnext\tand\rthen", "p\u0430ypal", "e\u0301\u0301\u0301\u0301\u0301", "\x1b[31mred", "\u200b\u200b"} {
		require.Equal(t, Block(s, 0), joined(Segments(s)))
	}
	require.Equal(t, []Segment{{"a", false}, {"U+202E", true}, {"b", false}}, Segments("a\u202eb"))
}

func FuzzSegments(f *testing.F) {
	f.Add("a\u202eb")
	f.Fuzz(func(t *testing.T, s string) { require.Equal(t, Block(s, 0), joined(Segments(s))) })
}
