package engine

import (
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// What a ledger believes of what its journal tells: a record that is encrypted is
// bound to where it was put, and no record goes back to what it was before.

// An unusable error is of a record that cannot be used, now or later, as long as
// nobody sees to it.
type unusable struct{ error }

func (e *unusable) Unwrap() error { return e.error }

// A witness remembers which revisions of records a process has seen. Its methods
// may be called at once.
type witness struct {
	mu   sync.Mutex
	seen map[string]mark
}

// A mark is how a record was seen last.
type mark struct {
	revision uint64
	at       time.Time
	done     bool
}

// last returns the mark of a record as it is before a read. The zero mark is of
// one that was not seen.
func (w *witness) last(key string) mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[key]
}

// saw notes a record that was read or put.
func (w *witness) saw(r journal.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[string]mark{}
	}
	if m := w.seen[r.Key]; r.Revision > m.revision || r.At.After(m.at) {
		w.seen[r.Key] = mark{r.Revision, r.At, r.Done}
	}
}

// forget drops what was put before a time: it may be forgotten by the journal
// too, and its key be used anew.
func (w *witness) forget(before time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, m := range w.seen {
		if m.at.Before(before) {
			delete(w.seen, key)
		}
	}
}

func wentBack(key string, from, to uint64) error {
	return &unusable{fmt.Errorf("%w: the record %s went back from revision %d to %d: somebody has put an older one in its place", journal.ErrFailed, key, from, to)}
}

// vanished tells what is wrong with a record that is not there; nil if nothing is.
func (m mark) vanished(key string, retention time.Duration) error {
	if m.revision == 0 || m.done || time.Since(m.at) > retention { // else others may have done and forgotten it
		return nil
	}
	return &unusable{fmt.Errorf("%w: the record %s, which was not done, is gone", journal.ErrFailed, key)}
}
