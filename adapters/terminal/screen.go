package terminal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// maxHeld is how much output is held back while a question is open, in bytes.
const maxHeld = 64 << 10

const (
	clearLine = "\r\x1b[K"
	wrapOff   = "\x1b[?7l" // what is too long for the line is not shown
	wrapOn    = "\x1b[?7h"
)

// A Screen is the one writer of a terminal that an [Operator] and the rest of
// the program share. While a question is open the prompt stays the last thing on
// the screen: what the program writes meanwhile is held back and follows the
// answer. Should that become more than 64 KiB it is printed, and the question
// once more below it.
//
// Give it to [New] as the output, and write progress, logs and everything else
// that goes to the same terminal through it. It is safe for concurrent use.
type Screen struct {
	out  io.Writer
	live bool // a terminal, whose last line may change

	waiting  atomic.Int64  // questions, with the one that is open
	turn     chan struct{} // holds one token: whose question may be open
	lastEnd  time.Time     // of the question before; of the holder of turn
	lastGone bool          // it went away without an answer; of the holder of turn

	mu       sync.Mutex
	open     bool   // a question is
	question string // what was shown when it was opened
	prompt   string // below it
	held     []byte
	status   string
	drawn    bool // the status is on the screen
	unended  bool // the last line that was written has no end yet
}

// NewScreen returns a screen that writes to out. Nothing but plain lines is
// written unless out is a terminal.
func NewScreen(out io.Writer) *Screen {
	s := &Screen{out: out, live: isScreen(out), turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// isScreen reports whether a line can be drawn anew at out. A device that is no
// terminal, such as the null device, does not mind.
func isScreen(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || runtime.GOOS == "windows" || os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Write prints p, now or once no question is open. Text of strangers must have
// been made safe, see [hitl.SafeText].
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.open {
		return s.print(p)
	}
	s.held = append(s.held, p...)
	if len(s.held) <= maxHeld {
		return len(p), nil
	}
	above := append([]byte("\n"), s.held...)
	if !bytes.HasSuffix(above, []byte("\n")) {
		above = append(above, '\n')
	}
	s.held = nil
	if _, err := s.out.Write(append(above, s.question+s.prompt...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Status shows a line below everything else, in the place of the one before,
// until it is called with an empty line. It is for what changes all the time. It
// is cut to the width of the terminal, made safe, hidden while a question is
// open, and not shown at all where the output is no terminal.
func (s *Screen) Status(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line = hitl.SafeLine(line, 500)
	if !s.live || line == s.status {
		return
	}
	s.status = line
	if !s.open {
		_, _ = s.print(nil)
	}
}

// print is called with mu held and no question open.
func (s *Screen) print(p []byte) (int, error) {
	var b []byte
	if s.drawn {
		b, s.drawn = append(b, clearLine...), false
	}
	b = append(b, p...)
	if len(p) > 0 {
		s.unended = p[len(p)-1] != '\n'
	}
	if s.status != "" && !s.unended {
		b, s.drawn = append(b, wrapOff+s.status+wrapOn...), true
	}
	if len(b) == 0 {
		return 0, nil
	}
	if _, err := s.out.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// takeTurn waits until no other question is asked.
func (s *Screen) takeTurn(ctx context.Context) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		s.passTurn()
		return context.Cause(ctx)
	}
	return nil
}

func (s *Screen) passTurn() { s.turn <- struct{}{} }

// hasty reports whether what the person types now may be meant for the question
// before. The holder of turn calls it.
func (s *Screen) hasty() bool {
	return s.lastGone || !s.lastEnd.IsZero() && time.Since(s.lastEnd) < soon
}

// behind tells how many questions wait behind the one that is open, on a line; empty:
// none.
func (s *Screen) behind() string {
	switch n := s.waiting.Load() - 1; {
	case n < 1:
		return ""
	case n == 1:
		return "(1 more request waits behind this one.)\n"
	default:
		return fmt.Sprintf("(%d more requests wait behind this one.)\n", n)
	}
}

// show opens a question.
func (s *Screen) show(question string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := ""
	switch {
	case s.drawn:
		before = clearLine
	case s.unended:
		before = "\n"
	}
	s.open, s.question, s.prompt, s.drawn, s.unended = true, question, "", false, false
	_, err := io.WriteString(s.out, before+question)
	return err
}

// say shows more of the question that is open: a prompt, or what leads to one.
func (s *Screen) say(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompt = text
	_, err := io.WriteString(s.out, text)
	return err
}

// close ends the question; what was held back follows.
func (s *Screen) close(farewell string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.held
	s.open, s.question, s.prompt, s.held = false, "", "", nil
	_, _ = s.print(append([]byte(farewell), held...))
}
