package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// run runs SQL as the superuser, with the tables' names of a journal in it.
func run(t *testing.T, own Option, sql string) {
	t.Helper()
	_, err := admin(t).Exec(t.Context(), configuredNames(t, own).fill(sql))
	require.NoError(t, err)
}

// role makes a role that may log in and nothing else, and returns how it connects.
func role(t *testing.T, also string) (name, connString string) {
	t.Helper()
	shared(t)
	name = fmt.Sprintf("role_%d", tables.Add(1))
	_, err := admin(t).Exec(t.Context(), "CREATE ROLE "+name+" LOGIN "+also)
	require.NoError(t, err)
	return name, strings.Replace(shared(t), "user=postgres", "user="+name, 1)
}

// Many that open a new journal at once make its tables once.
func TestMigrationsAtOnce(t *testing.T) {
	own := ownTables()
	db := shared(t)
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			j, err := Open(t.Context(), db, AcceptLoss(), own)
			if errs[i] = err; err == nil {
				errs[i] = j.Close()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// A schema is brought forward in one transaction, step by step, and a newer one is left
// alone.
func TestVersions(t *testing.T) {
	own := ownTables()
	j := open(t, shared(t), own)
	_, err := j.Put(t.Context(), journal.Record{Key: "kept", Data: []byte("x")})
	require.NoError(t, err)

	was := migrations
	t.Cleanup(func() { migrations, newest = was, len(was) })
	migrations, newest = append(was[:1:1], []string{`ALTER TABLE {records} ADD COLUMN more text`, `SELECT broken`}), 2
	_, err = Open(t.Context(), shared(t), AcceptLoss(), own)
	require.ErrorContains(t, err, "broken")
	require.NotErrorIs(t, err, journal.ErrUnavailable)
	_, err = Open(t.Context(), shared(t), AcceptLoss(), own, WithoutMigrations())
	require.ErrorIs(t, err, ErrNotMigrated)

	migrations[1] = migrations[1][:1] // which fails if it was half done
	_, err = open(t, shared(t), own).Get(t.Context(), "kept")
	require.NoError(t, err)
	require.NoError(t, Migrate(t.Context(), shared(t), own))

	migrations, newest = was, 1
	for _, opts := range [][]Option{{AcceptLoss(), own}, {AcceptLoss(), own, WithoutMigrations()}} {
		_, err = Open(t.Context(), shared(t), opts...)
		require.ErrorIs(t, err, ErrNewer)
	}
	require.ErrorIs(t, Migrate(t.Context(), shared(t), own), ErrNewer)
	require.ErrorContains(t, err, "version 2, and this release works with 1")
}

// Programs need a role that may change rows only; tables are made by another one.
func TestPermissions(t *testing.T) {
	own := ownTables()
	name, as := role(t, "")
	_, err := Open(t.Context(), as, AcceptLoss(), own)
	require.ErrorContains(t, err, "permission denied")
	require.NotErrorIs(t, err, journal.ErrUnavailable)
	_, err = Open(t.Context(), as, AcceptLoss(), own, WithoutMigrations())
	require.ErrorIs(t, err, ErrNotMigrated)
	require.NoError(t, Migrate(t.Context(), shared(t), own))
	_, err = Open(t.Context(), as, AcceptLoss(), own, WithoutMigrations())
	require.ErrorContains(t, err, "permission denied")

	run(t, own, "GRANT SELECT, INSERT, UPDATE, DELETE ON {records}, {owners} TO "+name)
	run(t, own, "GRANT SELECT, UPDATE ON {version} TO "+name)
	run(t, own, "GRANT USAGE ON SEQUENCE {terms} TO "+name)
	j := open(t, as, own)
	uses(t, j)

	run(t, own, "REVOKE UPDATE ON {records} FROM "+name)
	_, err = j.Put(t.Context(), journal.Record{Key: "a"})
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Equal(t, "42501", pg.Code)
	require.NotErrorIs(t, err, journal.ErrUnavailable)
	run(t, own, "DROP TABLE {records}")
	_, err = j.Get(t.Context(), "a")
	require.ErrorContains(t, err, "does not exist")
	require.NotErrorIs(t, err, journal.ErrUnavailable)
}

// uses calls everything once.
func uses(t *testing.T, j *Journal) {
	t.Helper()
	ctx := t.Context()
	for _, owner := range []string{"A", "B"} {
		_, err := j.Renew(ctx, owner, time.Hour)
		require.NoError(t, err)
	}
	l, err := j.Own(ctx, "A", "a")
	require.NoError(t, err)
	other, err := j.Own(ctx, "B", "a")
	require.ErrorIs(t, err, journal.ErrOwned)
	require.Equal(t, l, other)
	r := journal.Record{Key: "a", At: time.Date(10000, 1, 1, 0, 59, 59, 999999999, time.UTC), Since: time.Unix(-1, 1).UTC(), Stage: journal.Waiting, Term: l.Term, Data: []byte("a\x00\xff")}
	for range 2 {
		r.Revision, err = j.Put(ctx, r)
		require.NoError(t, err)
		got, err := j.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	for got, err := range j.Unfinished(ctx) {
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	for _, owner := range []string{"", "A"} {
		for got, err := range j.Owned(ctx, owner) {
			require.NoError(t, err)
			require.Equal(t, l, got)
		}
	}
	require.NoError(t, j.Release(ctx, "A", "a"))
	taken, err := j.TakeOver(ctx, "B", 2)
	require.NoError(t, err)
	require.Len(t, taken, 1)
	_, err = j.Put(ctx, r)
	require.ErrorIs(t, err, journal.ErrFenced)
	require.NoError(t, j.Release(ctx, "B"))
	require.NoError(t, j.Tell(ctx, "x"))
	r.Done, r.Term = true, 0
	_, err = j.Put(ctx, r)
	require.NoError(t, err)
	n, err := j.Forget(ctx, r.At.Add(1))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, j.Ready(ctx))
	j.failing.Store(true)
	require.NoError(t, j.Ready(ctx))
	require.False(t, j.failing.Load())
}

// Statements run in each of the ways that pgx has, and in schemas and with prefixes of
// all kinds, without touching one another.
func TestWaysAndNames(t *testing.T) {
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) { uses(t, open(t, shared(t)+" default_query_exec_mode="+mode, ownTables())) })
	}
	t.Run("no caches", func(t *testing.T) {
		uses(t, open(t, shared(t)+" statement_cache_capacity=0 description_cache_capacity=0", ownTables()))
	})
	db := database(t)
	conn, err := pgx.Connect(t.Context(), db)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `CREATE SCHEMA "It's ""odd"""`)
	require.NoError(t, err)
	kept := open(t, db)
	_, err = kept.Put(t.Context(), journal.Record{Key: "a", Data: []byte("kept")})
	require.NoError(t, err)
	var heard []string
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- kept.Listen(ctx, func(text string) { heard = append(heard, text) })
	}()
	uses(t, open(t, db, WithSchema(`It's "odd"`)))
	uses(t, open(t, db, WithPrefix(strings.Repeat("p", 31))))
	uses(t, open(t, db, WithPrefix("_")))
	r, err := kept.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "kept", string(r.Data))
	stop()
	<-ended
	require.Empty(t, heard, "told by another journal")
	for _, prefix := range []string{"", "A", "1a", "a-b", `a"; DROP TABLE x; --`, strings.Repeat("p", 32), "ä"} {
		_, err := Open(t.Context(), db, WithPrefix(prefix))
		require.ErrorContains(t, err, "prefix", prefix)
	}
	_, err = Open(t.Context(), db, AcceptLoss(), WithSchema("missing"))
	require.ErrorContains(t, err, "does not exist")
	require.NotErrorIs(t, err, journal.ErrUnavailable)
}

// A server that loses what it said it had stored is refused, unless that is accepted.
func TestNotDurable(t *testing.T) {
	_, err := Open(t.Context(), shared(t), ownTables()) // fsync is off here
	require.ErrorIs(t, err, ErrNotDurable)
	_, err = Open(t.Context(), shared(t)+" options='-c synchronous_commit=off'", ownTables())
	require.ErrorIs(t, err, ErrNotDurable)
	require.ErrorContains(t, err, "synchronous_commit is off")
}

// What may pass by itself says so: no server, too many connections, a server that only
// reads. What a person must mend does not.
func TestWhichFailuresPass(t *testing.T) {
	for code, want := range map[string]bool{"53100": true, "53300": true, "57P01": true, "57P03": true, "40001": true, "40P01": true, "25006": true, "08006": true, "55P03": true,
		"42501": false, "42P01": false, "28P01": false, "3D000": false, "22021": false, "": false, "57": false} {
		require.Equal(t, want, passes(&pgconn.PgError{Code: code}), code)
	}
	_, err := Open(t.Context(), "host="+t.TempDir()+" user=postgres")
	require.ErrorIs(t, err, journal.ErrUnavailable)
	_, err = Open(t.Context(), "host=127.0.0.1 port=1 user=postgres")
	require.ErrorIs(t, err, journal.ErrUnavailable)
	require.ErrorContains(t, err, "refused")
	_, err = Open(t.Context(), strings.Replace(shared(t), "dbname=postgres", "dbname=missing", 1))
	require.ErrorContains(t, err, "missing")
	require.NotErrorIs(t, err, journal.ErrUnavailable)

	own := ownTables()
	require.NoError(t, Migrate(t.Context(), shared(t), own))
	_, as := role(t, "SUPERUSER CONNECTION LIMIT 1")
	name, limited := role(t, "CONNECTION LIMIT 1")
	run(t, own, "GRANT ALL ON {records}, {owners}, {version} TO "+name)
	run(t, own, "GRANT ALL ON SEQUENCE {terms} TO "+name)
	j := open(t, as+" options='-c default_transaction_read_only=on'", own)
	_, err = j.Put(t.Context(), journal.Record{Key: "a"})
	require.ErrorIs(t, err, journal.ErrUnavailable)
	require.ErrorContains(t, err, "25006")
	require.ErrorIs(t, j.Ready(t.Context()), journal.ErrUnavailable)
	j.failing.Store(false)
	require.ErrorIs(t, j.Ready(t.Context()), journal.ErrUnavailable)

	j = open(t, limited+" pool_max_conns=1", own)
	_, err = Open(t.Context(), limited, AcceptLoss(), own)
	require.ErrorIs(t, err, journal.ErrUnavailable)
	require.ErrorContains(t, err, "too many connections")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, j.Listen(ctx, func(string) {}), context.DeadlineExceeded, "it is tried again and again")
}

// Whatever fails, no error tells how one connects.
func TestNoSecretInErrors(t *testing.T) {
	const secret = "s3cr3tw0rd"
	shared(t)
	dir := url.QueryEscape(server.Dir())
	pw := filepath.Join(t.TempDir(), "pgpass")
	require.NoError(t, os.WriteFile(pw, []byte("*:*:*:*:"+secret+"\n"), 0o600))
	var errs []error
	for _, s := range []string{
		"postgres://kim:" + secret + "@127.0.0.1:1/x",
		"postgres://kim:" + secret + "@127.0.0.1:port/x",
		"postgres://kim:" + secret + "@/missing?host=" + dir,
		"postgres://postgres:" + secret + "@/missing?host=" + dir,
		"postgres://kim:" + secret + "%zz@/missing?host=" + dir,
		"postgres://kim:" + secret + "@/x?sslmode=" + secret,
		"postgres://kim:" + secret + "@/x?pool_max_conns=" + secret,
		"host=127.0.0.1 port=1 user=kim password=" + secret,
		"host=127.0.0.1 port=1 user=kim passfile=" + pw,
		"host=127.0.0.1 user=kim password='" + secret,
		"host=127.0.0.1 port=" + secret + " user=kim",
		"password=" + secret + " sslrootcert=" + secret + " sslmode=verify-full host=127.0.0.1",
		secret,
	} {
		_, err := Open(t.Context(), s, AcceptLoss())
		errs = append(errs, err, Migrate(t.Context(), s))
		j, err := Open(t.Context(), shared(t), AcceptLoss(), ownTables(), WithListen(s))
		if err == nil { // what can be parsed
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err = j.Listen(ctx, func(string) {})
			cancel()
			_, connecting := j.listening(t.Context())
			errs = append(errs, connecting, j.Close())
		}
		errs = append(errs, err)
	}
	for _, err := range errs {
		for _, e := range chain(err) {
			for _, form := range []string{"%v", "%+v", "%#v", "%q"} {
				text := fmt.Sprintf(form, e)
				require.NotContains(t, text, secret)
				require.NotContains(t, text, "password=")
			}
		}
	}
}

// chain lists an error and all that it wraps.
func chain(err error) []error {
	if err == nil {
		return nil
	}
	all := append([]error{err}, chain(errors.Unwrap(err))...)
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			all = append(all, chain(e)...)
		}
	}
	return all
}
