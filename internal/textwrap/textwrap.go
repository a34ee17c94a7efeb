// Package textwrap breaks text into lines that fit a terminal, at words, so that what
// goes on below cannot be taken for a line of its own: it begins as its line does.
package textwrap

import (
	"strings"
	"unicode"
)

// Text breaks each line of a text so that it fits into so many columns. What goes on
// below begins with the blanks, or the mark "| " behind them, that the line begins
// with. Nothing but blanks at the ends of broken lines is left out. How wide a
// character is drawn is guessed, rather too wide.
func Text(text string, columns int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		content, ended := strings.CutSuffix(line, "\n")
		head := beginning(content, columns/2)
		b.WriteString(Hang(head, head, content[len(head):], columns))
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// beginning returns the blanks that a line begins with, and a mark behind them, if they
// leave room for text.
func beginning(line string, most int) string {
	n := len(line) - len(strings.TrimLeft(line, " "))
	if n > 0 && strings.HasPrefix(line[n:], "| ") {
		n += len("| ")
	}
	if n > most {
		return ""
	}
	return line[:n]
}

// Hang breaks one line of text, the first behind one beginning and what goes on below
// behind another. Columns that leave no room for text are taken for more.
func Hang(first, rest, text string, columns int) string {
	var b strings.Builder
	b.WriteString(first)
	for head := first; ; head = rest {
		n := fits(text, max(columns-Width(head), 8))
		if n == len(text) {
			b.WriteString(text)
			return b.String()
		}
		line := text[:n]
		if blank := strings.LastIndexByte(line+text[n:n+1], ' '); blank > 0 && strings.TrimSpace(text[:blank]) != "" {
			line = text[:blank]
		}
		text = strings.TrimLeft(text[len(line):], " ")
		b.WriteString(strings.TrimRight(line, " "))
		if text == "" {
			return b.String()
		}
		b.WriteString("\n" + rest)
	}
}

// fits returns how many bytes of a text fit into so many columns: at least one
// character.
func fits(text string, columns int) int {
	width := 0
	for i, r := range text {
		if width += wide(r); width > columns && i > 0 {
			return i
		}
	}
	return len(text)
}

// Width guesses how many columns a text takes.
func Width(text string) (n int) {
	for _, r := range text {
		n += wide(r)
	}
	return n
}

func wide(r rune) int {
	switch {
	case r == '\t':
		return 8
	case r < 0x300, r >= 0x2010 && r <= 0x2027, r >= 0x2500 && r <= 0x257f && !unicode.IsControl(r): // Latin letters, dashes and quotes, lines of boxes
		return 1
	}
	return 2
}
