package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/journal"
)

// A disk is full for a while now and then, for the journal, the audit or both.
// Its methods may be called at once.
type disk struct {
	happened func(happened)

	mu      sync.Mutex
	dice    dice
	journal bool // writes of it fail now
	audit   bool
}

// live lets the disk be full from time to time, until the end.
func (d *disk) live(end <-chan struct{}) {
	for {
		d.mu.Lock()
		wait, full := d.dice.between(500*time.Millisecond, 8*time.Second), d.dice.between(200*time.Millisecond, 2*time.Second)
		which := []string{"journal", "audit", "journal and audit"}[d.dice.IntN(3)]
		d.mu.Unlock()
		if !sleepUntil(end, wait) {
			return
		}
		d.happened(happened{Kind: diskFull, Text: which})
		d.set(which != "audit", which != "journal")
		going := sleepUntil(end, full)
		d.set(false, false)
		if !going {
			return
		}
	}
}

func (d *disk) set(journal, audit bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.journal, d.audit = journal, audit
}

// sleepUntil sleeps; false if the end came first.
func sleepUntil(end <-chan struct{}, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-end:
		return false
	}
}

// A diskJournal fails while the disk is full. Now and then what it was given is
// stored all the same.
type diskJournal struct {
	journal.Journal
	disk *disk
}

func (j diskJournal) Put(ctx context.Context, r journal.Record) (uint64, error) {
	j.disk.mu.Lock()
	full, stored := j.disk.journal, j.disk.dice.one(5)
	j.disk.mu.Unlock()
	if !full {
		return j.Journal.Put(ctx, r)
	}
	j.disk.happened(happened{Kind: writeFailed, Text: "journal"})
	if stored {
		_, _ = j.Journal.Put(ctx, r)
	}
	return 0, fmt.Errorf("%w: no space left on device", journal.ErrUnavailable)
}

// Ready makes every journal a journal.Prober.
func (j diskJournal) Ready(ctx context.Context) error {
	j.disk.mu.Lock()
	full := j.disk.journal
	j.disk.mu.Unlock()
	if full {
		return fmt.Errorf("%w: no space left on device", journal.ErrUnavailable)
	}
	if p, ok := j.Journal.(journal.Prober); ok {
		return p.Ready(ctx)
	}
	return nil
}

// A diskAudit fails while the disk is full.
type diskAudit struct {
	file *audit.File
	disk *disk
}

func (a diskAudit) full() error {
	a.disk.mu.Lock()
	defer a.disk.mu.Unlock()
	if a.disk.audit {
		return fmt.Errorf("%w: no space left on device", audit.ErrUnavailable)
	}
	return nil
}

func (a diskAudit) Record(ctx context.Context, r audit.Record) error {
	if err := a.full(); err != nil {
		a.disk.happened(happened{Kind: writeFailed, Text: "audit"})
		return err
	}
	return a.file.Record(ctx, r)
}

func (a diskAudit) Ready(ctx context.Context) error {
	if err := a.full(); err != nil {
		return err
	}
	return a.file.Ready(ctx)
}
