package duvotool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// tampered is a journal whose records somebody else changes: told says what is
// read in a record's place, false if nothing is there.
type tampered struct {
	journal.Journal

	mu   sync.Mutex
	told func(journal.Record) (journal.Record, bool)
	past map[string][]journal.Record // all that was ever put, by key
}

func newTampered() *tampered {
	return &tampered{Journal: journal.NewMemory(), past: map[string][]journal.Record{}}
}

func (j *tampered) tell(told func(journal.Record) (journal.Record, bool)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told = told
}

func (j *tampered) read(r journal.Record) (journal.Record, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.told == nil || r.Key == "journal" {
		return r, true
	}
	return j.told(r)
}

// was returns what a record was at a revision.
func (j *tampered) was(key string, revision uint64) journal.Record {
	for _, r := range j.past[key] {
		if r.Revision == revision {
			return r
		}
	}
	panic("there was none")
}

func (j *tampered) Put(ctx context.Context, r journal.Record) (uint64, error) {
	revision, err := j.Journal.Put(ctx, r)
	if err == nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		r.Revision = revision
		j.past[r.Key] = append(j.past[r.Key], r)
	}
	return revision, err
}

func (j *tampered) Get(ctx context.Context, key string) (journal.Record, error) {
	r, err := j.Journal.Get(ctx, key)
	if err != nil {
		return r, err
	}
	r, ok := j.read(r)
	if !ok {
		return journal.Record{}, journal.ErrNoRecord
	}
	return r, nil
}

func (j *tampered) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return func(yield func(journal.Record, error) bool) {
		for r, err := range j.Journal.Unfinished(ctx) {
			r, ok := j.read(r)
			if err == nil && (!ok || r.Done) {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

var journalKey1 = bytes.Repeat([]byte{1}, 32)

// interrupted leaves a refund of this amount behind that waits for a decision.
func interrupted(t *testing.T, d *duvotest.Duvo, j journal.Journal, opts ...duvotool.Option) {
	reg := open(t, d.Client(), j, append(opts, approveAfter(24*time.Hour, nil))...)
	done := make(chan struct{})
	go func() {
		_, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "1 EUR")
		close(done)
	}()
	time.Sleep(time.Minute)
	shut(t, reg)
	<-done
}

// An encrypted record opens where it was put and nowhere else, in the next
// process too: at another revision, in another journal or done when it was not it
// is refused, and nothing is sent on its strength.
func TestSealedRecordsAreBound(t *testing.T) {
	for name, change := range map[string]func(j, other *tampered, r journal.Record) journal.Record{
		"its older self": func(j, _ *tampered, r journal.Record) journal.Record {
			r.Data = j.was(r.Key, 1).Data
			return r
		},
		"a newer revision": func(_, _ *tampered, r journal.Record) journal.Record { r.Revision++; return r },
		"another journal's": func(_, other *tampered, r journal.Record) journal.Record {
			r.Data = other.was(r.Key, r.Revision).Data
			return r
		},
		"done":         func(_, _ *tampered, r journal.Record) journal.Record { r.Done = true; return r },
		"a later time": func(_, _ *tampered, r journal.Record) journal.Record { r.At = r.At.Add(time.Hour); return r },
		"an earlier time": func(_, _ *tampered, r journal.Record) journal.Record {
			r.At = r.At.Add(-time.Millisecond)
			return r
		},
		"the form without a time": func(_, _ *tampered, r journal.Record) journal.Record {
			r.Data = bytes.Clone(r.Data)
			r.Data[1] = 2
			return r
		},
		"the older form": func(_, _ *tampered, r journal.Record) journal.Record {
			r.Data = bytes.Clone(r.Data)
			r.Data[1] = 1
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				j, other := newTampered(), newTampered()
				interrupted(t, d, j, duvotool.WithJournalKey(journalKey1))
				interrupted(t, d, other, duvotool.WithJournalKey(journalKey1))
				starts := d.Count("startRun")
				j.tell(func(r journal.Record) (journal.Record, bool) { return change(j, other, r), true })
				opts := []duvotool.Option{duvotool.WithJournal(j), duvotool.WithJournalKey(journalKey1), approveAfter(time.Second, nil)}
				if name != "done" { // which is not listed
					_, err := duvotool.Discover(t.Context(), d.Client(), opts...)
					require.ErrorIs(t, err, journal.ErrFailed)
				}
				j.tell(nil)
				reg, err := duvotool.Discover(t.Context(), d.Client(), append(opts, duvotool.WithoutResume())...)
				require.NoError(t, err)
				defer shut(t, reg)
				j.tell(func(r journal.Record) (journal.Record, bool) { return change(j, other, r), true })
				_, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "1 EUR")
				require.ErrorIs(t, err, journal.ErrFailed)
				require.Equal(t, starts, d.Count("startRun"))
				require.Zero(t, d.Count("respondToHumanRequest"))
				j.tell(nil)
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "1 EUR")
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
			})
		})
	}
}

// Within a process no record goes back or vanishes, though it opens.
func TestRecordsDoNotGoBack(t *testing.T) {
	for name, opts := range map[string][]duvotool.Option{"plain": nil, "sealed": {duvotool.WithJournalKey(journalKey1)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				j := newTampered()
				run := func(reg *duvotool.Registry, key string) error {
					_, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), key), "1 EUR")
					return err
				}
				// What was done goes back to where its start was about to be sent.
				reg := open(t, d.Client(), j, append(opts, approveAfter(time.Second, nil))...)
				require.NoError(t, run(reg, "done"))
				require.NoError(t, run(reg, "done"))
				require.Equal(t, 1, d.Count("startRun"))
				j.tell(func(r journal.Record) (journal.Record, bool) { return j.was(r.Key, 1), true })
				require.ErrorIs(t, run(reg, "done"), journal.ErrFailed)
				require.Equal(t, 1, d.Count("startRun"))
				j.tell(nil)
				require.NoError(t, run(reg, "done"))
				shut(t, reg)

				// What was under way, and was only seen, vanishes.
				interrupted(t, d, j, opts...)
				require.Equal(t, 2, d.Count("startRun"))
				reg = open(t, d.Client(), j, append(opts, duvotool.WithoutResume(), approveAfter(time.Second, nil))...)
				defer shut(t, reg)
				_, err := reg.Resume(t.Context(), "00000000-0000-4000-8000-000000000000")
				require.ErrorIs(t, err, outcome.ErrUnknownJob)
				j.tell(func(r journal.Record) (journal.Record, bool) { return r, false })
				require.ErrorIs(t, run(reg, "order 4711"), journal.ErrFailed)
				require.Equal(t, 2, d.Count("startRun"))
				j.tell(nil)
				require.NoError(t, run(reg, "order 4711"))
				require.Equal(t, 2, d.Count("startRun"))
			})
		})
	}
}

// What earlier releases encrypted, for its key alone, is taken up and bound when
// it is written next.
func TestSealedRecordsOfEarlierReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, err := os.ReadFile("testdata/journal/sealed-1.json")
		require.NoError(t, err)
		var old journal.Record
		require.NoError(t, json.Unmarshal(text, &old))
		require.Equal(t, []byte{1, 1}, old.Data[:2])
		j := newTampered()
		for old.Revision = 0; old.Revision < 2; old.Revision++ {
			_, err := j.Put(t.Context(), old)
			require.NoError(t, err)
		}
		f := &fake{job: ended(duvo.StatusCompleted), messages: []duvo.Message{{Role: "assistant", Text: "refunded"}}}
		for _, wrong := range [][]duvotool.Option{nil, {duvotool.WithJournalKey(bytes.Repeat([]byte{2}, 32))}} {
			_, err := duvotool.Discover(t.Context(), f, append(wrong, duvotool.WithJournal(journalOf(t, old)))...)
			require.ErrorIs(t, err, journal.ErrFailed)
		}
		reg := open(t, f, j, duvotool.WithJournalKey(journalKey1))
		require.Len(t, reg.Resumed(), 1)
		require.NoError(t, reg.Wait(t.Context()))
		shut(t, reg)
		require.Zero(t, f.starts)
		now, err := j.Get(t.Context(), old.Key)
		require.NoError(t, err)
		require.True(t, now.Done)
		require.Equal(t, []byte{1, 3}, now.Data[:2])
	})
}

func journalOf(t *testing.T, r journal.Record) journal.Journal {
	j := journal.NewMemory()
	r.Revision = 0
	_, err := j.Put(t.Context(), r)
	require.NoError(t, err)
	return j
}

// The name of a journal is written anew with a new key, so that the old one can
// be left out; and a journal whose name was lost tells nothing.
func TestJournalNameIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		key2 := bytes.Repeat([]byte{2}, 32)
		j := newTampered()
		interrupted(t, d, j, duvotool.WithJournalKey(journalKey1))
		bare := journal.NewMemory()
		for key, past := range j.past {
			if last := past[len(past)-1]; key != "journal" {
				last.Revision = 0
				for range past {
					var err error
					last.Revision, err = bare.Put(t.Context(), last)
					require.NoError(t, err)
				}
			}
		}
		_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(bare), duvotool.WithJournalKey(journalKey1))
		require.ErrorIs(t, err, journal.ErrFailed)
		require.False(t, errors.Is(err, journal.ErrConflict))

		reg := open(t, d.Client(), j, duvotool.WithJournalKey(key2), duvotool.WithJournalKey(journalKey1), approveAfter(time.Second, nil))
		require.NoError(t, reg.Wait(t.Context()))
		shut(t, reg)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
		shut(t, open(t, d.Client(), j, duvotool.WithJournalKey(key2)))
	})
}
