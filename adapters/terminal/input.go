package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/duvotool/duvotool/internal/guard"
)

// errReader is a reader of the user's that panicked, or ended its goroutine.
var errReader = errors.New("the reader panicked")

// maxLine bounds a line, in bytes.
const maxLine = 64 << 10

// An input hands over what the person types.
type input interface {
	// fresh reports whether discard leaves nothing behind that was typed before.
	fresh() bool
	// discard throws away what was typed so far, as far as that is possible. It
	// reports whether there were whole lines.
	discard() bool
	// line waits for a line with an end and returns it without that.
	line(ctx context.Context) (string, error)
	// size tells how many columns and rows of text fit on the screen.
	size() (columns, rows int)
}

// A stream is any reader. When its bytes were written cannot be told.
type stream struct {
	in      *bufio.Reader
	reading bool // a goroutine reads a line
	read    chan readLine
	err     error // the input is at its end
}

type readLine struct {
	text string
	err  error
}

func newStream(in io.Reader) *stream {
	return &stream{in: bufio.NewReaderSize(in, maxLine), read: make(chan readLine, 1)}
}

func (s *stream) fresh() bool { return false }

func (s *stream) size() (columns, rows int) { return 80, 24 }

func (s *stream) discard() bool {
	select {
	case l := <-s.read:
		s.reading, s.err = false, l.err
		return l.err == nil
	default:
		return false
	}
}

func (s *stream) line(ctx context.Context) (string, error) {
	if s.err != nil {
		return "", s.err
	}
	if !s.reading {
		s.reading = true
		var text string
		go guard.Then(errReader, func() error {
			b, err := s.in.ReadSlice('\n')
			if err == nil { // else what there is of a line has no end, or is too long
				text = string(b[:len(b)-1])
			}
			return err
		}, func(err error) {
			if err != nil {
				s.read <- readLine{err: noInput(err)}
				return
			}
			s.read <- readLine{text: text}
		})
	}
	select {
	case l := <-s.read:
		s.reading, s.err = false, l.err
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func noInput(err error) error {
	if err == io.EOF {
		return ErrNoInput
	}
	return fmt.Errorf("%w: %w", ErrNoInput, err)
}
