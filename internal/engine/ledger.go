package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/journal"
)

// A ledger is how a registry uses its journal. Its methods may be called at
// once, and do nothing on a nil ledger.
type ledger struct {
	journal journal.Journal
	keys    []journalKey // empty: in the clear
	owner   string       // of this registry's records
	timeout time.Duration
	life    *lifetime.Lifetime

	id        string // of the journal; empty where it is not encrypted. Set by identify.
	retention time.Duration
	witness   witness
	writes    writes
}

func newLedger(c Config, life *lifetime.Lifetime) *ledger {
	if c.Journal == nil {
		return nil
	}
	return &ledger{journal: c.Journal, keys: c.JournalKeys, owner: rand.Text(), timeout: c.PostTimeout, life: life, retention: c.Retention}
}

// The kinds of records, by the beginning of their keys.
const (
	opRecord      = "op-"  // an operation
	barrierRecord = "bar-" // bars an Assignment in a scope: its outcome there is unknown
	holderRecord  = "job-" // which operation started a Job
	claimRecord   = "req-" // which operation answers a human request
	saidRecord    = "say-" // what was said to a Job since its start
	aliasRecord   = "key-" // which operation a caller's key stands for, where that has another
	handleRecord  = "hnd-" // which operation a handle leads to, and for whom
)

var nameCoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// names returns the keys that a record of this kind about a thing may have: the
// one that new records get first.
func (l *ledger) names(kind string, parts ...string) []string {
	name := func(sum []byte) string { return kind + strings.ToLower(nameCoding.EncodeToString(sum[:16])) }
	text := []byte(digest.Of(append([]string{kind}, parts...)...))
	if len(l.keys) == 0 {
		sum := sha256.Sum256(text)
		return []string{name(sum[:])}
	}
	var out []string
	for _, k := range l.keys {
		out = append(out, name(digest.MAC(k.name, text)))
	}
	return out
}

// find reads the record of this kind about a thing; false if there is none.
func (l *ledger) find(ctx context.Context, kind string, parts ...string) (r journal.Record, found bool, err error) {
	for _, name := range l.names(kind, parts...) {
		if r, found, err = l.get(ctx, name); found || err != nil {
			return r, found, err
		}
	}
	return journal.Record{}, false, nil
}

func (l *ledger) get(ctx context.Context, key string) (r journal.Record, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	last := l.witness.last(key)
	err = l.safely(ctx, func() (err error) {
		r, err = l.journal.Get(ctx, key)
		return err
	})
	switch {
	case err == nil && r.Key != key:
		return journal.Record{}, false, fmt.Errorf("%w: it was asked for one record and gave another", journal.ErrFailed)
	case err == nil && l.isBack(last, r):
		return journal.Record{}, false, wentBack(key, last.revision, r.Revision)
	case err == nil:
		l.see(r)
		return r, true, nil
	case errors.Is(err, journal.ErrNoRecord):
		return journal.Record{}, false, last.vanished(key, l.retention)
	}
	return journal.Record{}, false, err
}

// unfinished lists the records of operations that are not done.
func (l *ledger) unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return func(yield func(journal.Record, error) bool) {
		going := true
		err := l.safely(ctx, func() error {
			for rec, err := range l.journal.Unfinished(ctx) {
				if err != nil {
					return err
				}
				if !strings.HasPrefix(rec.Key, opRecord) {
					continue
				}
				if l.isBack(l.witness.last(rec.Key), rec) { // perhaps it was put while the list was made
					now, found, err := l.get(ctx, rec.Key)
					if err != nil {
						return err
					}
					if !found || now.Done {
						continue
					}
					rec = now
				}
				l.see(rec)
				if going = yield(rec, nil); !going {
					return nil
				}
			}
			return nil
		})
		if err != nil && going {
			yield(journal.Record{}, err)
		}
	}
}

// put stores a record and returns its new revision. A caller's cancellation does
// not reach it.
func (l *ledger) put(r journal.Record) (revision uint64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	now := time.Now().Truncate(time.Microsecond) // finer than clocks agree, and what databases keep
	if r.Data, err = l.seal(r, now); err != nil {
		return 0, err
	}
	r.At = now
	err = l.safely(ctx, func() (err error) {
		revision, err = l.journal.Put(ctx, r)
		return err
	})
	l.writes.note(writeFailure(err))
	if err == nil && revision != r.Revision+1 {
		err = fmt.Errorf("%w: the revision %d is not the next one after %d", journal.ErrFailed, revision, r.Revision)
	}
	if err == nil {
		r.Revision = revision
		l.see(r)
	}
	return revision, err
}

// safely runs a call of the journal. What it returns matches journal.ErrFailed, but
// for ErrNoRecord and ErrConflict.
func (l *ledger) safely(ctx context.Context, f func() error) error {
	err := guard.Run(journal.ErrFailed, func() error {
		defer l.life.Callback(ctx, "journal")()
		return f()
	})
	if err == nil || errors.Is(err, journal.ErrNoRecord) || errors.Is(err, journal.ErrConflict) || errors.Is(err, journal.ErrFailed) {
		return err
	}
	return errtext.Errorf("%w: %w", journal.ErrFailed, err)
}

// The form of a record's data: a byte for its version, a byte for its form, and
// the entry in that form.
const (
	dataVersion = 1
	dataPlain   = 0
	dataSealed  = 1 // encrypted for its key: by earlier releases; read only
	dataBound   = 2 // encrypted for its journal, key and revision: by earlier releases; read only
	dataDated   = 3 // encrypted for its journal, key, revision and time
)

// close makes the data of a record. It is encrypted when it is put.
func (l *ledger) close(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, errtext.Errorf("%w: %w", journal.ErrFailed, err)
	}
	return append([]byte{dataVersion, dataPlain}, text...), nil
}

// open reads a record's data.
func (l *ledger) open(r journal.Record, v any) error {
	bad := func(why string) error {
		return &unusable{fmt.Errorf("%w: the record %s %s", journal.ErrFailed, r.Key, why)}
	}
	if len(r.Data) < 2 {
		return bad("is cut off")
	}
	if r.Data[0] != dataVersion {
		return bad(fmt.Sprintf("has the format %d; this program knows %d: it was written by another version", r.Data[0], dataVersion))
	}
	text := r.Data[2:]
	switch r.Data[1] {
	case dataPlain:
		if len(l.keys) > 0 {
			return bad("is not encrypted, though WithJournalKey asks for it")
		}
	case dataSealed, dataBound, dataDated:
		if len(l.keys) == 0 {
			return bad("is encrypted; give its key by WithJournalKey")
		}
		var ok bool
		if text, ok = l.unseal(r); !ok {
			return bad("cannot be decrypted: the key is another, or it is of another revision, time or journal, or it was tampered with")
		}
	default:
		return bad(fmt.Sprintf("has the unknown form %d", r.Data[1]))
	}
	if err := json.Unmarshal(text, v); err != nil {
		return bad("is no valid JSON")
	}
	return nil
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

// once puts a record about a thing, unless there is one: then it reads that into
// v and returns it. One that was put has the revision zero. It is done: what it is
// about is remembered elsewhere, see keep.
func (l *ledger) once(v any, kind string, parts ...string) (journal.Record, error) {
	for range 5 {
		rec, found, err := l.find(context.Background(), kind, parts...)
		if err != nil {
			return journal.Record{}, err
		}
		if found {
			return rec, l.open(rec, v)
		}
		rec = journal.Record{Key: l.names(kind, parts...)[0], Done: true}
		if rec.Data, err = l.close(v); err == nil {
			_, err = l.put(rec)
		}
		if !errors.Is(err, journal.ErrConflict) { // else somebody was faster: look what it is
			return rec, err
		}
	}
	return journal.Record{}, fmt.Errorf("%w: the record of %s comes and goes", journal.ErrFailed, kind)
}

// claimOf names a claim. IDs in other case are the same IDs.
func claimOf(jobID, requestID string) []string {
	return []string{strings.ToLower(jobID), strings.ToLower(requestID)}
}

// spelledClaimOf names a claim as it was named when the case of a request's ID
// still counted; nil if that makes no difference.
func spelledClaimOf(jobID, requestID string) []string {
	if strings.ToLower(requestID) == requestID {
		return nil
	}
	return []string{strings.ToLower(jobID), requestID}
}

// identityRecord is the key of the record that tells one journal from another. It
// is there where records are encrypted, and is never done.
const identityRecord = "journal"

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
