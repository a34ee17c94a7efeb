package duvotooltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// A journalKit is what a check of a journal has at hand.
type journalKit struct {
	ctx    context.Context
	open   func() journal.Journal
	reopen func(journal.Journal) journal.Journal // nil: not durable
}

// at is when most records here are put.
var at = time.Date(2024, 2, 29, 12, 30, 15, 123456789, time.UTC)

func record(key string, revision uint64, done bool, data string) journal.Record {
	return journal.Record{Key: key, Revision: revision, Done: done, At: at, Data: []byte(data)}
}

// put puts a record and returns it with its new revision.
func (k journalKit) put(j journal.Journal, r journal.Record) (journal.Record, error) {
	revision, err := j.Put(k.ctx, r)
	if err != nil {
		return r, fmt.Errorf("putting %q with revision %d: %w", r.Key, r.Revision, err)
	}
	if revision != r.Revision+1 {
		return r, fmt.Errorf("putting %q with revision %d returned revision %d, which is not the next one", r.Key, r.Revision, revision)
	}
	r.Revision = revision
	return r, nil
}

// holds tells whether the journal has exactly this record.
func (k journalKit) holds(j journal.Journal, want journal.Record) error {
	got, err := j.Get(k.ctx, want.Key)
	if err != nil {
		return fmt.Errorf("getting %q: %w", want.Key, err)
	}
	return same(got, want)
}

func same(got, want journal.Record) error {
	switch {
	case got.Key != want.Key:
		return fmt.Errorf("got the record %q for %q", got.Key, want.Key)
	case got.Revision != want.Revision:
		return fmt.Errorf("%q has revision %d, and was put as %d", want.Key, got.Revision, want.Revision)
	case got.Done != want.Done:
		return fmt.Errorf("%q has Done %v, and was put with %v", want.Key, got.Done, want.Done)
	case !got.At.Equal(want.At):
		return fmt.Errorf("%q is of %v, and was put with %v", want.Key, got.At, want.At)
	case !bytes.Equal(got.Data, want.Data):
		return fmt.Errorf("%q has %d bytes that differ from the %d that were put", want.Key, len(got.Data), len(want.Data))
	}
	return nil
}

func (k journalKit) lacks(j journal.Journal, key string) error {
	if r, err := j.Get(k.ctx, key); !errors.Is(err, journal.ErrNoRecord) {
		return fmt.Errorf("getting %q, which is not there, returned revision %d and error %v; want ErrNoRecord", key, r.Revision, err)
	}
	return nil
}

// conflicts tells whether a put is refused and changes nothing of what there is.
func (k journalKit) conflicts(j journal.Journal, r journal.Record, there *journal.Record) error {
	if revision, err := j.Put(k.ctx, r); !errors.Is(err, journal.ErrConflict) {
		return fmt.Errorf("putting %q with revision %d returned revision %d and error %v; want ErrConflict", r.Key, r.Revision, revision, err)
	}
	if there == nil {
		return k.lacks(j, r.Key)
	}
	return k.holds(j, *there)
}

// unfinished lists the unfinished records by key.
func (k journalKit) unfinished(j journal.Journal) (map[string]journal.Record, error) {
	all := map[string]journal.Record{}
	for r, err := range j.Unfinished(k.ctx) {
		if err != nil {
			return nil, fmt.Errorf("listing the unfinished: %w", err)
		}
		if _, twice := all[r.Key]; twice {
			return nil, fmt.Errorf("its Unfinished lists %q twice", r.Key)
		}
		all[r.Key] = r
	}
	return all, nil
}

// listed tells whether exactly these are unfinished.
func (k journalKit) listed(j journal.Journal, want ...journal.Record) error {
	all, err := k.unfinished(j)
	if err != nil {
		return err
	}
	for _, w := range want {
		got, ok := all[w.Key]
		if !ok {
			return fmt.Errorf("its Unfinished does not list %q", w.Key)
		}
		if err := same(got, w); err != nil {
			return fmt.Errorf("its Unfinished: %w", err)
		}
		delete(all, w.Key)
	}
	for key := range all {
		return fmt.Errorf("its Unfinished lists %q, which is done or not there", key)
	}
	return nil
}

func (k journalKit) forgets(j journal.Journal, before time.Time, want int) error {
	n, err := j.Forget(k.ctx, before)
	if err != nil {
		return fmt.Errorf("forgetting: %w", err)
	}
	if n != want {
		return fmt.Errorf("its Forget returned %d, and there were %d to forget", n, want)
	}
	return nil
}
