package main

import (
	"context"
	"errors"
	"sync"

	"github.com/duvotool/duvotool/journal"
)

// forgetful makes a journal that never writes every nth record that it is given,
// and behaves as if it had until its process ends. Zero forgets nothing. A negative
// number makes one in which whoever puts last wins.
func forgetful(j journal.Journal, n int) journal.Journal {
	switch {
	case n == 0:
		return j
	case n < 0:
		return lastWins{j}
	}
	return &forgetting{Journal: j, n: n, kept: map[string]journal.Record{}, real: map[string]uint64{}}
}

type forgetting struct {
	journal.Journal
	n int

	mu   sync.Mutex
	puts int
	kept map[string]journal.Record // as they were put in this life
	real map[string]uint64         // the revisions on disk
}

func (f *forgetting) Put(ctx context.Context, r journal.Record) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.puts++
	before, here := f.kept[r.Key]
	if here && before.Revision != r.Revision {
		return 0, journal.ErrConflict
	}
	now := r
	now.Revision++
	if f.puts%f.n == 0 {
		if !here {
			f.real[r.Key] = r.Revision
		}
		f.kept[r.Key] = now
		return now.Revision, nil
	}
	if here {
		r.Revision = f.real[r.Key]
	}
	revision, err := f.Journal.Put(ctx, r)
	if err != nil {
		return 0, err
	}
	f.real[r.Key], f.kept[r.Key] = revision, now
	return now.Revision, nil
}

func (f *forgetting) Get(ctx context.Context, key string) (journal.Record, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r, here := f.kept[key]; here {
		return r, nil
	}
	return f.Journal.Get(ctx, key)
}

// lastWins is a journal that compares no revisions: of two processes both win.
type lastWins struct{ journal.Journal }

func (l lastWins) Put(ctx context.Context, r journal.Record) (uint64, error) {
	next := r.Revision + 1
	for {
		_, err := l.Journal.Put(ctx, r)
		if !errors.Is(err, journal.ErrConflict) {
			return next, err
		}
		now, err := l.Journal.Get(ctx, r.Key)
		if err != nil && !errors.Is(err, journal.ErrNoRecord) {
			return 0, err
		}
		r.Revision = now.Revision
	}
}
