package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// counter counts the statements of a pool.
type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// of returns how many statements something costs.
func (c *counter) of(what func()) int64 {
	was := c.n.Load()
	what()
	return c.n.Load() - was
}

// counted opens a journal whose statements are counted.
func counted(t testing.TB, own Option) (*Journal, *counter) {
	t.Helper()
	c, err := pgxpool.ParseConfig(shared(t))
	require.NoError(t, err)
	n := &counter{}
	c.ConnConfig.Tracer = n
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	j, err := New(t.Context(), pool, AcceptLoss(), own)
	require.NoError(t, err)
	return j, n
}

// fill makes operations: of each thousand 100 unfinished, half of them waiting, which a
// replica owns that is dead, and nine of ten done.
func fill(t testing.TB, own Option, operations int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), shared(t))
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for _, sql := range []string{
		`INSERT INTO {records} (key, revision, done, at_seconds, stage, since_seconds, since_nanos, data, owner, term, recorded, done_seconds, done_nanos)
			SELECT 'op-' || n, 3, n % 10 <> 0, n, CASE WHEN n % 20 = 0 THEN 'waiting' WHEN n % 10 = 0 THEN 'running' ELSE 'ended' END, n, 0, decode(repeat(md5(n::text), 64), 'hex'),
				CASE WHEN n % 10 = 0 THEN 'dead' ELSE '' END, CASE WHEN n % 10 = 0 THEN nextval({'terms'}) ELSE 0 END, true, CASE WHEN n % 10 <> 0 THEN n END, CASE WHEN n % 10 <> 0 THEN 0 END FROM generate_series(1, ` + fmt.Sprint(operations) + `) AS n`,
		`INSERT INTO {owners} (name, until) VALUES ('dead', now() - interval '1 minute')`,
		`ANALYZE {records}`,
	} {
		_, err := conn.Exec(t.Context(), configuredNames(t, own).fill(sql))
		require.NoError(t, err)
	}
}

// plans looks whether any statement reads the whole table.
func plans(t *testing.T, j *Journal) {
	for name, s := range map[string]struct {
		sql  string
		args []any
	}{
		"replace":    {j.sql.replace, record(journal.Record{Key: "op-10", Revision: 3})},
		"get":        {j.sql.get, []any{"op-10"}},
		"unfinished": {j.sql.unfinished, []any{"op-10", pageRecords, pageBytes}},
		"heads":      {j.sql.heads, []any{"op-10", pageHeads}},
		"forget":     {j.sql.forget, []any{int64(100), int32(0), pageForget}},
		"tidy keys":  {j.sql.tidyKeys, []any{pageForget}},
		"own":        {j.sql.own, []any{"B", "op-1"}},
		"owner":      {j.sql.owner, []any{"B", "op-10"}},
		"take one":   {j.sql.takeOne, []any{"B", "op-10", "dead"}},
		"take over":  {j.sql.takeOver, []any{"B", pageTaken}},
		"release":    {j.sql.release, []any{"dead", []string{"op-10", "op-20"}}},
		"owned by":   {j.sql.ownedBy, []any{"dead", "op-10", pageLeases}},
		"owned":      {j.sql.owned, []any{"dead", "op-10", pageLeases}},
	} {
		plan, err := rows(t.Context(), j, "explaining", "EXPLAIN "+s.sql, pgx.RowTo[string], s.args...)
		require.NoError(t, err, name)
		require.NotRegexp(t, `Seq Scan on \S*records`, strings.Join(plan, "\n"), name)
	}
}

// What is done often costs one statement, whatever there is, and none reads the whole
// table.
func TestStatements(t *testing.T) {
	own := ownTables()
	j, n := counted(t, own)
	fill(t, own, 12000)
	plans(t, j)
	ctx := t.Context()
	renew := func(owner string) func() {
		return func() { _, err := j.Renew(ctx, owner, time.Hour); require.NoError(t, err) }
	}
	require.EqualValues(t, 1, n.of(renew("B")))
	require.EqualValues(t, 1, n.of(renew("C")))
	var taken []journal.Lease
	require.EqualValues(t, 3, n.of(func() {
		var err error
		taken, err = j.TakeOver(ctx, "B", 5000)
		require.NoError(t, err)
	}))
	require.Len(t, taken, 1200)
	require.EqualValues(t, 1, n.of(renew("B")), "of 1,200 operations")
	require.EqualValues(t, 1, n.of(func() {
		none, err := j.TakeOver(ctx, "C", 5000)
		require.NoError(t, err)
		require.Empty(t, none)
	}))
	var r journal.Record
	require.EqualValues(t, 1, n.of(func() {
		var err error
		r, err = j.Get(ctx, taken[0].Key)
		require.NoError(t, err)
	}))
	require.EqualValues(t, 1, n.of(func() { r.Term = taken[0].Term; _, err := j.Put(ctx, r); require.NoError(t, err) }))
	require.EqualValues(t, 2, n.of(func() { _, err := j.Put(ctx, r); require.ErrorIs(t, err, journal.ErrConflict) }))
	require.EqualValues(t, 1, n.of(func() { _, err := j.Own(ctx, "B", "new"); require.NoError(t, err) }))
	require.EqualValues(t, 2, n.of(func() { _, err := j.Own(ctx, "C", "new"); require.ErrorIs(t, err, journal.ErrOwned) }))
	require.EqualValues(t, 1, n.of(func() { require.NoError(t, j.Release(ctx, "B")) }))
	require.EqualValues(t, 6, n.of(func() { // 1,200 in pages of 256, and an empty one
		for _, err := range j.Unfinished(ctx) {
			require.NoError(t, err)
		}
	}))
	require.EqualValues(t, 3, n.of(func() {
		for _, err := range j.Heads(ctx) {
			require.NoError(t, err)
		}
	}))
}

// Forget deletes what leases leave behind, a day later, and nothing that still counts.
func TestTidy(t *testing.T) {
	own := ownTables()
	j := open(t, shared(t), own)
	ctx := t.Context()
	take := func(owner, key string) journal.Lease {
		_, err := j.Renew(ctx, owner, time.Hour)
		require.NoError(t, err)
		l, err := j.Own(ctx, owner, key)
		require.NoError(t, err)
		return l
	}
	released, orphaned, recent, kept := take("A", "released"), take("dead", "orphaned"), take("A", "recent"), take("A", "kept")
	put := take("holder", "put")
	_, err := j.Put(ctx, journal.Record{Key: "put", Term: put.Term, Stage: journal.Running})
	require.NoError(t, err)
	require.NoError(t, j.Release(ctx, "A", "released", "recent"))
	run(t, own, "UPDATE {records} SET owned_at = now() - interval '25 hours' WHERE key <> 'recent'")
	run(t, own, "UPDATE {owners} SET until = now() - interval '25 hours' WHERE name <> 'A'")
	keys := func(table, column string) []string {
		all, err := rows(ctx, j, "listing", "SELECT "+column+" FROM "+table+" ORDER BY 1", pgx.RowTo[string])
		require.NoError(t, err)
		return all
	}
	n, err := j.Forget(ctx, time.Now())
	require.NoError(t, err)
	require.Zero(t, n, "keys are no records")
	require.Equal(t, []string{"kept", "put", "recent"}, keys(configuredNames(t, own).quoted("records"), "key"))
	require.Equal(t, []string{"A", "holder"}, keys(configuredNames(t, own).quoted("owners"), "name"))
	for _, l := range []journal.Lease{released, orphaned, recent} {
		_, err := j.Put(ctx, journal.Record{Key: l.Key, Term: l.Term})
		require.ErrorIs(t, err, journal.ErrFenced)
		now := take("B", l.Key)
		require.Greater(t, now.Term, l.Term)
	}
	_, err = j.Put(ctx, journal.Record{Key: "kept", Term: kept.Term})
	require.NoError(t, err)

	// An owner that comes back later than that is told that its lease had run out.
	told, err := j.Renew(ctx, "dead", time.Hour)
	require.NoError(t, err)
	require.True(t, told.Lapsed)
	require.NoError(t, j.Release(ctx, "dead"))
	told, err = j.Renew(ctx, "dead", time.Hour)
	require.NoError(t, err)
	require.False(t, told.Lapsed)
}
