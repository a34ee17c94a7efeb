package terminal

import (
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/textwrap"
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
	for line := range strings.Lines(textwrap.Text(text, columns)) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	var pages []string
	for len(lines) > 0 {
		n := min(rows, len(lines))
		pages = append(pages, strings.Join(lines[:n], "\n")+"\n")
		lines = lines[n:]
	}
	return pages
}
