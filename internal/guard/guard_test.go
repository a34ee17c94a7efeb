package guard_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/duvotool/duvotool/internal/guard"
	"github.com/stretchr/testify/require"
)

var (
	errKind = errors.New("their code broke")
	errOwn  = errors.New("what it told")
)

// What others wrote returns, panics, or ends its goroutine.
func TestHowItEnds(t *testing.T) {
	for name, c := range map[string]struct {
		f     func() error
		is    error // nil: none
		says  string
		leave bool // its goroutine does not go on
	}{
		"it returns":              {f: func() error { return nil }},
		"it returns an error":     {f: func() error { return errOwn }, is: errOwn},
		"it panics":               {f: func() error { panic("boom") }, is: errKind, says: "boom"},
		"it panics with an error": {f: func() error { panic(errOwn) }, is: errKind, says: errOwn.Error()},
		"it panics with nil":      {f: func() error { panic(nil) }, is: errKind, says: "nil"},
		"the runtime panics":      {f: func() error { var none []string; return errors.New(none[len(none)]) }, is: errKind, says: "out of range"},
		"it panics at length":     {f: func() error { panic(strings.Repeat("x\n\x1b[31m", 1000)) }, is: errKind, says: "x"},
		"it ends its goroutine":   {f: func() error { runtime.Goexit(); return nil }, is: errKind, says: "Goexit", leave: true},
		"it ends it in a defer":   {f: func() error { defer runtime.Goexit(); return nil }, is: errKind, says: "Goexit", leave: true},
		"it ends it in a panic":   {f: func() error { defer runtime.Goexit(); panic("boom") }, is: errKind, leave: true},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(err error) {
				require.ErrorIs(t, err, c.is)
				if c.is != nil {
					require.Contains(t, err.Error(), c.says)
					require.Less(t, len(err.Error()), 2000)
					require.NotContains(t, err.Error(), "\n")
					require.NotContains(t, err.Error(), "\x1b")
				}
			}
			check(guard.Run(errKind, c.f))

			var told []error
			went := false
			var other sync.WaitGroup
			other.Go(func() {
				guard.Then(errKind, c.f, func(err error) { told = append(told, err) })
				went = true
			})
			other.Wait()
			require.Len(t, told, 1, "it is told once")
			check(told[0])
			require.Equal(t, !c.leave, went)
		})
	}
}
