package duvotool

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// WithJournal keeps in j what the registry must remember of its operations.
// Without it they are remembered by the registry alone and end with it.
//
// [Discover] takes up every Job that the journal holds unfinished, see
// [Registry.Resumed] and [WithoutResume], and an operation key that the journal
// knows gets the [Result] of then. Close the journal after the registry.
func WithJournal(j Journal) Option {
	return optionFunc(func(c *config) error {
		if j == nil {
			return errors.New("WithJournal: the journal is nil")
		}
		c.journal = j
		return nil
	})
}

// WithJournalKey encrypts what goes into the journal, by AES-256-GCM, with a key
// of 32 bytes; the journal then shows no text, no ID and no name. Given more
// than once, the first key encrypts and the others are only read with, so that a
// key can be replaced: what was written with the old one is written anew
// whenever it changes.
func WithJournalKey(key []byte) Option {
	return optionFunc(func(c *config) error {
		k, err := newJournalKey(key)
		if err != nil {
			return fmt.Errorf("WithJournalKey: %w", err)
		}
		c.journalKeys = append(c.journalKeys, k)
		return nil
	})
}

// WithoutResume leaves the unfinished Jobs of the journal as they are until a
// call with their operation key or [Registry.Resume] takes them up. It is for
// registries that share a journal with others which are at work.
func WithoutResume() Option {
	return optionFunc(func(c *config) error { c.noResume = true; return nil })
}

// A journalKey encrypts records and makes their names.
type journalKey struct {
	seal cipher.AEAD
	name []byte
}

func newJournalKey(key []byte) (journalKey, error) {
	if len(key) != 32 {
		return journalKey{}, fmt.Errorf("the key has %d bytes; it must have 32", len(key))
	}
	derive := func(use string) []byte { return mac(key, []byte("duvotool journal "+use)) }
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		return journalKey{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return journalKey{aead, derive("name")}, err
}

// A ledger is how a registry uses its journal. Its methods may be called at
// once, and do nothing on a nil ledger.
type ledger struct {
	journal Journal
	keys    []journalKey // empty: in the clear
	owner   string       // of this registry's records
	timeout time.Duration
	life    *lifetime
}

func newLedger(c config, life *lifetime) *ledger {
	if c.journal == nil {
		return nil
	}
	return &ledger{journal: c.journal, keys: c.journalKeys, owner: rand.Text(), timeout: c.postTimeout, life: life}
}

// The kinds of records, by the beginning of their keys.
const (
	opRecord      = "op-"  // an operation
	barrierRecord = "bar-" // bars an Assignment in a scope: its outcome there is unknown
	holderRecord  = "job-" // which operation started a Job
	claimRecord   = "req-" // which operation answers a human request
	aliasRecord   = "key-" // which operation a caller's key stands for, where that has another
	handleRecord  = "hnd-" // which operation a handle leads to, and for whom
)

var nameCoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// names returns the keys that a record of this kind about a thing may have: the
// one that new records get first.
func (l *ledger) names(kind string, parts ...string) []string {
	name := func(sum []byte) string { return kind + strings.ToLower(nameCoding.EncodeToString(sum[:16])) }
	text := []byte(hash(append([]string{kind}, parts...)...))
	if len(l.keys) == 0 {
		sum := sha256.Sum256(text)
		return []string{name(sum[:])}
	}
	var out []string
	for _, k := range l.keys {
		out = append(out, name(mac(k.name, text)))
	}
	return out
}

// find reads the record of this kind about a thing; false if there is none.
func (l *ledger) find(ctx context.Context, kind string, parts ...string) (r Record, found bool, err error) {
	for _, name := range l.names(kind, parts...) {
		if r, found, err = l.get(ctx, name); found || err != nil {
			return r, found, err
		}
	}
	return Record{}, false, nil
}

func (l *ledger) get(ctx context.Context, key string) (r Record, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	err = l.safely(func() (err error) {
		r, err = l.journal.Get(ctx, key)
		return err
	})
	switch {
	case err == nil && r.Key != key:
		return Record{}, false, fmt.Errorf("%w: it was asked for one record and gave another", ErrJournal)
	case err == nil:
		return r, true, nil
	case errors.Is(err, ErrNoRecord):
		return Record{}, false, nil
	}
	return Record{}, false, err
}

// unfinished lists the records of operations that are not done.
func (l *ledger) unfinished(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		going := true
		err := l.safely(func() error {
			for rec, err := range l.journal.Unfinished(ctx) {
				if err != nil {
					return err
				}
				if !strings.HasPrefix(rec.Key, opRecord) {
					continue
				}
				if going = yield(rec, nil); !going {
					return nil
				}
			}
			return nil
		})
		if err != nil && going {
			yield(Record{}, err)
		}
	}
}

// put stores a record and returns its new revision. A caller's cancellation does
// not reach it.
func (l *ledger) put(r Record) (revision uint64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
	defer cancel()
	r.At = time.Now()
	err = l.safely(func() (err error) {
		revision, err = l.journal.Put(ctx, r)
		return err
	})
	if err == nil && revision <= r.Revision {
		err = fmt.Errorf("%w: the revision %d does not come after %d", ErrJournal, revision, r.Revision)
	}
	return revision, err
}

// safely runs a call of the journal. What it returns matches ErrJournal, but
// for ErrNoRecord and ErrConflict.
func (l *ledger) safely(f func() error) (err error) {
	func() {
		defer recoverAs(&err, ErrJournal)
		defer l.life.callback("journal")()
		err = f()
	}()
	if err == nil || errors.Is(err, ErrNoRecord) || errors.Is(err, ErrConflict) || errors.Is(err, ErrJournal) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrJournal, err)
}

// The form of a record's data: a byte for its version, a byte for its form, and
// the entry in that form.
const (
	dataVersion = 1
	dataPlain   = 0
	dataSealed  = 1
)

// close makes the data of the record with this key.
func (l *ledger) close(v any, key string) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if len(l.keys) == 0 {
		return append([]byte{dataVersion, dataPlain}, text...), nil
	}
	return l.keys[0].seal.Seal([]byte{dataVersion, dataSealed}, nil, text, []byte(key)), nil // for this record and no other
}

// open reads a record's data.
func (l *ledger) open(r Record, v any) error {
	bad := func(why string) error { return fmt.Errorf("%w: the record %s %s", ErrJournal, r.Key, why) }
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
	case dataSealed:
		if len(l.keys) == 0 {
			return bad("is encrypted; give its key by WithJournalKey")
		}
		var err error
		for _, k := range l.keys {
			if text, err = k.seal.Open(nil, nil, r.Data[2:], []byte(r.Key)); err == nil {
				break
			}
		}
		if err != nil {
			return bad("cannot be decrypted: the key is another, or it was tampered with")
		}
	default:
		return bad(fmt.Sprintf("has the unknown form %d", r.Data[1]))
	}
	if err := json.Unmarshal(text, v); err != nil {
		return bad("is no valid JSON")
	}
	return nil
}
