package terminal

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// A reader that panics or ends its goroutine is an input that is at its end.
func TestReaderThatBreaks(t *testing.T) {
	for name, r := range map[string]reader{
		"panics": func([]byte) (int, error) { panic("boom") },
		"exits":  func([]byte) (int, error) { runtime.Goexit(); return 0, errors.New("not reached") },
	} {
		s := newStream(r)
		for range 2 {
			_, err := s.line(t.Context())
			require.ErrorIs(t, err, ErrNoInput, name)
			require.ErrorIs(t, err, errReader, name)
		}
	}
}
