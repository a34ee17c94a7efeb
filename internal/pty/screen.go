// Package pty runs programs of tests at a pseudo-terminal, and shows what a
// person at it would see. It works on Linux.
package pty

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Screen takes what a program writes to its terminal and holds what can be
// seen of it. It knows line feeds, carriage returns, backspaces and the erasure
// of a line, counts colours and draws none, and shows every other control sequence as
// it is, since programs that are tested with it have no use for them. Its zero value is
// empty. It is safe for concurrent use.
type Screen struct {
	mu      sync.Mutex
	lines   [][]rune
	column  int
	escape  string // a control sequence that is not complete
	part    []byte // a character that is not complete
	colours int
	changed chan struct{}
}

// Write draws p.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part = append(s.part, p...)
	for len(s.part) > 0 && utf8.FullRune(s.part) {
		r, n := utf8.DecodeRune(s.part)
		s.part = s.part[n:]
		s.draw(r)
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return len(p), nil
}

func (s *Screen) draw(r rune) {
	if len(s.lines) == 0 {
		s.lines = [][]rune{nil}
	}
	last := &s.lines[len(s.lines)-1]
	switch {
	case s.escape != "" || r == 0x1b:
		s.escape += string(r)
		s.control(last)
	case r == '\n':
		s.lines, s.column = append(s.lines, nil), 0
	case r == '\r':
		s.column = 0
	case r == '\b':
		s.column = max(0, s.column-1)
	case s.column < len(*last):
		(*last)[s.column] = r
		s.column++
	default:
		*last = append(*last, r)
		s.column++
	}
}

func (s *Screen) control(line *[]rune) {
	switch s.escape {
	case "\x1b[K":
		*line = (*line)[:min(s.column, len(*line))]
	case "\x1b[?7l", "\x1b[?7h": // whether long lines go on below; here they never do
	default:
		end := s.escape[len(s.escape)-1]
		if len(s.escape) < 3 || !(end >= 'A' && end <= 'Z' || end >= 'a' && end <= 'z') {
			return
		}
		if end == 'm' {
			s.escape = ""
			s.colours++
			return
		}
		*line = append(*line, []rune(fmt.Sprintf("<%q>", s.escape))...)
		s.column = len(*line)
	}
	s.escape = ""
}

// Colours tells how often a colour was chosen, or left.
func (s *Screen) Colours() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.colours
}

// String returns what can be seen.
func (s *Screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text()
}

func (s *Screen) text() string {
	var lines []string
	for _, l := range s.lines {
		lines = append(lines, string(l))
	}
	return strings.Join(lines, "\n")
}

// Wait waits until ok holds of what can be seen, and returns that. An error says
// what was seen instead.
func (s *Screen) Wait(ctx context.Context, ok func(text string) bool) (string, error) {
	for {
		s.mu.Lock()
		text := s.text()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if ok(text) {
			return text, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return text, fmt.Errorf("%w; on the screen is:\n%s", context.Cause(ctx), text)
		}
	}
}
