package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5"
)

// maxData is how many bytes a record may have. Postgres takes more, but a statement is
// held in memory whole, here and there.
const maxData = 32 << 20

// How much is read, or deleted, in one statement.
const (
	pageRecords = 256
	pageBytes   = 4 << 20
	pageForget  = 500
	pageHeads   = 1000
)

// Put stores a record; see [journal.Journal]. Data may have up to 32 MiB. It is one
// statement, and another one where it is refused, to tell why. If ctx ends while it
// runs, Put returns at once, and the record may be stored.
func (j *Journal) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if err := r.CheckKey(); err != nil {
		return 0, err
	}
	if len(r.Data) > maxData {
		return 0, fmt.Errorf("%w: postgres: it has %d bytes; up to %d are allowed", journal.ErrTooLarge, len(r.Data), maxData)
	}
	sql := j.sql.replace
	if r.Revision == 0 && r.Term == 0 {
		sql = j.sql.create
	}
	if r.Revision < math.MaxInt64 && r.Term <= math.MaxInt64 {
		n, err := j.exec(ctx, "putting a record", sql, record(r)...)
		if err != nil {
			return 0, err
		}
		if n == 1 {
			return r.Revision + 1, nil
		}
	}
	return 0, j.refused(ctx, r)
}

// refused tells why a record was not stored. What it reads may be newer than what
// refused the record, but a term that has passed does not come back.
func (j *Journal) refused(ctx context.Context, r journal.Record) error {
	if r.Term == 0 {
		return journal.ErrConflict
	}
	var term int64
	err := j.call(ctx, "putting a record", func(ctx context.Context) error {
		_, err := j.row(ctx, j.sql.term, []any{r.Key}, &term)
		return err
	})
	switch {
	case err != nil:
		return err
	case uint64(term) != r.Term:
		return journal.ErrFenced
	}
	return journal.ErrConflict
}

// record returns a record as arguments of the statements that store it.
func record(r journal.Record) []any {
	var sinceSeconds, sinceNanos any
	if !r.Since.IsZero() {
		sinceSeconds, sinceNanos = r.Since.Unix(), int32(r.Since.Nanosecond())
	}
	data := r.Data
	if data == nil {
		data = []byte{}
	}
	return []any{r.Key, int64(r.Revision), r.Done, r.At.Unix(), int32(r.At.Nanosecond()), string(r.Stage), sinceSeconds, sinceNanos, int64(r.Term), data}
}

// scanRecord reads a record's row.
func scanRecord(row pgx.CollectableRow) (journal.Record, error) {
	var r journal.Record
	var revision, seconds, term int64
	var nanos int32
	var stage string
	var sinceSeconds *int64
	var sinceNanos *int32
	if err := row.Scan(&r.Key, &revision, &r.Done, &seconds, &nanos, &stage, &sinceSeconds, &sinceNanos, &term, &r.Data); err != nil {
		return r, err
	}
	r.Revision, r.Term, r.Stage, r.At = uint64(revision), uint64(term), journal.Stage(stage), time.Unix(seconds, int64(nanos)).UTC()
	if sinceSeconds != nil && sinceNanos != nil {
		r.Since = time.Unix(*sinceSeconds, int64(*sinceNanos)).UTC()
	}
	return r, nil
}

// Get returns the record with this key, or an error that matches
// [journal.ErrNoRecord].
func (j *Journal) Get(ctx context.Context, key string) (journal.Record, error) {
	if (journal.Record{Key: key}).CheckKey() != nil {
		return journal.Record{}, journal.ErrNoRecord // Postgres knows no zero bytes in texts
	}
	found, err := rows(ctx, j, "getting a record", j.sql.get, scanRecord, key)
	switch {
	case err != nil:
		return journal.Record{}, err
	case len(found) == 0:
		return journal.Record{}, journal.ErrNoRecord
	}
	return found[0], nil
}

// Unfinished lists the records that are not done; see [journal.Journal]. It reads
// pages of up to 256 records or some 4 MiB, and holds no connection between them.
func (j *Journal) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return pages(ctx, func(after journal.Record) ([]journal.Record, error) {
		return rows(ctx, j, "listing the records", j.sql.unfinished, scanRecord, after.Key, pageRecords, pageBytes)
	})
}

// Heads lists the same without data, 1000 in a statement; see [journal.Leases].
func (j *Journal) Heads(ctx context.Context) iter.Seq2[journal.Record, error] {
	return pages(ctx, func(after journal.Record) ([]journal.Record, error) {
		return rows(ctx, j, "listing the records", j.sql.heads, scanRecord, after.Key, pageHeads)
	})
}

// pages lists page by page, each read behind the last of the one before.
func pages[T any](ctx context.Context, read func(after T) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last, none T
		for {
			page, err := read(last)
			if err != nil {
				yield(none, err)
				return
			}
			if len(page) == 0 {
				return
			}
			for _, last = range page {
				if ctx.Err() != nil {
					yield(none, context.Cause(ctx))
					return
				}
				if !yield(last, nil) {
					return
				}
			}
		}
	}
}

// Forget deletes the records that are done and were put before a time, 500 in a
// statement, and returns how many; beside an error, at least how many. Of a key that
// is owned the lease stays. It tidies up besides: what leases have left behind for more than a day.
func (j *Journal) Forget(ctx context.Context, before time.Time) (int, error) {
	forgotten := 0
	for {
		n := 0
		err := j.write(ctx, "forgetting records", func(ctx context.Context) error {
			_, err := j.row(ctx, j.sql.forget, []any{before.Unix(), int32(before.Nanosecond()), pageForget}, &n)
			return err
		})
		if err != nil {
			return forgotten, err
		}
		if forgotten += n; n == 0 {
			return forgotten, j.tidy(ctx)
		}
	}
}

// tidy deletes what leases have left behind.
func (j *Journal) tidy(ctx context.Context) error {
	for {
		n, err := j.exec(ctx, "tidying up", j.sql.tidyKeys, pageForget)
		if err != nil {
			return err
		}
		if n < pageForget {
			break
		}
	}
	_, err := j.exec(ctx, "tidying up", j.sql.tidyOwners)
	return err
}

const probeSize = 64 << 10 // bytes: room for a few records

// Ready tells whether the journal can be written; see [journal.Prober].
func (j *Journal) Ready(ctx context.Context) error {
	if j.failing.Load() {
		probe := make([]byte, probeSize)
		_, _ = rand.Read(probe) // which Postgres cannot make smaller
		_, err := j.exec(ctx, "trying to write", j.sql.probe, probe)
		return err
	}
	return j.call(ctx, "looking whether it can be written", func(ctx context.Context) error {
		var readOnly bool
		var version int
		switch ok, err := j.row(ctx, j.sql.ready, nil, &readOnly, &version); {
		case err != nil:
			return err
		case !ok || readOnly:
			return errReadOnly
		}
		return nil
	})
}
