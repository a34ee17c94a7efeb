package duvotooltest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

func TestMemoryJournal(t *testing.T) {
	TestJournal(t, func(*testing.T) journal.Journal { return journal.NewMemory() })
}

// A broken journal is a whole one, with some methods in front of it.
type broken struct {
	journal.Journal
	mu         sync.Mutex
	put        func(b *broken, ctx context.Context, r journal.Record) (uint64, error)
	get        func(b *broken, ctx context.Context, key string) (journal.Record, error)
	unfinished func(b *broken, ctx context.Context, yield func(journal.Record, error) bool)
	forget     func(b *broken, ctx context.Context, before time.Time) (int, error)
	state      map[string]journal.Record // for what is broken
}

func (b *broken) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if b.put == nil {
		return b.Journal.Put(ctx, r)
	}
	return b.put(b, ctx, r)
}

func (b *broken) Get(ctx context.Context, key string) (journal.Record, error) {
	if b.get == nil {
		return b.Journal.Get(ctx, key)
	}
	return b.get(b, ctx, key)
}

func (b *broken) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	if b.unfinished == nil {
		return b.Journal.Unfinished(ctx)
	}
	return func(yield func(journal.Record, error) bool) { b.unfinished(b, ctx, yield) }
}

func (b *broken) Forget(ctx context.Context, before time.Time) (int, error) {
	if b.forget == nil {
		return b.Journal.Forget(ctx, before)
	}
	return b.forget(b, ctx, before)
}

// list lists what is unfinished, whatever the context.
func (b *broken) list() (all []journal.Record) {
	for r := range b.Journal.Unfinished(context.Background()) {
		all = append(all, r)
	}
	return all
}

func (b *broken) keep(r journal.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == nil {
		b.state = map[string]journal.Record{}
	}
	b.state[r.Key] = r
}

func (b *broken) kept(key string) (journal.Record, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.state[key]
	return r, ok
}

// putAs puts a record changed.
func putAs(change func(r *journal.Record)) broken {
	return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
		change(&r)
		return b.Journal.Put(ctx, r)
	}}
}

func getAs(change func(r *journal.Record)) broken {
	return broken{get: func(b *broken, ctx context.Context, key string) (journal.Record, error) {
		r, err := b.Journal.Get(ctx, key)
		if err == nil {
			change(&r)
		}
		return r, err
	}}
}

// overwrite puts a record whatever its revision.
func overwrite(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
	for {
		was, err := b.Journal.Get(ctx, r.Key)
		if err != nil && !errors.Is(err, journal.ErrNoRecord) {
			return 0, err
		}
		r.Revision = was.Revision
		revision, err := b.Journal.Put(ctx, r)
		if !errors.Is(err, journal.ErrConflict) {
			return revision, err
		}
	}
}

var errOther = errors.New("something else")

// Each of these breaks one rule, and must be found by the check named.
var brokenJournals = []struct {
	name, check string
	make        func() broken
}{
	{"an unknown key is no error", "empty", func() broken {
		return broken{get: func(b *broken, ctx context.Context, key string) (journal.Record, error) {
			r, err := b.Journal.Get(ctx, key)
			if errors.Is(err, journal.ErrNoRecord) {
				err = nil
			}
			return r, err
		}}
	}},
	{"an unknown key is another error", "empty", func() broken {
		return broken{get: func(b *broken, ctx context.Context, key string) (journal.Record, error) {
			r, err := b.Journal.Get(ctx, key)
			if errors.Is(err, journal.ErrNoRecord) {
				err = errOther
			}
			return r, err
		}}
	}},
	{"times to the second", "what was put is got", func() broken {
		return putAs(func(r *journal.Record) { r.At = r.At.Truncate(time.Second) })
	}},
	{"times as nanoseconds", "what was put is got", func() broken {
		return putAs(func(r *journal.Record) { r.At = time.Unix(0, r.At.UnixNano()) })
	}},
	{"done is lost", "what was put is got", func() broken {
		return putAs(func(r *journal.Record) { r.Done = false })
	}},
	{"data end at a zero", "what was put is got", func() broken {
		return putAs(func(r *journal.Record) { r.Data, _, _ = bytesCut(r.Data, 0) })
	}},
	{"the key is not returned", "what was put is got", func() broken {
		return getAs(func(r *journal.Record) { r.Key = "" })
	}},
	{"the revision is not returned", "what was put is got", func() broken {
		return getAs(func(r *journal.Record) { r.Revision = 0 })
	}},
	{"revisions leave some out", "what was put is got", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			revision, err := b.Journal.Put(ctx, r)
			if err == nil {
				r.Revision = revision
				revision, err = b.Journal.Put(ctx, r)
			}
			return revision, err
		}}
	}},
	{"data of up to 1 MiB", "large data", func() broken {
		return putAs(func(r *journal.Record) { r.Data = r.Data[:min(len(r.Data), 1<<20)] })
	}},
	{"last writer wins", "compare and set", func() broken { return broken{put: overwrite} }},
	{"revision zero replaces", "compare and set", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			if r.Revision == 0 {
				return overwrite(b, ctx, r)
			}
			return b.Journal.Put(ctx, r)
		}}
	}},
	{"a newer revision replaces", "compare and set", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			if was, err := b.Journal.Get(ctx, r.Key); err == nil && r.Revision > was.Revision {
				return overwrite(b, ctx, r)
			}
			return b.Journal.Put(ctx, r)
		}}
	}},
	{"any revision makes a record", "compare and set", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			if _, err := b.Journal.Get(ctx, r.Key); errors.Is(err, journal.ErrNoRecord) {
				r.Revision = 0
			}
			return b.Journal.Put(ctx, r)
		}}
	}},
	{"a conflict is another error", "compare and set", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			revision, err := b.Journal.Put(ctx, r)
			if errors.Is(err, journal.ErrConflict) {
				err = errOther
			}
			return revision, err
		}}
	}},
	{"a conflict stores", "compare and set", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			revision, err := b.Journal.Put(ctx, r)
			if errors.Is(err, journal.ErrConflict) {
				_, _ = overwrite(b, ctx, r)
			}
			return revision, err
		}}
	}},
	{"the revision stays", "compare and set", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			_, err := b.Journal.Put(ctx, r)
			return r.Revision, err
		}}
	}},
	{"compare, then set", "writers at once", func() broken {
		return broken{put: compareThenSet}
	}},
	{"compare, then create", "creators at once", func() broken {
		return broken{put: compareThenSet}
	}},
	{"done ones are listed", "unfinished", func() broken {
		return broken{
			put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
				revision, err := b.Journal.Put(ctx, r)
				if r.Revision = revision; err == nil {
					b.keep(r)
				}
				return revision, err
			},
			unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
				b.mu.Lock()
				all := b.state
				b.mu.Unlock()
				for _, r := range all {
					if !yield(r, nil) {
						return
					}
				}
			},
		}
	}},
	{"one is left out", "unfinished", func() broken {
		return broken{unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
			for i, r := range b.list() {
				if i > 0 && !yield(r, nil) {
					return
				}
			}
		}}
	}},
	{"one is listed twice", "unfinished", func() broken {
		return broken{unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
			for _, r := range b.list() {
				for range 2 {
					if !yield(r, nil) {
						return
					}
				}
			}
		}}
	}},
	{"a loop that is left goes on", "unfinished", func() broken {
		var at int
		return broken{unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
			all := b.list()
			slices.SortFunc(all, func(x, y journal.Record) int { return strings.Compare(x.Key, y.Key) })
			for at < len(all) {
				if at++; !yield(all[at-1], nil) {
					return
				}
			}
			at = 0
		}}
	}},
	{"what was once done stays so", "unfinished", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			if was, err := b.Journal.Get(ctx, r.Key); err == nil && was.Done {
				r.Done = true
			}
			return b.Journal.Put(ctx, r)
		}}
	}},
	{"changes hide from a list", "unfinished during changes", func() broken {
		return broken{unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
			for _, r := range b.list() { // gone if it was put since
				if now, err := b.Journal.Get(ctx, r.Key); err == nil && now.Revision == r.Revision && !yield(r, nil) {
					return
				}
				runtime.Gosched()
			}
		}}
	}},
	{"undone ones are forgotten", "forget", func() broken {
		return broken{forget: func(b *broken, ctx context.Context, before time.Time) (int, error) {
			for _, r := range b.list() {
				if r.At.Before(before) {
					r.Done = true
					if _, err := b.Journal.Put(ctx, r); err != nil {
						return 0, err
					}
				}
			}
			return b.Journal.Forget(ctx, before)
		}}
	}},
	{"all that is done is forgotten", "forget", func() broken {
		return broken{forget: func(b *broken, ctx context.Context, before time.Time) (int, error) {
			return b.Journal.Forget(ctx, before.AddDate(100, 0, 0))
		}}
	}},
	{"the moment itself is forgotten", "forget", func() broken {
		return broken{forget: func(b *broken, ctx context.Context, before time.Time) (int, error) {
			return b.Journal.Forget(ctx, before.Add(1))
		}}
	}},
	{"the last moment is kept", "forget", func() broken {
		return broken{forget: func(b *broken, ctx context.Context, before time.Time) (int, error) {
			return b.Journal.Forget(ctx, before.Add(-1))
		}}
	}},
	{"nothing is forgotten", "forget", func() broken {
		return broken{forget: func(*broken, context.Context, time.Time) (int, error) { return 0, nil }}
	}},
	{"a wrong number forgotten", "forget", func() broken {
		return broken{forget: func(b *broken, ctx context.Context, before time.Time) (int, error) {
			n, err := b.Journal.Forget(ctx, before)
			return min(n, 1), err
		}}
	}},
	{"the first time counts", "forget", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			if was, err := b.Journal.Get(ctx, r.Key); err == nil && was.Done {
				r.At = was.At
			}
			return b.Journal.Put(ctx, r)
		}}
	}},
	{"a forgotten key stays taken", "forget", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			if _, ok := b.kept(r.Key); ok && r.Revision == 0 {
				return 0, journal.ErrConflict
			}
			b.keep(r)
			return b.Journal.Put(ctx, r)
		}}
	}},
	{"what is forgotten at once is not counted", "forget during changes", func() broken {
		return broken{forget: func(b *broken, ctx context.Context, before time.Time) (int, error) {
			n, err := b.Journal.Forget(ctx, before)
			more, _ := b.Journal.Forget(ctx, before)
			runtime.Gosched()
			if n > 3 {
				return n - 1, err
			}
			return n + more, err
		}}
	}},
	{"Put looks at no context", "contexts", func() broken {
		return broken{put: func(b *broken, _ context.Context, r journal.Record) (uint64, error) {
			return b.Journal.Put(context.Background(), r)
		}}
	}},
	{"Put stores and then looks at the context", "contexts", func() broken {
		return broken{put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			revision, err := b.Journal.Put(context.Background(), r)
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			return revision, err
		}}
	}},
	{"Get looks at no context", "contexts", func() broken {
		return broken{get: func(b *broken, _ context.Context, key string) (journal.Record, error) {
			return b.Journal.Get(context.Background(), key)
		}}
	}},
	{"Forget looks at no context", "contexts", func() broken {
		return broken{forget: func(b *broken, _ context.Context, before time.Time) (int, error) {
			return b.Journal.Forget(context.Background(), before)
		}}
	}},
	{"Unfinished looks at no context", "contexts", func() broken {
		return broken{unfinished: func(b *broken, _ context.Context, yield func(journal.Record, error) bool) {
			b.Journal.Unfinished(context.Background())(yield)
		}}
	}},
	{"Unfinished looks at the context first only", "contexts", func() broken {
		return broken{unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
			if ctx.Err() != nil {
				yield(journal.Record{}, context.Cause(ctx))
				return
			}
			b.Journal.Unfinished(context.Background())(yield)
		}}
	}},
	{"Unfinished ends with its context, silently", "contexts", func() broken {
		return broken{unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
			for _, r := range b.list() {
				if ctx.Err() != nil || !yield(r, nil) {
					return
				}
			}
		}}
	}},
	{"the slice given is kept", "slices", func() broken {
		return broken{
			put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
				b.keep(r)
				return b.Journal.Put(ctx, r)
			},
			get: func(b *broken, ctx context.Context, key string) (journal.Record, error) {
				r, err := b.Journal.Get(ctx, key)
				if kept, ok := b.kept(key); ok && err == nil {
					r.Data = kept.Data
				}
				return r, err
			},
		}
	}},
	{"the slice given is changed", "slices", func() broken {
		return putAs(func(r *journal.Record) { _ = append(r.Data, '!') })
	}},
	{"Get returns one slice", "slices", func() broken {
		return broken{get: func(b *broken, ctx context.Context, key string) (journal.Record, error) {
			r, err := b.Journal.Get(ctx, key)
			if kept, ok := b.kept(key); ok && kept.Revision == r.Revision {
				return kept, err
			}
			if err == nil {
				b.keep(r)
			}
			return r, err
		}}
	}},
	{"Unfinished returns parts of one slice", "slices", func() broken {
		return broken{unfinished: func(b *broken, ctx context.Context, yield func(journal.Record, error) bool) {
			all, page := b.list(), make([]byte, 0, 1000)
			for _, r := range all {
				from := len(page)
				page = append(page, r.Data...)
				if r.Data = page[from:]; !yield(r, nil) {
					return
				}
			}
		}}
	}},
	{"keys are not checked", "keys", func() broken {
		hex := func(key string) string { return fmt.Sprintf("%.64s", fmt.Sprintf("%x-", key)) }
		return broken{
			put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
				r.Key = hex(r.Key)
				return b.Journal.Put(ctx, r)
			},
			get: func(b *broken, ctx context.Context, key string) (journal.Record, error) {
				r, err := b.Journal.Get(ctx, hex(key))
				r.Key = key
				return r, err
			},
		}
	}},
	{"keys in one case", "keys", func() broken {
		return broken{
			put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
				r.Key = strings.ToLower(r.Key)
				return b.Journal.Put(ctx, r)
			},
			get: func(b *broken, ctx context.Context, key string) (journal.Record, error) {
				return b.Journal.Get(ctx, strings.ToLower(key))
			},
		}
	}},
	{"keys of up to 63", "keys", func() broken {
		return putAs(func(r *journal.Record) { r.Key = r.Key[:min(len(r.Key), 63)] })
	}},
}

// compareThenSet lets another writer in between.
func compareThenSet(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
	was, err := b.Journal.Get(ctx, r.Key)
	if err != nil && !errors.Is(err, journal.ErrNoRecord) {
		return 0, err
	}
	if was.Revision != r.Revision {
		return 0, journal.ErrConflict
	}
	for range 100 {
		runtime.Gosched()
	}
	return overwrite(b, ctx, r)
}

func bytesCut(b []byte, at byte) (before, after []byte, found bool) {
	if i := slices.Index(b, at); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}

func TestJournalFindsWhatIsBroken(t *testing.T) {
	found := map[string]bool{}
	for _, b := range brokenJournals {
		t.Run(b.name, func(t *testing.T) {
			require.Error(t, runJournalCheck(t, b.check, func() journal.Journal {
				j := b.make()
				j.Journal = journal.NewMemory()
				return &j
			}, nil))
		})
		found[b.check] = true
	}
	found["open again"] = true // below
	for _, c := range journalChecks {
		require.True(t, found[c.name], "nothing is broken that %q would find", c.name)
	}
}

func TestJournalFindsWhatIsNotKept(t *testing.T) {
	whole := func(keep func(r *journal.Record) bool) func(journal.Journal) journal.Journal {
		return func(j journal.Journal) journal.Journal {
			old, now := j.(*broken), &broken{Journal: journal.NewMemory()}
			for key, r := range old.state {
				if _, err := old.Journal.Get(t.Context(), key); err == nil && keep(&r) {
					now.keep(r)
					for revision := uint64(0); revision < r.Revision; revision++ {
						_, err := now.Journal.Put(t.Context(), journal.Record{Key: r.Key, Revision: revision, At: r.At, Done: r.Done, Data: r.Data})
						require.NoError(t, err)
					}
				}
			}
			now.put = old.put
			return now
		}
	}
	remembers := func() journal.Journal {
		return &broken{Journal: journal.NewMemory(), put: func(b *broken, ctx context.Context, r journal.Record) (uint64, error) {
			revision, err := b.Journal.Put(ctx, r)
			if r.Revision, r.Data = revision, slices.Clone(r.Data); err == nil {
				b.keep(r)
			}
			return revision, err
		}}
	}
	for name, keep := range map[string]func(r *journal.Record) bool{
		"nothing":      func(*journal.Record) bool { return false },
		"one lost":     func(r *journal.Record) bool { return r.Key != "key-3" },
		"last lost":    func(r *journal.Record) bool { return r.Key != "last" },
		"no revisions": func(r *journal.Record) bool { r.Revision = 1; return true },
		"no times":     func(r *journal.Record) bool { r.At = time.Time{}; return true },
		"all done":     func(r *journal.Record) bool { r.Done = true; return true },
		"data cut":     func(r *journal.Record) bool { r.Data = r.Data[:min(len(r.Data), 4096)]; return true },
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, runJournalCheck(t, "open again", remembers, whole(keep)))
		})
	}
	require.NoError(t, runJournalCheck(t, "open again", remembers, whole(func(*journal.Record) bool { return true })))
	require.Error(t, runJournalCheck(t, "open again", remembers, func(journal.Journal) journal.Journal { return nil }))
}

func runJournalCheck(t *testing.T, name string, open func() journal.Journal, reopen func(journal.Journal) journal.Journal) error {
	for _, c := range journalChecks {
		if c.name == name {
			return c.run(journalKit{ctx: t.Context(), open: open, reopen: reopen})
		}
	}
	require.Fail(t, "there is no check "+name)
	return nil
}
