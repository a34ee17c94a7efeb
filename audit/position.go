package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
)

// A Position is a place in an audit, behind a line that was read. The zero Position
// is its beginning. It is not safe for concurrent use.
type Position struct {
	Line   int64  // that was read last, from 1
	Hash   string // of that line
	Offset int64  // bytes up to its end
	size   int64  // of that line, with its end
}

// ErrMoved is an audit that does not hold at a [Position] what was read there: it was
// cut, exchanged, or begins later than it did. It is to be read anew.
var ErrMoved = errors.New("duvotool: the audit does not hold what was read of it before")

// ReadOn reads the lines behind a position, as [Read] does, and moves the position
// behind each that it yields. So an audit that grows is read once, and then as far as
// it has grown. It ends with an error that matches [ErrMoved] where the line before
// the position is not there any more as it was.
func (p *Position) ReadOn(r io.ReadSeeker) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		in, err := p.seek(r)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for {
			text, err := readLine(in)
			if errors.Is(err, io.EOF) {
				return // the last line has no end, or there is none
			}
			var e Entry
			if err == nil {
				e, err = p.next(text)
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("duvotool: the audit file: line %d: %w", p.Line+1, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// seek goes to the position, and makes sure that the line before it is the one that
// was read.
func (p *Position) seek(r io.ReadSeeker) (*bufio.Reader, error) {
	_, err := r.Seek(p.Offset-p.size, io.SeekStart)
	in := bufio.NewReaderSize(r, 64<<10)
	if err != nil || p.Line == 0 {
		return in, err
	}
	text, err := readLine(in)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("duvotool: the audit file: %w", err)
	case err != nil || !p.isAt(text):
		return nil, fmt.Errorf("%w, in line %d", ErrMoved, p.Line)
	}
	return in, nil
}

// isAt reports whether a line is the one that was read last.
func (p *Position) isAt(text []byte) bool {
	_, hash, err := decodeLine(text)
	return err == nil && hash == p.Hash && int64(len(text))+1 == p.size
}

// next takes the line that follows.
func (p *Position) next(text []byte) (Entry, error) {
	l, hash, err := decodeLine(text)
	if err != nil {
		return Entry{}, err
	}
	if p.Line == 0 && l.Event == Continued && l.Seq > 1 { // the files before this one are not there
		p.Line, p.Hash = l.Seq-1, l.Prev
	}
	if l.Seq != p.Line+1 || l.Prev != p.Hash {
		return Entry{}, errors.New("it does not follow the one before: something was changed, left out or put in")
	}
	p.size = int64(len(text)) + 1
	p.Line, p.Hash, p.Offset = l.Seq, hash, p.Offset+p.size
	return Entry{Line: p.Line, Hash: p.Hash, Erased: l.erased(), Record: l.Record}, nil
}
