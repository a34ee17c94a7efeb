package journal

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"
)

// NewMemory returns a journal that lives as long as the process: for
// tests, and for several registries of one process, each of which works on all.
func NewMemory() Journal { return struct{ Journal }{NewShared()} }

// NewShared returns a journal that lives as long as the process and has leases: for
// several registries of one process, of which one at a time works on an operation, as
// replicas do with a database.
func NewShared() Leases {
	return &memory{records: map[string]Record{}, until: map[string]time.Time{}, leases: map[string]Lease{}, listening: map[*listener]bool{}}
}

type memory struct {
	mu        sync.Mutex // guards all below
	records   map[string]Record
	until     map[string]time.Time // when each owner's lease runs out
	leases    map[string]Lease     // of keys that are owned, also by owners whose lease has run out
	term      uint64               // the last one given
	listening map[*listener]bool
}

func (m *memory) Put(ctx context.Context, r Record) (uint64, error) {
	if err := r.CheckKey(); err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Term != 0 && m.leases[r.Key].Term != r.Term {
		return 0, ErrFenced
	}
	if m.records[r.Key].Revision != r.Revision {
		return 0, ErrConflict
	}
	r.Revision++
	r.Data = slices.Clone(r.Data)
	m.records[r.Key] = r
	return r.Revision, nil
}

func (m *memory) Get(ctx context.Context, key string) (Record, error) {
	if ctx.Err() != nil {
		return Record{}, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	if !ok {
		return Record{}, ErrNoRecord
	}
	r.Data = slices.Clone(r.Data)
	return r, nil
}

func (m *memory) Unfinished(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		m.mu.Lock()
		all := slices.Collect(maps.Values(m.records))
		m.mu.Unlock()
		for _, r := range all {
			if ctx.Err() != nil {
				yield(Record{}, context.Cause(ctx))
				return
			}
			if r.Data = slices.Clone(r.Data); !r.Done && !yield(r, nil) {
				return
			}
		}
	}
}

func (m *memory) Forget(ctx context.Context, before time.Time) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.records)
	maps.DeleteFunc(m.records, func(_ string, r Record) bool { return r.Done && r.At.Before(before) })
	return n - len(m.records), nil
}
