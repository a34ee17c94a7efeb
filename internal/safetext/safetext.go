// Package safetext renders text that a stranger wrote so that a person sees
// all of it and a terminal, a log or a page interprets none of it.
package safetext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Block renders text of several lines. Newlines and tabs stay; every other
// character that is invisible, moves the cursor or turns the writing direction
// is shown by its number, as in <U+202E>, and so is a letter that passes for a
// Latin one within a Latin word. After max characters of s the text
// is cut, and the cut says how much is missing. A max of zero or less means
// no bound.
func Block(s string, max int) string {
	if plain(s, true) && (max <= 0 || len(s) <= max) {
		return s
	}
	head, more := cut(strings.ReplaceAll(s, "\r\n", "\n"), max)
	var b strings.Builder
	b.Grow(len(head))
	marks := 0
	var words speller
	for i := 0; i < len(head); {
		r, n := utf8.DecodeRuneInString(head[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "<0x%02X>", head[i])
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		default:
			marks = countMarks(r, marks)
			writeVisible(&b, r, marks, words.hides(head, i, r))
		}
		i += n
	}
	if more > 0 {
		fmt.Fprintf(&b, "… [cut, %s]", Count(more, "more character", "more characters"))
	}
	return b.String()
}

// plain reports whether a text is nothing but printable ASCII, and, if lines is
// set, line feeds and tabs: such a text is as safe as it is.
func plain(s string, lines bool) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && !(lines && (c == '\n' || c == '\t')) {
			return false
		}
	}
	return true
}

// OneLine renders text on a single line: as Block, with every run of white
// space as one space, and an ellipsis where it is cut.
func OneLine(s string, max int) string {
	if plain(s, false) && (max <= 0 || len(s) <= max) && strings.TrimSpace(s) == s && !strings.Contains(s, "  ") {
		return s
	}
	var b strings.Builder
	space, marks, count := false, 0, 0
	var words speller
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' {
			space = true
			i += n
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
			count++
		}
		space = false
		if max > 0 && count >= max {
			return strings.TrimRight(b.String(), " ") + "…"
		}
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "<0x%02X>", s[i])
		} else {
			marks = countMarks(r, marks)
			writeVisible(&b, r, marks, words.hides(s, i, r))
		}
		count++
		i += n
	}
	return b.String()
}

// maxMarks is how many combining marks in a row are drawn; more of them climb
// over the lines above and below.
const maxMarks = 3

func countMarks(r rune, before int) int {
	if unicode.Is(unicode.M, r) {
		return before + 1
	}
	return 0
}

func writeVisible(b *strings.Builder, r rune, marks int, hides bool) {
	if marks <= maxMarks && !hides && Visible(r) {
		b.WriteRune(r)
		return
	}
	fmt.Fprintf(b, "<U+%04X>", r)
}

// Visible reports whether r is drawn as itself: a letter, mark, number,
// punctuation, symbol or the plain space, and none of those that look like
// nothing.
func Visible(r rune) bool {
	if r == ' ' {
		return true
	}
	if r < 0x7f {
		return r > 0x20
	}
	switch {
	case r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0100 && r <= 0xE01EF, r >= 0x180B && r <= 0x180F: // variation selectors
		return false
	case r == 0x034F, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5, r == 0x2800, r == 0x3164, r == 0xFFA0: // fillers and blanks
		return false
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S)
}

// cut splits off the first max characters and counts the rest.
func cut(s string, max int) (head string, more int) {
	if max <= 0 || len(s) <= max {
		return s, 0
	}
	n := 0
	for i := range s {
		if n == max {
			return s[:i], utf8.RuneCountInString(s[i:])
		}
		n++
	}
	return s, 0
}
