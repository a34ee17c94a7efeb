// Package guard calls code that others wrote, so that its panic, and its end of
// the goroutine by runtime.Goexit (as testify's require does), is an error and not
// the end of the process, nor of the goroutine that waits for it.
package guard

import (
	"fmt"

	"github.com/duvotool/duvotool/internal/safetext"
)

// Run calls f in a goroutine of its own, waits for it, and returns its error, or
// one that wraps kind where it panicked or ended its goroutine.
func Run(kind error, f func() error) error {
	done := make(chan error, 1)
	go Then(kind, f, func(err error) { done <- err })
	return <-done
}

// Then is Run in the goroutine of the caller, which then is called in too, also
// where f ends that goroutine: then Then does not return.
func Then(kind error, f func() error, then func(error)) {
	var err error
	ended := true // its goroutine, unless it returns or panics
	defer func() {
		if ended { // also by the panic's own words
			err = fmt.Errorf("%w: it ended its goroutine (runtime.Goexit)", kind)
		}
		then(err)
	}()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s", kind, safetext.OneLine(fmt.Sprint(p), 500))
			ended = false
		}
	}()
	err = f()
	ended = false
}
