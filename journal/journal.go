package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// A Journal keeps what a registry must remember of its operations, so that a
// process that ends at any moment, and the next one that takes up its Jobs,
// lose nothing and do nothing twice. [NewMemory] is one that lives as
// long as the process, package adapters/bolt has one on disk, and
// duvotooltest.TestJournal tests others.
//
// Records are opaque and change by compare-and-set, so that several processes
// can share a journal: of two that decide one request, one wins. All methods may
// be called at once. They do not keep or change the slices they are given, and
// the caller may change those that they return.
type Journal interface {
	// Put stores a record in place of the one with its key, if that has the
	// revision r.Revision, and returns the revision that it has from now on,
	// r.Revision+1. Revision zero means that there is none yet. Otherwise
	// nothing is stored, and the error matches ErrConflict. A journal with [Leases]
	// stores a record that has a term only where its key is owned under that term;
	// otherwise the error matches ErrFenced, whatever the revision is. When Put has
	// returned nil the record outlives the process and the machine's power.
	// After any other error it may be stored or not, but is never stored in
	// part.
	Put(ctx context.Context, r Record) (revision uint64, err error)

	// Get returns the record with this key, or an error that matches
	// ErrNoRecord.
	Get(ctx context.Context, key string) (Record, error)

	// Unfinished lists the records that are not done, in any order, at least
	// all that are there from the beginning to the end. Ranging again lists
	// again. An error ends the list.
	Unfinished(ctx context.Context) iter.Seq2[Record, error]

	// Forget deletes the records that are done and were put before a time, and
	// returns how many.
	Forget(ctx context.Context, before time.Time) (int, error)
}

// A Prober is a [Journal] that tells whether it can be written, without a record.
// Ready returns nil, an error that matches [ErrUnavailable], or one that needs a
// person. After a failure it tries to write; else it costs little.
type Prober interface {
	Ready(context.Context) error
}

// A Record is one entry of a [Journal].
type Record struct {
	Key      string    // 1 to 64 ASCII letters, digits, '-' and '_'
	Revision uint64    // zero: not stored yet
	Done     bool      // nothing more will be done about it: once old, it may be forgotten
	At       time.Time // when it was put, by the registry's clock; it must come back as it was given
	Data     []byte    // opaque: some KiB, and at most some MiB; of a finished operation at most 4 MiB

	// These are for a journal with [Leases]. Others need not keep them.
	Stage Stage     // what is known of the operation without its data
	Since time.Time // since when its Job waits for a person; zero: it does not
	Term  uint64    // Put: of the lease under which it is put; zero: under none, so that only the revision counts. Get and Unfinished: as it was put
}

// What a journal's error may match.
var (
	// ErrConflict is a record that was put by somebody else meanwhile.
	ErrConflict = errors.New("duvotool: the journal's record has another revision")

	// ErrNoRecord is a key that the journal does not know.
	ErrNoRecord = errors.New("duvotool: the journal has no such record")

	// ErrUnavailable is a failure of a journal that may pass by itself: a full
	// disk, say. A failure that does not match it needs a person.
	ErrUnavailable = errors.New("duvotool: the journal cannot be written now")

	// ErrTooLarge is returned by Put where a record has more data than the journal
	// can keep. The outcome of an operation is then kept without its text.
	ErrTooLarge = errors.New("duvotool: the record is larger than the journal takes")

	// ErrFailed wraps the failure of a journal. What had to be remembered
	// first was not done.
	ErrFailed = errors.New("duvotool: the journal failed")
)

// CheckKey tells what is wrong with the record's key; nil if nothing is. It is
// for those who write journals.
func (r Record) CheckKey() error {
	if len(r.Key) == 0 || len(r.Key) > 64 {
		return fmt.Errorf("duvotool: a record's key has %d bytes; 1 to 64 are allowed", len(r.Key))
	}
	for _, c := range []byte(r.Key) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return fmt.Errorf("duvotool: a record's key holds %q", c)
		}
	}
	return nil
}
