package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// What a ledger believes of what its journal tells: a record that is encrypted is
// bound to where it was put, and no record goes back to what it was before.

// identityRecord is the key of the record that tells one journal from another. It
// is there where records are encrypted, and is never done.
const identityRecord = "journal"

type identity struct {
	ID string `json:"id"`
}

// identify reads who the journal is, or names it. It writes the name anew where
// it was encrypted with a key that is being replaced. It is called before any
// other record is read or put.
func (l *ledger) identify(ctx context.Context) error {
	if len(l.keys) == 0 {
		return nil
	}
	var err error
	for range 5 { // others may name it at once
		var r journal.Record
		var found bool
		var i identity
		if r, found, err = l.get(ctx, identityRecord); err == nil && found {
			err = l.open(r, &i)
		}
		if err != nil {
			return err
		}
		switch {
		case found && i.ID == "":
			return fmt.Errorf("%w: the record %s makes no sense", journal.ErrFailed, r.Key)
		case !found:
			r, i.ID = journal.Record{Key: identityRecord}, rand.Text()
		case l.keys[0].opens(l.bound(r, r.Data[1]), r.Data[2:]):
			l.id = i.ID
			return nil
		}
		if r.Data, err = l.close(i); err == nil {
			_, err = l.put(r)
		}
		switch {
		case err == nil:
			l.id = i.ID
			return nil
		case !errors.Is(err, journal.ErrConflict):
			return err
		}
	}
	return err
}

// bound is what a record in a form is encrypted for: this journal, key and revision,
// whether it is done, and when it was put. Put anywhere else, or with another time,
// it does not open.
func (l *ledger) bound(r journal.Record, form byte) []byte {
	if form == dataSealed {
		return []byte(r.Key)
	}
	id := l.id
	if r.Key == identityRecord {
		id = "" // it is what tells
	}
	done := byte(0)
	if r.Done {
		done = 1
	}
	b := fmt.Appendf(nil, "duvotool record %d %d:%s%d:%s", form, len(id), id, len(r.Key), r.Key)
	b = append(binary.BigEndian.AppendUint64(b, r.Revision), done)
	if form == dataDated {
		b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	}
	return b
}

// seal encrypts the data of a record that is about to be put, for the revision
// and the time that it will get. It may be as it was read.
func (l *ledger) seal(r journal.Record, now time.Time) ([]byte, error) {
	if len(l.keys) == 0 {
		return r.Data, nil
	}
	text := r.Data[2:]
	if r.Data[1] != dataPlain {
		var ok bool
		if text, ok = l.unseal(r); !ok {
			return nil, fmt.Errorf("%w: the record %s cannot be decrypted", journal.ErrFailed, r.Key)
		}
	}
	r.Revision++
	r.At = now
	return l.keys[0].seal.Seal([]byte{dataVersion, dataDated}, nil, text, l.bound(r, dataDated)), nil
}

// unseal decrypts a record's data. Earlier releases bound it to less; such a record
// is taken as it is, and bound to all when it is put next.
func (l *ledger) unseal(r journal.Record) (text []byte, ok bool) {
	bound := l.bound(r, r.Data[1])
	for _, k := range l.keys {
		if text, err := k.seal.Open(nil, nil, r.Data[2:], bound); err == nil {
			return text, true
		}
	}
	return nil, false
}

func (k journalKey) opens(bound, data []byte) bool {
	_, err := k.seal.Open(nil, nil, data, bound)
	return err == nil
}

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

// see notes a record that was read or put. What does not open is not believed, and
// so not noted either.
func (l *ledger) see(r journal.Record) {
	if len(l.keys) > 0 {
		if len(r.Data) < 2 || r.Data[0] != dataVersion || r.Data[1] == dataPlain {
			return
		}
		if _, ok := l.unseal(r); !ok {
			return
		}
	}
	l.witness.saw(r)
}

// isBack tells whether a record is one of before the mark. One that was put later,
// though its revision is less, has been forgotten and begun anew. Where a record is
// encrypted and not bound to its time, that it was put later proves nothing: then it
// must be old enough to have been forgotten.
func (l *ledger) isBack(m mark, r journal.Record) bool {
	if r.Revision >= m.revision {
		return false
	}
	dated := len(l.keys) == 0 || len(r.Data) > 1 && r.Data[1] == dataDated
	return !r.At.After(m.at) || !dated && time.Since(m.at) <= l.retention
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
