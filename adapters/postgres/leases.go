package postgres

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How many leases one statement lists, or takes over. What it answers has to fit into
// the buffers of the connection, so that a replica that stops in the middle keeps
// nobody's rows locked.
const (
	pageLeases = 1000
	pageTaken  = 500
)

// Renew lets the owner's lease last from now on, in one statement, whatever it owns; see
// [journal.Leases]. After a renewal whose answer was lost the next one says that the lease
// had run out: that may have been the answer.
func (j *Journal) Renew(ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
	if err := errors.Join(journal.CheckOwner(owner), journal.CheckLasts(lasts)); err != nil {
		return journal.Renewal{}, err
	}
	var told journal.Renewal
	err := j.write(ctx, "renewing a lease", func(ctx context.Context) error {
		var lapsed *bool
		_, err := j.row(ctx, j.sql.renew, []any{owner, lasts.Microseconds()}, &lapsed, &told.Replicas)
		if err != nil {
			if !pgconn.SafeToRetry(err) { // it may have been done, and have found that the lease had run out
				j.renewed.Store(owner, false)
			}
			return err
		}
		answered, known := j.renewed.Swap(owner, true)
		switch {
		case known && answered == false:
			told.Lapsed = true
		case lapsed == nil: // new, or so long ago that it was forgotten
			told.Lapsed = known
		default:
			told.Lapsed = *lapsed
		}
		return nil
	})
	if err != nil {
		return journal.Renewal{}, err
	}
	return told, nil
}

// Own makes a replica the owner of a key; see [journal.Leases]. It is one statement where
// nobody owns the key.
func (j *Journal) Own(ctx context.Context, owner, key string) (journal.Lease, error) {
	if err := errors.Join(journal.CheckOwner(owner), journal.Record{Key: key}.CheckKey()); err != nil {
		return journal.Lease{}, err
	}
	var got journal.Lease
	var refused error
	err := j.write(ctx, "owning a key", func(ctx context.Context) (err error) {
		for range 100 { // each time another replica was faster
			var done bool
			if got, refused, done, err = j.tryOwn(ctx, owner, key); done || err != nil {
				return err
			}
		}
		return errContended
	})
	if err != nil {
		return journal.Lease{}, err
	}
	return got, refused
}

// tryOwn is done where it got a lease, or was refused.
func (j *Journal) tryOwn(ctx context.Context, owner, key string) (got journal.Lease, refused error, done bool, err error) {
	var term int64
	mine := func() journal.Lease { return journal.Lease{Key: key, Owner: owner, Term: uint64(term)} }
	ok, err := j.row(ctx, j.sql.own, []any{owner, key}, &term)
	if ok || err != nil {
		return mine(), nil, ok, err
	}
	var lives, otherLives bool
	var other string
	if _, err := j.row(ctx, j.sql.owner, []any{owner, key}, &lives, &other, &term, &otherLives); err != nil {
		return got, nil, false, err
	}
	switch {
	case !lives:
		return got, journal.ErrLapsed, true, nil
	case other == owner:
		return mine(), nil, true, nil
	case other == "":
		return got, nil, false, nil
	case otherLives:
		return journal.Lease{Key: key, Owner: other, Term: uint64(term)}, journal.ErrOwned, true, nil
	}
	ok, err = j.row(ctx, j.sql.takeOne, []any{owner, key, other}, &term)
	return mine(), nil, ok, err
}

// TakeOver makes a replica the owner of operations that have none; see [journal.Leases].
// It takes up to 500 in a statement. Rows that others are writing at that moment are
// left to the next one.
func (j *Journal) TakeOver(ctx context.Context, owner string, n int) ([]journal.Lease, error) {
	if err := journal.CheckOwner(owner); err != nil {
		return nil, err
	}
	var taken []journal.Lease
	for {
		some := max(0, min(n-len(taken), pageTaken))
		got, err := j.takeSome(ctx, owner, some)
		taken = append(taken, got...)
		switch {
		case err != nil && len(taken) == 0:
			return nil, err
		case err != nil || len(got) < some || len(taken) >= n:
			return taken, nil // what is taken must be told
		}
	}
}

func (j *Journal) takeSome(ctx context.Context, owner string, n int) ([]journal.Lease, error) {
	var lives bool
	var keys []string
	var terms []int64
	err := j.write(ctx, "taking over", func(ctx context.Context) error {
		_, err := j.row(ctx, j.sql.takeOver, []any{owner, n}, &lives, &keys, &terms)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !lives:
		return nil, journal.ErrLapsed
	}
	taken := make([]journal.Lease, len(keys))
	for i, key := range keys {
		taken[i] = journal.Lease{Key: key, Owner: owner, Term: uint64(terms[i])}
	}
	return taken, nil
}

// Release ends the ownership of keys, or of all and the lease, in one statement; see
// [journal.Leases].
func (j *Journal) Release(ctx context.Context, owner string, keys ...string) error {
	if err := journal.CheckOwner(owner); err != nil {
		return err
	}
	if len(keys) > 0 {
		_, err := j.exec(ctx, "releasing keys", j.sql.release, owner, keys)
		return err
	}
	_, err := j.exec(ctx, "releasing all", j.sql.releaseAll, owner)
	if err == nil {
		j.renewed.Delete(owner)
	}
	return err
}

// Owned lists what is owned; see [journal.Leases].
func (j *Journal) Owned(ctx context.Context, owner string) iter.Seq2[journal.Lease, error] {
	return pages(ctx, func(after journal.Lease) ([]journal.Lease, error) {
		if owner == "" {
			return rows(ctx, j, "listing what is owned", j.sql.owned, scanLease, after.Owner, after.Key, pageLeases)
		}
		if err := journal.CheckOwner(owner); err != nil {
			return nil, err
		}
		return rows(ctx, j, "listing what is owned", j.sql.ownedBy, scanLease, owner, after.Key, pageLeases)
	})
}

func scanLease(row pgx.CollectableRow) (journal.Lease, error) {
	var l journal.Lease
	var term int64
	err := row.Scan(&l.Key, &l.Owner, &term)
	l.Term = uint64(term)
	return l, err
}
