package duvo

import (
	"fmt"

	"github.com/duvotool/duvotool/internal/errtext"
)

// A bodyError is an answer that can be read, but not understood. It matches
// ErrMalformed. Asking again at once would bring the same.
type bodyError struct {
	op     string
	err    error
	effect bool
}

// tooLargeError is an answer over so many bytes.
type tooLargeError struct{ bound int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.bound)
}

func (e *tooLargeError) Unwrap() error { return ErrTooLarge }

func badBody(op string, err error, mutation bool) error { return &bodyError{op, err, mutation} }

func (e *bodyError) Error() string {
	return errtext.Once("duvo: " + e.op + ": unexpected answer: " + e.err.Error())
}

func (e *bodyError) Unwrap() []error { return []error{e.err, ErrMalformed} }

func (e *bodyError) NoEffect() bool { return !e.effect }

// A settledError is a failure that all attempts it deserved were made for.
type settledError struct{ err error }

func (e *settledError) Error() string { return e.err.Error() }

func (e *settledError) Unwrap() error { return e.err }

// A doubtError is a failure that itself did nothing, after an attempt that
// may have.
type doubtError struct{ err error }

func (e *doubtError) Error() string { return e.err.Error() }

func (e *doubtError) Unwrap() error { return e.err }

func (e *doubtError) NoEffect() bool { return false }

// noEffect marks an error of a mutation that was never sent.
func noEffect(err error) error {
	if !MayHaveTakenEffect(err) {
		return err
	}
	return &unsentError{err}
}

type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }

func (e *unsentError) Unwrap() error { return e.err }

func (e *unsentError) NoEffect() bool { return true }
