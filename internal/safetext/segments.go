package safetext

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Segment is a piece of a text: characters that are drawn as themselves, or a mark
// that stands for one that is not.
type Segment struct {
	Text string
	Mark bool // Text is the number of a character, such as U+202E, or of a byte that is none, such as 0x80
}

// Segments are the whole of a text as [Block] renders it, for those who draw marks
// otherwise than in angle brackets.
func Segments(s string) []Segment {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var out []Segment
	marks, from := 0, 0
	var words speller
	mark := func(i, n int, name string) {
		if from < i {
			out = append(out, Segment{Text: s[from:i]})
		}
		out = append(out, Segment{Text: name, Mark: true})
		from = i + n
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			mark(i, n, fmt.Sprintf("0x%02X", s[i]))
		case r == '\n' || r == '\t':
		default:
			marks = countMarks(r, marks)
			if marks > maxMarks || words.hides(s, i, r) || !Visible(r) {
				mark(i, n, fmt.Sprintf("U+%04X", r))
			}
		}
		i += n
	}
	if from < len(s) {
		out = append(out, Segment{Text: s[from:]})
	}
	return out
}
