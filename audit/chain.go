package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/duvotool/duvotool/internal/errtext"
)

// Verify reads an audit file and tells whether each line follows the one
// before. It returns how many lines there are and the hash of the last. Where a
// count and hash from an earlier [File.Head] are given (count zero: none),
// the file must still hold that line: otherwise its tail was cut, or it is
// another file.
//
// An audit that was continued in other files is read as one, the oldest first, as
// [Open] does. One whose beginning is missing is refused, unless the count and hash
// given are those of the last line before it: then what is missing was verified
// when they were kept.
func Verify(r io.Reader, count int64, hash string) (lines int64, last string, err error) {
	seen := count == 0
	var bare bareLines
	c, err := readLines(r, func(l line) bool {
		bare.note(l)
		seen = seen || l.number == count && l.hash == hash || l.number == count+1 && l.prev == hash
		return true
	})
	switch {
	case err != nil:
	case c.first > 1 && (count == 0 || c.first > count+1):
		err = fmt.Errorf("duvotool: the audit file begins with line %d: the files before it are missing; give them too, or the count and hash of the line before it", c.first)
	case bare.unexplained() > 0:
		err = fmt.Errorf("duvotool: the audit file: the texts of line %d are gone, and no record tells that they were erased: they were taken away, or the files behind it are missing", bare.unexplained())
	case !seen:
		err = fmt.Errorf("duvotool: the audit file does not hold its line %d as it was: it was cut or exchanged", count)
	}
	return c.count, c.head, err
}

var errBreaksOff = errors.New("duvotool: the audit file breaks off")

// A line is one of a file, as it was read.
type line struct {
	number int64
	hash   string
	prev   string // the hash of the line before
	size   int64  // bytes, with its end
	record Record
	erased bool   // its texts were taken off it
	sealed bool   // its texts can be, or were
	text   []byte // without its end
}

// A chain is what the lines of a file come to.
type chain struct {
	head  string // the hash of the last line
	count int64  // its number
	first int64  // the number of the first line; zero: there is none
}

// readLines tells each line, until each returns false. The first one is line 1, or
// one that continues another file.
func readLines(r io.Reader, each func(line) bool) (c chain, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return c, nil
		}
		if err != nil {
			return chain{}, errtext.Errorf("%w in line %d", errBreaksOff, c.count+1)
		}
		l, hash, err := decodeLine(text)
		if err != nil {
			return chain{}, fmt.Errorf("duvotool: the audit file: line %d: %w", c.count+1, err)
		}
		if c.first == 0 && l.Event == Continued && l.Seq > 1 {
			c = chain{l.Prev, l.Seq - 1, l.Seq}
		}
		if l.Seq != c.count+1 || l.Prev != c.head {
			return chain{}, fmt.Errorf("duvotool: the audit file: line %d does not follow the one before: something was changed, left out or put in", c.count+1)
		}
		c = chain{hash, c.count + 1, max(c.first, 1)}
		if !each(line{c.count, c.head, l.Prev, int64(len(text) + 1), l.Record, l.erased(), l.Sealed != "", text}) {
			return c, nil
		}
	}
}

// readLine reads a bounded line without its end. A last line without an end is
// io.EOF with what there is.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		case len(line) > maxLine:
			return line, errors.New("too long")
		}
	}
}
