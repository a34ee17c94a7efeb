package terminal

import (
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// A part is one of the texts of a request, whole and safe to print.
type part struct{ name, text string }

// parts are all that a request says.
func parts(r hitl.Request) []part {
	out := []part{{"Title", hitl.SafeLine(r.Title, 0)}, {"Description", hitl.SafeText(r.Description, 0)}}
	for i, q := range r.Questions {
		out = append(out, part{fmt.Sprintf("Question %d", i+1), hitl.SafeLine(q.Question, 0)})
		for j, o := range q.Options {
			name := fmt.Sprintf("Option %d of question %d", j+1, i+1)
			out = append(out, part{name, hitl.SafeLine(o.Label, 0)}, part{name + ", its description", hitl.SafeLine(o.Description, 0)})
		}
	}
	return append(out,
		part{"Assignment", hitl.SafeLine(r.Assignment.Name, 0)},
		part{"Assignment's ID", hitl.SafeLine(r.Assignment.ID, 0)},
		part{"Build", hitl.SafeLine(r.BuildID, 0)},
		part{"Job", hitl.SafeLine(r.JobID, 0)},
		part{"The Job was started with", hitl.SafeText(r.Input, 0)},
		part{"Added since, in the model's own words", hitl.SafeText(r.FollowUp, 0)})
}

// showsAll reports whether each of a request's texts stands whole in what is
// shown of it, indented or not.
func showsAll(shown string, r hitl.Request) bool {
	shown = flush(shown)
	for _, p := range parts(r) {
		if !strings.Contains(shown, flush(p.text)) {
			return false
		}
	}
	return true
}

// flush takes the indents away.
func flush(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], " |\t")
	}
	return strings.Join(lines, "\n")
}

// whole is a request with nothing cut.
func whole(r hitl.Request) string {
	var b strings.Builder
	for _, p := range parts(r) {
		if p.text != "" {
			fmt.Fprintf(&b, "%s:\n  | %s\n", p.name, strings.ReplaceAll(p.text, "\n", "\n  | "))
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
