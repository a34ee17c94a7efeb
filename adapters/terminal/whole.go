package terminal

import (
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// whole is a request with nothing cut.
func whole(r hitl.Request) string {
	var b strings.Builder
	for _, p := range r.Texts() {
		if p.Text != "" {
			fmt.Fprintf(&b, "%s:\n  | %s\n", p.Name, strings.ReplaceAll(p.Text, "\n", "\n  | "))
		}
	}
	return b.String()
}

// paginate cuts a text into pages that fit a screen.
func paginate(text string, columns, rows int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, wrap(strings.TrimSuffix(line, "\n"), columns)...)
	}
	var pages []string
	for len(lines) > 0 {
		n := min(rows, len(lines))
		pages = append(pages, strings.Join(lines[:n], "\n")+"\n")
		lines = lines[n:]
	}
	return pages
}

// wrap breaks a line into lines that fit. How wide a character is drawn is
// guessed, rather too wide.
func wrap(line string, columns int) []string {
	var out []string
	start, width := 0, 0
	for i, r := range line {
		w := 2
		switch {
		case r == '\t':
			w = 8
		case r < 0x300:
			w = 1
		}
		if width+w > columns && i > start {
			out = append(out, line[start:i])
			start, width = i, 0
		}
		width += w
	}
	return append(out, line[start:])
}
