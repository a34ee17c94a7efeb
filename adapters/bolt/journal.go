package bolt

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/journal"
	"go.etcd.io/bbolt"
)

// A Journal is a [journal.Journal] on disk. All its methods may be called at
// once. Times come back in UTC, empty data as an empty slice.
type Journal struct {
	path     string
	config   config
	headFile *os.File

	// database guards all below, and whatever is done with db: bbolt's own locks
	// stay locked for ever where it panics, and its readers may see what is not
	// synced yet.
	database sync.Mutex
	db       *bbolt.DB
	file     *os.File // that of db
	head     head     // as it is on disk
	broken   error    // why nothing more can be done
	faulted  bool     // db panicked: it must not be called any more
	setback  setback

	queue queue
}

var (
	_ journal.Journal = (*Journal)(nil)
	_ journal.Prober  = (*Journal)(nil)
)

// Get returns the record with this key, or an error that matches
// [journal.ErrNoRecord].
func (j *Journal) Get(ctx context.Context, key string) (journal.Record, error) {
	if ctx.Err() != nil {
		return journal.Record{}, context.Cause(ctx)
	}
	var r journal.Record
	err := j.view(func(tx *bbolt.Tx) error {
		v := tx.Bucket(bucketRecords).Get([]byte(key))
		if v == nil {
			return journal.ErrNoRecord
		}
		var err error
		r, err = j.decode([]byte(key), v)
		return err
	})
	if err != nil {
		return journal.Record{}, err
	}
	return r, nil
}

// decode decodes a record into memory of its own.
func (j *Journal) decode(key, value []byte) (journal.Record, error) {
	r, _, err := decodeRecord(key, value)
	if err != nil {
		return r, damaged(j.path, err)
	}
	r.Data = append([]byte{}, r.Data...)
	return r, nil
}

// Put stores a record; see [journal.Journal]. Data may have up to 16 MiB. Puts
// that wait at the same time are written together. If ctx ends while it waits,
// the record is not stored; if it ends while it is written, Put returns at once,
// and the record may be stored.
func (j *Journal) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if err := r.CheckKey(); err != nil {
		return 0, err
	}
	if len(r.Data) > maxData {
		return 0, fmt.Errorf("%w: bolt: it has %d bytes; up to %d are allowed", journal.ErrTooLarge, len(r.Data), maxData)
	}
	next := r.Revision + 1
	if next == 0 {
		return 0, fmt.Errorf("%w: no record has revision %d", journal.ErrConflict, r.Revision)
	}
	p := replacement{key: []byte(r.Key), revision: r.Revision, value: encodeRecord(r, next)}
	if err := j.do(ctx, p.apply); err != nil {
		return 0, err
	}
	return next, nil
}

// A replacement is a record on its way. It shares no memory with its caller.
type replacement struct {
	key      []byte
	revision uint64 // that is to be replaced
	value    []byte
}

func (p replacement) apply(tx *bbolt.Tx, t *total) error {
	records := tx.Bucket(bucketRecords)
	var was journal.Record
	if v := records.Get(p.key); v != nil {
		r, d, err := decodeRecord(p.key, v)
		if err != nil {
			return errtext.Errorf("%w: %w", ErrCorrupt, err)
		}
		if r.Revision != p.revision {
			return journal.ErrConflict
		}
		was = r
		t.remove(d)
		bucket, key := indexEntry(was)
		if err := tx.Bucket(bucket).Delete(key); err != nil {
			return err
		}
	} else if p.revision != 0 {
		return journal.ErrConflict
	}
	r, d, err := decodeRecord(p.key, p.value)
	if err != nil {
		return err
	}
	t.add(d)
	bucket, key := indexEntry(r)
	if err := tx.Bucket(bucket).Put(key, indexed); err != nil {
		return err
	}
	return records.Put(p.key, p.value)
}

// chunk bounds how much is read or deleted in one transaction: a loop over
// Unfinished may take its time, and may put records.
const (
	chunkRecords = 256
	chunkBytes   = 1 << 20
)

// Unfinished lists the records that are not done; see [journal.Journal].
func (j *Journal) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return func(yield func(journal.Record, error) bool) {
		for after := []byte(nil); ; {
			if ctx.Err() != nil {
				yield(journal.Record{}, context.Cause(ctx))
				return
			}
			records, err := j.unfinished(after)
			if err != nil {
				yield(journal.Record{}, err)
				return
			}
			if len(records) == 0 {
				return
			}
			for _, r := range records {
				if ctx.Err() != nil {
					yield(journal.Record{}, context.Cause(ctx))
					return
				}
				if !yield(r, nil) {
					return
				}
			}
			after = []byte(records[len(records)-1].Key)
		}
	}
}

// unfinished reads the next records behind a key.
func (j *Journal) unfinished(after []byte) (found []journal.Record, err error) {
	err = j.view(func(tx *bbolt.Tx) error {
		c, records := tx.Bucket(bucketUnfinished).Cursor(), tx.Bucket(bucketRecords)
		k, _ := c.Seek(after)
		if after != nil && slices.Equal(k, after) {
			k, _ = c.Next()
		}
		for size := 0; k != nil && len(found) < chunkRecords && size < chunkBytes; k, _ = c.Next() {
			v := records.Get(k)
			if v == nil {
				return damaged(j.path, errors.New("a record is missing"))
			}
			r, err := j.decode(k, v)
			if err != nil {
				return err
			}
			found = append(found, r)
			size += len(v)
		}
		return nil
	})
	return found, err
}

// Forget deletes the records that are done and were put before a time, and
// returns how many; beside an error, at least how many.
func (j *Journal) Forget(ctx context.Context, before time.Time) (int, error) {
	forgotten := 0
	for {
		n := 0
		err := j.do(ctx, func(tx *bbolt.Tx, t *total) (err error) {
			n, err = forget(tx, t, timePrefix(before))
			return err
		})
		if err != nil {
			return forgotten, err
		}
		if n == 0 {
			return forgotten, nil
		}
		forgotten += n
	}
}

// forget deletes the next done records whose entry in the index sorts before
// this one, and returns how many.
func forget(tx *bbolt.Tx, t *total, before []byte) (int, error) {
	done, records := tx.Bucket(bucketDone), tx.Bucket(bucketRecords)
	var entries [][]byte
	c := done.Cursor()
	for k, _ := c.First(); k != nil && len(entries) < chunkRecords && slices.Compare(k, before) < 0; k, _ = c.Next() {
		entries = append(entries, slices.Clone(k))
	}
	for _, e := range entries {
		key := e[len(before):]
		v := records.Get(key)
		_, d, err := decodeRecord(key, v)
		if err != nil {
			return 0, errtext.Errorf("%w: %w", ErrCorrupt, err)
		}
		t.remove(d)
		if err := errors.Join(records.Delete(key), done.Delete(e)); err != nil {
			return 0, err
		}
	}
	return len(entries), nil
}

// view reads the database.
func (j *Journal) view(read func(*bbolt.Tx) error) (err error) {
	j.database.Lock()
	defer j.database.Unlock()
	if j.broken != nil {
		return j.broken
	}
	if err := j.reopen(); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer j.recoverFault(&err)
	err = j.db.View(func(tx *bbolt.Tx) error {
		if err := j.asWritten(tx); err != nil {
			return err
		}
		return read(tx)
	})
	if errors.Is(err, ErrCorrupt) {
		j.fail(err)
	}
	return err
}

// asWritten makes sure that a transaction sees what was written last: a file that
// was overwritten in place, with a backup say, has older records that are whole. The
// caller holds j.database.
func (j *Journal) asWritten(tx *bbolt.Tx) error {
	h, err := decodeHead(tx.Bucket(bucketMeta).Get(keyHead))
	if err == nil && (h.generation != j.head.generation || h.now != j.head.now) {
		err = errors.New("it was overwritten while it was open: it holds something else than was written")
	}
	if err != nil {
		return damaged(j.path, err)
	}
	return nil
}

// recoverFault turns a panic of bbolt, or a fault of the memory that it mapped,
// into an error, after which it is called no more. It is to be deferred, with
// j.database locked.
func (j *Journal) recoverFault(err *error) {
	if p := recover(); p != nil {
		j.faulted = true
		*err = damaged(j.path, fmt.Errorf("using it failed: %v", p))
		j.fail(*err)
	}
}

// fail lets nothing more be done, because of the first error.
func (j *Journal) fail(err error) {
	if j.broken == nil {
		j.broken = errtext.Errorf("bolt: the journal failed before, and has to be opened anew: %w", err)
	}
}

// Close waits for the records that are being put, and closes the journal. Calls
// after it fail with an error that matches [os.ErrClosed]; closing again does
// nothing.
func (j *Journal) Close() error {
	closed := fmt.Errorf("bolt: the journal %s: %w", j.path, os.ErrClosed)
	if !j.queue.close(closed) {
		return nil
	}
	j.database.Lock()
	defer j.database.Unlock()
	j.broken = closed
	return j.release()
}

// release closes the files. bbolt cannot be closed after it panicked, since its
// locks are held; then what it mapped stays mapped until the process ends.
func (j *Journal) release() error {
	var err error
	switch {
	case j.db != nil && !j.faulted:
		err = j.db.Close()
	case j.file != nil:
		err = j.file.Close()
	}
	return errors.Join(err, j.headFile.Close())
}
