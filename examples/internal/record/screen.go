// Package record makes the picture of a recorded run that the README shows: a program
// runs at a pseudo-terminal, and what it wrote becomes an SVG. Its test runs the program
// again, so that the picture shows what the program prints today:
//
//	go test ./examples/internal/record -update
//
// makes the picture anew.
package record

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A cell is a character on the screen, and when it was drawn.
type cell struct {
	r     rune
	style string // what is chosen by "m", such as "1;32"; empty: nothing
	at    time.Duration
}

// A screen draws what a program writes to its terminal. It has as many rows as are
// needed, so nothing scrolls away.
type screen struct {
	columns int
	rows    [][]cell
	goesOn  map[int]bool // rows that are the rest of a line that did not fit
	row     int
	column  int
	style   string
	noWrap  bool
	part    []byte // of a character or a control sequence
}

var control = regexp.MustCompile(`^\x1b\[([?0-9;]*)([A-Za-z])`)

func newScreen(columns int) *screen { return &screen{columns: columns, goesOn: map[int]bool{}} }

// write draws what was written at a time since the beginning.
func (s *screen) write(p []byte, at time.Duration) {
	s.part = append(s.part, p...)
	for len(s.part) > 0 {
		if s.part[0] == 0x1b {
			m := control.FindSubmatch(s.part)
			if m == nil {
				return // the rest of it will come
			}
			s.part = s.part[len(m[0]):]
			s.control(string(m[1]), m[2][0])
			continue
		}
		if !utf8.FullRune(s.part) {
			return
		}
		r, n := utf8.DecodeRune(s.part)
		s.part = s.part[n:]
		s.draw(r, at)
	}
}

func (s *screen) draw(r rune, at time.Duration) {
	switch r {
	case '\n':
		s.row++
	case '\r':
		s.column = 0
	case '\b':
		s.column = max(0, s.column-1)
	case '\a':
	default:
		if s.column >= s.columns {
			if s.noWrap {
				return
			}
			s.row, s.column = s.row+1, 0
			s.goesOn[s.row] = true
		}
		line := s.line()
		for len(*line) <= s.column {
			*line = append(*line, cell{r: ' ', at: at})
		}
		(*line)[s.column] = cell{r, s.style, at}
		s.column++
	}
}

func (s *screen) line() *[]cell {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, nil)
	}
	return &s.rows[s.row]
}

func (s *screen) control(args string, command byte) {
	n, err := strconv.Atoi(args)
	if err != nil {
		n = 0
	}
	switch command {
	case 'm':
		if args == "0" || args == "" {
			s.style = ""
		} else {
			s.style = strings.Trim(s.style+";"+args, ";")
		}
	case 'K':
		if line := s.line(); n == 0 {
			*line = (*line)[:min(s.column, len(*line))]
		} else {
			*line = nil
		}
	case 'A':
		s.row = max(0, s.row-max(1, n))
	case 'G':
		s.column = max(1, n) - 1
	case 'J':
		s.control("0", 'K')
		s.rows = s.rows[:min(len(s.rows), s.row+1)]
	case 'l', 'h':
		if args == "?7" {
			s.noWrap = command == 'l'
		}
	}
}

// text returns a row as it can be read.
func text(row []cell) string {
	var b strings.Builder
	for _, c := range row {
		b.WriteRune(c.r)
	}
	return strings.TrimRight(b.String(), " ")
}

// lines returns what can be read, line by line as the program wrote them.
func (s *screen) lines() []string {
	var rows []string
	for _, row := range s.rows {
		rows = append(rows, text(row))
	}
	return join(rows, s.goesOn)
}

// join puts the rows of each line together.
func join(rows []string, goesOn map[int]bool) (lines []string) {
	for i, row := range rows {
		if goesOn[i] && i > 0 {
			lines[len(lines)-1] += row
		} else {
			lines = append(lines, row)
		}
	}
	return lines
}

// last returns the row of the cursor, with the spaces at its end.
func (s *screen) last() string {
	var b strings.Builder
	for _, c := range *s.line() {
		b.WriteRune(c.r)
	}
	return b.String()
}
