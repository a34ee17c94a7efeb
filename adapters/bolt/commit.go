package bolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/duvotool/duvotool/journal"
	"go.etcd.io/bbolt"
)

// A change is something to be done to the records in a transaction, together
// with others. If apply returns ErrConflict it has changed nothing, and only its
// own caller is told; after any other error nothing of the transaction is done.
type change struct {
	apply func(*bbolt.Tx, *total) error
	err   error
	done  chan struct{} // closed when err is final
}

// A queue holds the changes that wait while others are written. They are written
// by a goroutine that lives as long as there are any: so a change that comes
// alone is written at once, and those that come meanwhile are written together.
type queue struct {
	mu      sync.Mutex
	waiting []*change
	writer  chan struct{} // closed when the goroutine ends; nil if there is none
	closed  error         // what changes are refused with from now on
}

// do has a change written, and returns when that is on disk, or the context has
// ended.
func (j *Journal) do(ctx context.Context, apply func(*bbolt.Tx, *total) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c := &change{apply: apply, done: make(chan struct{})}
	if err := j.queue.add(c, j.write); err != nil {
		return err
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		j.queue.remove(c)
		return context.Cause(ctx)
	}
}

// add takes a change, and starts the writer if there is none.
func (q *queue) add(c *change, write func([]*change)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed != nil {
		return q.closed
	}
	q.waiting = append(q.waiting, c)
	if q.writer == nil {
		q.writer = make(chan struct{})
		go q.run(write)
	}
	return nil
}

// run writes what waits until nothing does.
func (q *queue) run(write func([]*change)) {
	for {
		q.mu.Lock()
		batch := q.waiting
		q.waiting = nil
		if len(batch) == 0 {
			close(q.writer)
			q.writer = nil
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		write(batch)
		runtime.Gosched() // those let go may have more
	}
}

// remove takes back a change that is not being written yet.
func (q *queue) remove(c *change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, c); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
}

// close refuses changes from now on, and waits for those that were taken. It
// returns false if it was closed before.
func (q *queue) close(err error) bool {
	q.mu.Lock()
	first := q.closed == nil
	if first {
		q.closed = err
	}
	writer := q.writer
	q.mu.Unlock()
	if writer != nil {
		<-writer
	}
	return first
}

// write writes changes in one transaction, and lets their callers go.
func (j *Journal) write(batch []*change) {
	j.database.Lock()
	err := j.broken
	if err == nil {
		err = j.writable()
	}
	if err == nil {
		err = j.settled(j.commit(batch))
	}
	j.database.Unlock()
	for _, c := range batch {
		if err != nil {
			c.err = err
		}
		close(c.done)
	}
}

// commit is the order of writes that the package's documentation describes. The
// caller holds j.database.
func (j *Journal) commit(batch []*change) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer j.recoverFault(&err)
	tx, err := j.db.Begin(true)
	if err != nil {
		return fmt.Errorf("bolt: writing %s: %w", j.path, err)
	}
	if err := j.asWritten(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	next := head{generation: j.head.generation + 1, now: j.head.now, before: j.head.now}
	for _, c := range batch {
		if c.err = c.apply(tx, &next.now); c.err != nil && !errors.Is(c.err, journal.ErrConflict) {
			return errors.Join(fmt.Errorf("bolt: writing %s: %w", j.path, c.err), tx.Rollback())
		}
	}
	if next.now == j.head.now { // conflicts, or nothing to forget
		return tx.Rollback()
	}
	if err := putHead(tx, next); err != nil {
		return errors.Join(fmt.Errorf("bolt: writing %s: %w", j.path, err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return &commitError{fmt.Errorf("bolt: writing %s: %w", j.path, err)}
	}
	if err := writeSlot(j.headFile, slot{next.generation, next.now}); err != nil {
		return &slotError{fmt.Errorf("bolt: writing the head file of %s: %w", j.path, err)}
	}
	j.head = next
	return j.here() // else it was written to what nobody will open
}
