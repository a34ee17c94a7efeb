package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// call does something with the database, within the journal's limits of time, and once
// more where a connection turned out to be closed before anything was sent on it.
func (j *Journal) call(ctx context.Context, what string, do func(ctx context.Context) error) error {
	ctx, cancel, err := j.begin(ctx, what)
	if err != nil {
		return err
	}
	defer cancel()
	if err = do(ctx); pgconn.SafeToRetry(err) && ctx.Err() == nil {
		err = do(ctx)
	}
	return failed(ctx, what, err)
}

// write is call for what changes the database.
func (j *Journal) write(ctx context.Context, what string, do func(ctx context.Context) error) error {
	err := j.call(ctx, what, do)
	if ctx.Err() == nil { // else it says nothing of the database
		j.failing.Store(err != nil)
	}
	return err
}

// exec runs a statement and returns how many rows it touched.
func (j *Journal) exec(ctx context.Context, what, sql string, args ...any) (n int64, err error) {
	err = j.write(ctx, what, func(ctx context.Context) error {
		tag, err := j.pool.Exec(ctx, sql, append([]any{j.mode}, args...)...)
		n = tag.RowsAffected()
		return err
	})
	return n, err
}

// row reads one row; not ok: there is none.
func (j *Journal) row(ctx context.Context, sql string, args []any, dest ...any) (ok bool, err error) {
	switch err := j.pool.QueryRow(ctx, sql, append([]any{j.mode}, args...)...).Scan(dest...); err {
	case nil:
		return true, nil
	case pgx.ErrNoRows:
		return false, nil
	default:
		return false, err
	}
}

// rows reads rows into memory: none of the pool's connections is in use when it returns.
func rows[T any](ctx context.Context, j *Journal, what, sql string, read pgx.RowToFunc[T], args ...any) (all []T, err error) {
	err = j.call(ctx, what, func(ctx context.Context) error {
		r, err := j.pool.Query(ctx, sql, append([]any{j.mode}, args...)...)
		if err == nil {
			all, err = pgx.CollectRows(r, read)
		}
		return err
	})
	return all, err
}
