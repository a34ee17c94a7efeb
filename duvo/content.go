package duvo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/duvotool/duvotool/internal/guard"
)

// What an upload reads.

var (
	errShort = fmt.Errorf("%w: the content ended before its size was reached", ErrInvalid)
	errLong  = fmt.Errorf("%w: the content is longer than its size", ErrInvalid)
	errOver  = errors.New("the upload is over")
)

// opener returns a function that gives the content of r, and whether it can do
// so again.
func opener(r io.Reader, size int64) (open func() (io.ReadCloser, error), again bool) {
	at, isAt := r.(io.ReaderAt)
	seeker, isSeeker := r.(io.Seeker)
	if isAt && isSeeker && size > MaxDirectUpload {
		if from, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			return func() (io.ReadCloser, error) {
				return io.NopCloser(io.NewSectionReader(at, from, size+1)), nil // one more, to see what is too long
			}, true
		}
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(r), nil }, false
}

// readExactly reads a content that has so many bytes.
func readExactly(open func() (io.ReadCloser, error), size int64) ([]byte, error) {
	content, err := open()
	if err != nil {
		return nil, err
	}
	defer content.Close()
	var b bytes.Buffer
	b.Grow(int(size) + bytes.MinRead)
	if _, err := b.ReadFrom(&exactReader{src: content, left: size}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// An exactReader reads so many bytes of a source. It fails where there are
// fewer, and where there are more before it gives away the last one, so that
// nothing wrong is ever sent whole. What the source fails or panics with is
// kept: net/http words it differently, or dies of it.
type exactReader struct {
	mu    sync.Mutex // held while src is read
	src   io.Reader
	left  int64
	moved func() // called when something was read; may be nil
	err   error
}

func (e *exactReader) Read(p []byte) (n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return 0, e.err
	}
	done := false
	err = guard.Run(errContent, func() (err error) {
		n, err = e.read(p)
		done = true
		return err
	})
	if !done {
		n, e.err = 0, err
	}
	return n, err
}

var errContent = errors.New("the content panicked")

func (e *exactReader) read(p []byte) (n int, err error) {
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	if len(p) > 0 {
		if n, err = e.src.Read(p); n > 0 && e.moved != nil {
			e.moved()
		}
		e.left -= int64(n)
	}
	switch {
	case err != nil && err != io.EOF:
		e.err = err
	case e.left > 0 && err == io.EOF:
		e.err = errShort
	case e.left > 0:
		return n, nil
	case err == io.EOF:
		e.err = io.EOF
		return n, nil
	default:
		e.err = e.more()
		if e.err == io.EOF {
			return n, nil
		}
	}
	return 0, e.err
}

// more looks whether the source goes on: io.EOF if it does not.
func (e *exactReader) more() error {
	var one [1]byte
	for range 100 {
		switch n, err := e.src.Read(one[:]); {
		case n > 0:
			return errLong
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// stop ends the reading of the source, which net/http may do for a while after
// it has returned, and tells what was wrong with the source.
func (e *exactReader) stop() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.err
	e.err = errOver
	if was == io.EOF || was == errOver {
		return nil
	}
	return was
}

// Close does nothing: who opened the source closes it.
func (e *exactReader) Close() error { return nil }
