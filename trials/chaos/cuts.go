package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// cuts cut a replica off from the journal, from Duvo, or from both, for longer than its
// lease, now and then. Their methods may be called at once.
type cuts struct {
	happened func(happened)

	mu      sync.Mutex
	dice    dice
	journal bool          // it cannot be reached now
	duvo    bool          // the same
	silent  bool          // what is asked gets no answer, instead of a refusal
	over    chan struct{} // closed when it can be reached again
}

var errCut = errors.New("the network is down")

// live cuts from time to time, until the end.
func (c *cuts) live(end <-chan struct{}, lease time.Duration) {
	for {
		c.mu.Lock()
		wait, lasts := c.dice.between(4*time.Second, 40*time.Second), c.dice.between(lease*11/10, lease*3)
		which := []string{"journal", "Duvo", "journal and Duvo"}[c.dice.IntN(3)]
		silent := c.dice.one(2)
		c.mu.Unlock()
		if !sleepUntil(end, wait) {
			return
		}
		c.happened(happened{Kind: cutOff, Text: which, Until: time.Now().Add(lasts)})
		c.set(which != "Duvo", which != "journal", silent)
		going := sleepUntil(end, lasts)
		c.set(false, false, false)
		c.happened(happened{Kind: cutOver, Text: which})
		if !going {
			return
		}
	}
}

func (c *cuts) set(journal, duvo, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		close(c.over)
		c.over = nil
	}
	if c.journal, c.duvo, c.silent = journal, duvo, silent; journal || duvo {
		c.over = make(chan struct{})
	}
}

// cut waits, where what is asked gets no answer, and tells whether one can be had.
func (c *cuts) cut(ctx context.Context, of func() bool) error {
	c.mu.Lock()
	cut, silent, over := of(), c.silent, c.over
	c.mu.Unlock()
	if !cut {
		return nil
	}
	if silent {
		select {
		case <-over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return errCut
}

func (c *cuts) ofJournal() bool { return c.journal }
func (c *cuts) ofDuvo() bool    { return c.duvo }

// A wire is a replica's way to Duvo.
type wire struct {
	cuts *cuts
	next http.RoundTripper
}

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := w.cuts.cut(r.Context(), w.cuts.ofDuvo); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	resp, err := w.next.RoundTrip(r)
	if err == nil {
		if err = w.cuts.cut(r.Context(), w.cuts.ofDuvo); err != nil { // it was done, and the answer is lost
			_ = resp.Body.Close()
			return nil, err
		}
	}
	return resp, err
}

// A replicaJournal is a replica's way to the journal. It notes when the journal tells
// that the lease had run out, and what is taken over.
type replicaJournal struct {
	journal.Leases
	disk *disk
	cuts *cuts
	note func(happened)

	mu      sync.Mutex
	renewed map[string]time.Time // when each registry's lease was renewed last
}

// through calls the journal, unless it cannot be reached. An answer that comes while it
// cannot is lost.
func (j *replicaJournal) through(ctx context.Context, f func() error) error {
	err := j.cuts.cut(ctx, j.cuts.ofJournal)
	if err == nil {
		if err = f(); err == nil {
			err = j.cuts.cut(ctx, j.cuts.ofJournal)
		}
	}
	if errors.Is(err, errCut) {
		return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
	}
	return err
}

func through[T any](j *replicaJournal, ctx context.Context, f func() (T, error)) (T, error) {
	var v, none T
	err := j.through(ctx, func() (err error) {
		v, err = f()
		return err
	})
	if err != nil && !errors.Is(err, journal.ErrOwned) { // which tells whose it is
		return none, err
	}
	return v, err
}

func (j *replicaJournal) Put(ctx context.Context, r journal.Record) (uint64, error) {
	return through(j, ctx, func() (uint64, error) { return diskJournal{j.Leases, j.disk}.Put(ctx, r) })
}

func (j *replicaJournal) Ready(ctx context.Context) error {
	return j.through(ctx, func() error { return diskJournal{j.Leases, j.disk}.Ready(ctx) })
}

func (j *replicaJournal) Get(ctx context.Context, key string) (journal.Record, error) {
	return through(j, ctx, func() (journal.Record, error) { return j.Leases.Get(ctx, key) })
}

func (j *replicaJournal) Forget(ctx context.Context, before time.Time) (int, error) {
	return through(j, ctx, func() (int, error) { return j.Leases.Forget(ctx, before) })
}

func (j *replicaJournal) Renew(ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
	began := time.Now()
	told, err := through(j, ctx, func() (journal.Renewal, error) {
		told, err := j.Leases.Renew(ctx, owner, lasts)
		j.mu.Lock()
		since := j.renewed[owner]
		if err == nil {
			j.renewed[owner] = began
		}
		j.mu.Unlock()
		if err == nil && told.Lapsed {
			j.note(happened{Kind: lapsed, From: since})
		}
		return told, err
	})
	return told, err
}

func (j *replicaJournal) Own(ctx context.Context, owner, key string) (journal.Lease, error) {
	return through(j, ctx, func() (journal.Lease, error) { return j.Leases.Own(ctx, owner, key) })
}

func (j *replicaJournal) TakeOver(ctx context.Context, owner string, n int) ([]journal.Lease, error) {
	return through(j, ctx, func() ([]journal.Lease, error) {
		taken, err := j.Leases.TakeOver(ctx, owner, n)
		for range taken {
			j.note(happened{Kind: tookOver})
		}
		return taken, err
	})
}

func (j *replicaJournal) Release(ctx context.Context, owner string, keys ...string) error {
	return j.through(ctx, func() error { return j.Leases.Release(ctx, owner, keys...) })
}

func (j *replicaJournal) Tell(ctx context.Context, text string) error {
	return j.through(ctx, func() error { return j.Leases.Tell(ctx, text) })
}

func (j *replicaJournal) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return throughList(j, ctx, j.Leases.Unfinished(ctx))
}

func (j *replicaJournal) Heads(ctx context.Context) iter.Seq2[journal.Record, error] {
	return throughList(j, ctx, j.Leases.Heads(ctx))
}

func (j *replicaJournal) Owned(ctx context.Context, owner string) iter.Seq2[journal.Lease, error] {
	return throughList(j, ctx, j.Leases.Owned(ctx, owner))
}

func throughList[T any](j *replicaJournal, ctx context.Context, list iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		if err := j.through(ctx, func() error { return nil }); err != nil {
			var none T
			yield(none, err)
			return
		}
		list(yield)
	}
}

// Listen loses the texts that come while the journal cannot be reached, and tells so.
func (j *replicaJournal) Listen(ctx context.Context, f func(text string)) error {
	lost := false
	return j.Leases.Listen(ctx, func(text string) {
		j.cuts.mu.Lock()
		cut := j.cuts.journal
		j.cuts.mu.Unlock()
		switch {
		case cut:
			lost = true
		case lost:
			lost = false
			f("")
			fallthrough
		default:
			f(text)
		}
	})
}
