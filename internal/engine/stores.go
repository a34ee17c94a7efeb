package engine

import (
	"errors"
	"sync"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// Writes is what is known of a journal or an audit log.
type Writes struct {
	There   bool
	Failing bool      // the last attempt to write failed
	Since   time.Time // since when that is so, or not so; zero: nothing was tried
	Tried   time.Time // when it was tried last; zero: never
	Probed  bool      // it tells by itself whether it can be written
}

// writes is how attempts to write have ended. Its methods may be called at once.
type writes struct {
	mu    sync.Mutex
	known Writes
}

func (w *writes) note(err error) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known.Since.IsZero() || w.known.Failing != (err != nil) {
		w.known.Failing, w.known.Since = err != nil, now
	}
	w.known.Tried = now
}

func (w *writes) get() Writes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known
}

// writeFailure is what of a journal's answer tells that it cannot be written: that a
// record is somebody else's, or too large, is no such thing.
func writeFailure(err error) error {
	if errors.Is(err, journal.ErrConflict) || errors.Is(err, journal.ErrTooLarge) {
		return nil
	}
	return err
}

// A probe is a look at whether a journal or an audit log can be written, one at a time.
type probe struct {
	mu   sync.Mutex
	done chan struct{} // closed at its end; nil: none goes on
}
