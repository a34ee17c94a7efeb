package main

import (
	"cmp"
	"io"
	"os"
	"strings"

	"github.com/duvotool/duvotool/internal/textwrap"
	"golang.org/x/term"
)

// A look is how text is laid out for where it goes to: a terminal of some width, with
// colours or without, or a file or pipe.
type look struct {
	file   *os.File // the terminal; nil: there is none
	colour bool
	lines  bool // the characters of which boxes are drawn can be shown
}

// widest is how many columns text has at most: longer lines are hard to read.
const widest = 100

// lookOf tells how text is to look that is written to w.
func lookOf(w io.Writer) look {
	locale := strings.ToLower(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")))
	l := look{lines: strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return l
	}
	l.file = f
	kind := os.Getenv("TERM")
	l.colour = os.Getenv("NO_COLOR") == "" && kind != "" && kind != "dumb"
	return l
}

// columns is the width for text now: people make windows larger and smaller.
func (l look) columns() int {
	if l.file != nil {
		if columns, _, err := term.GetSize(int(l.file.Fd())); err == nil && columns >= 20 {
			return min(columns, widest)
		}
	}
	return 80
}

// The colours: few, and nothing is told by them alone.
const (
	bold  = "1"
	faint = "2"
	good  = "32"
	bad   = "33"
)

// in returns a text in a colour.
func (l look) in(colour, text string) string {
	if !l.colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// title is the first line.
func (l look) title(text string) string {
	return l.in(bold, textwrap.Hang("", "", text, l.columns())) + "\n"
}

// fact is a line that tells what something is.
func (l look) fact(name, text string) string {
	const indent = "          " // as wide as the clock
	broken := textwrap.Hang(indent, indent, text, l.columns())
	head := "  " + name
	return l.in(faint, head) + strings.Repeat(" ", max(1, len(indent)-len(head))) + broken[len(indent):] + "\n"
}

// box puts text into a box that is open to the right, so that characters whose width
// nobody knows do not break it. The title is safe to print, and short.
func (l look) box(colour, title, text string) string {
	corner, line, side, end := "+-", "-", "| ", "+-"
	if l.lines {
		corner, line, side, end = "┌─", "─", "│ ", "└─"
	}
	columns := l.columns()
	rest := max(0, columns-textwrap.Width(corner+" "+title+" "))
	var b strings.Builder
	b.WriteString(l.in(colour, corner+" ") + l.in(bold, l.in(colour, title)) + l.in(colour, " "+strings.Repeat(line, rest)) + "\n")
	for part := range strings.Lines(textwrap.Text(text, columns-textwrap.Width(side))) {
		part = strings.TrimRight(part, " \n")
		if part == "" {
			b.WriteString(l.in(colour, strings.TrimRight(side, " ")) + "\n")
			continue
		}
		b.WriteString(l.in(colour, side) + part + "\n")
	}
	b.WriteString(l.in(colour, end+strings.Repeat(line, max(0, columns-textwrap.Width(end)))) + "\n")
	return b.String()
}
