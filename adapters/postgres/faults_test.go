package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// soon waits for what must happen some time.
func soon(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end), what)
	}
}

// A server that dies in the middle: what is asked of it fails with an error that says
// that this may pass, and nobody has to do anything for it to work again.
func TestRestartedServer(t *testing.T) {
	j := open(t, shared(t), ownTables())
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	var heard []string
	ended := make(chan error)
	go func() {
		ended <- j.Listen(ctx, func(text string) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, text)
		})
	}()
	hears := func(text string) func() bool {
		return func() bool {
			_ = j.Tell(ctx, "are you there")
			mu.Lock()
			defer mu.Unlock()
			for _, h := range heard {
				if h == text {
					return true
				}
			}
			return false
		}
	}
	soon(t, "it listens", hears("are you there"))

	// Many write, whatever happens.
	var writers sync.WaitGroup
	var last [8]journal.Record
	wrong := make(chan error, len(last))
	for i := range last {
		writers.Go(func() {
			r := journal.Record{Key: fmt.Sprint("key-", i), Data: []byte("x")}
			for ctx.Err() == nil {
				revision, err := j.Put(ctx, r)
				switch {
				case err == nil:
					r.Revision = revision
					last[i] = r
				case errors.Is(err, journal.ErrConflict): // it was stored after all
					if got, err := j.Get(ctx, r.Key); err == nil {
						r.Revision = got.Revision
					}
				case !errors.Is(err, journal.ErrUnavailable) && ctx.Err() == nil:
					wrong <- err
					return
				}
				time.Sleep(time.Millisecond) // lets the others come too
			}
		})
	}
	soon(t, "they write", func() bool { r, err := j.Get(ctx, "key-0"); return err == nil && r.Revision > 3 })
	require.NoError(t, server.Crash())
	_, err := j.Put(ctx, journal.Record{Key: "a"})
	require.ErrorIs(t, err, journal.ErrUnavailable)
	require.ErrorIs(t, j.Ready(ctx), journal.ErrUnavailable)
	_, err = j.Renew(ctx, "A", time.Hour)
	require.ErrorIs(t, err, journal.ErrUnavailable)
	for _, err := range j.Unfinished(ctx) {
		require.ErrorIs(t, err, journal.ErrUnavailable)
	}
	require.NoError(t, server.Up(ctx))
	soon(t, "it writes again", func() bool {
		_, err := j.Put(ctx, journal.Record{Key: "a"})
		if err != nil && !errors.Is(err, journal.ErrConflict) {
			require.ErrorIs(t, err, journal.ErrUnavailable)
			return false
		}
		return true
	})
	soon(t, "it is ready", func() bool { return j.Ready(ctx) == nil })
	soon(t, "it says that texts may have been lost", hears(""))
	was, err := j.Get(ctx, "key-0")
	require.NoError(t, err)
	soon(t, "the others write again", func() bool {
		r, err := j.Get(ctx, "key-0")
		return err == nil && r.Revision > was.Revision
	})
	stop()
	writers.Wait()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, wrong)
	for _, r := range last { // what was said to be stored is
		got, err := j.Get(t.Context(), r.Key)
		require.NoError(t, err)
		require.GreaterOrEqual(t, got.Revision, r.Revision)
	}
}

// Connections that are cut off while nobody uses them cost one call at most.
func TestConnectionsCutOff(t *testing.T) {
	j := open(t, shared(t), ownTables())
	r := journal.Record{Key: "a"}
	for range 3 {
		soon(t, "it writes", func() bool {
			revision, err := j.Put(t.Context(), r)
			if err != nil {
				require.ErrorIs(t, err, journal.ErrUnavailable)
				return false
			}
			r.Revision = revision
			return true
		})
		_, err := admin(t).Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
		require.NoError(t, err)
	}
}

// admin returns a connection of the superuser's.
func admin(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), shared(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// Somebody who locks rows and then stands still keeps a Put only as long as its context
// or the journal's limit lasts, and nobody else.
func TestFrozenLockHolder(t *testing.T) {
	own := ownTables()
	j := open(t, shared(t), own)
	hasty := open(t, shared(t), own)
	hasty.timeout = 50 * time.Millisecond
	for _, key := range []string{"locked", "free", "locked-done", "free-done"} {
		_, err := j.Put(t.Context(), journal.Record{Key: key, Data: []byte("1"), Stage: journal.Running, Done: strings.HasSuffix(key, "done")})
		require.NoError(t, err)
	}
	tx, err := admin(t).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), configuredNames(t, own).fill("SELECT * FROM {records} WHERE key LIKE 'locked%' FOR UPDATE"))
	require.NoError(t, err)

	enough := errors.New("waited enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, enough)
	defer cancel()
	_, err = j.Put(ctx, journal.Record{Key: "locked", Revision: 1, Data: []byte("2")})
	require.ErrorIs(t, err, enough)
	require.NotErrorIs(t, err, journal.ErrUnavailable)
	_, err = hasty.Put(t.Context(), journal.Record{Key: "locked", Revision: 1, Data: []byte("3")})
	require.ErrorIs(t, err, journal.ErrUnavailable)
	require.ErrorContains(t, err, "no answer in time")

	_, err = j.Renew(t.Context(), "A", time.Hour)
	require.NoError(t, err)
	taken, err := j.TakeOver(t.Context(), "A", 10)
	require.NoError(t, err)
	require.Len(t, taken, 1, "what others have locked is left to the next one")
	_, err = j.Put(t.Context(), journal.Record{Key: "free", Revision: 1, Term: taken[0].Term})
	require.NoError(t, err)
	n, err := j.Forget(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, 1, n)

	require.NoError(t, tx.Rollback(t.Context()))
	soon(t, "the row is free", func() bool { // given up ones may have been stored, whole
		got, err := j.Get(t.Context(), "locked")
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(got.Revision), map[string]string{"1": "1", "2": "2", "3": "2"}[string(got.Data)])
		_, err = j.Put(t.Context(), journal.Record{Key: "locked", Revision: got.Revision, Data: []byte("4")})
		return err == nil
	})
}

// A renewal that came in time, and is under way when the lease would have run out, keeps
// what its owner has: who takes waits for it, or leaves it alone.
func TestRenewalUnderWay(t *testing.T) {
	own := ownTables()
	j := open(t, shared(t), own)
	ctx := t.Context()
	for _, owner := range []string{"A", "B"} {
		_, err := j.Renew(ctx, owner, time.Hour)
		require.NoError(t, err)
	}
	l, err := j.Own(ctx, "A", "a")
	require.NoError(t, err)
	_, err = j.Put(ctx, journal.Record{Key: "a", Term: l.Term, Stage: journal.Running})
	require.NoError(t, err)

	conn := admin(t)
	var tx pgx.Tx
	for lasts := 50 * time.Millisecond; ; lasts *= 2 {
		_, err = j.Renew(ctx, "A", lasts)
		require.NoError(t, err)
		tx, err = conn.Begin(ctx)
		require.NoError(t, err)
		var lapsed *bool
		var replicas int
		require.NoError(t, tx.QueryRow(ctx, j.sql.renew, "A", time.Hour.Microseconds()).Scan(&lapsed, &replicas))
		if !*lapsed {
			break
		}
		require.NoError(t, tx.Rollback(ctx)) // too slow
	}
	soon(t, "others see a lease that has run out", func() bool {
		var out bool
		ok, err := j.row(ctx, configuredNames(t, own).fill("SELECT until < clock_timestamp() FROM {owners} WHERE name = 'A'"), nil, &out)
		require.NoError(t, err)
		return ok && out
	})
	taken, err := j.TakeOver(ctx, "B", 10)
	require.NoError(t, err)
	require.Empty(t, taken)
	type result struct {
		journal.Lease
		err error
	}
	owned := make(chan result, 1)
	go func() {
		l, err := j.Own(ctx, "B", "a")
		owned <- result{l, err}
	}()
	soon(t, "it waits for the renewal", func() bool {
		var waits bool
		_, err := j.row(ctx, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)", nil, &waits)
		require.NoError(t, err)
		require.Empty(t, owned)
		return waits
	})
	require.NoError(t, tx.Commit(ctx))
	got := <-owned
	require.ErrorIs(t, got.err, journal.ErrOwned)
	require.Equal(t, l, got.Lease)
}

func configuredNames(t testing.TB, own Option) names {
	t.Helper()
	c, err := configured([]Option{own})
	require.NoError(t, err)
	return c.names
}

// Where the answer to a renewal is lost, nobody knows whether it told that the lease had
// run out; the next one says that it had.
func TestRenewalWithoutAnswer(t *testing.T) {
	own := ownTables()
	j := open(t, shared(t), own)
	renew := func(ctx context.Context) (journal.Renewal, error) { return j.Renew(ctx, "A", time.Hour) }
	_, err := renew(t.Context())
	require.NoError(t, err)
	tx, err := admin(t).Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), configuredNames(t, own).fill("SELECT FROM {owners} FOR UPDATE"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = renew(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tx.Rollback(t.Context()))
	for _, lapsed := range []bool{true, false} {
		told, err := renew(t.Context())
		require.NoError(t, err)
		require.Equal(t, lapsed, told.Lapsed)
	}
}

// After Close nothing is done, whoever's the pool is.
func TestClosed(t *testing.T) {
	j := open(t, shared(t), ownTables())
	pool, err := connect(t.Context(), shared(t))
	require.NoError(t, err)
	defer pool.Close()
	k, err := New(t.Context(), pool, AcceptLoss(), ownTables())
	require.NoError(t, err)
	for _, j := range []*Journal{j, k} {
		listening := make(chan error)
		heard := make(chan bool, 100)
		go func() { listening <- j.Listen(t.Context(), func(string) { heard <- true }) }()
		soon(t, "it listens", func() bool { require.NoError(t, j.Tell(t.Context(), "x")); return len(heard) > 0 })
		for range 2 {
			require.NoError(t, j.Close())
		}
		require.ErrorIs(t, <-listening, os.ErrClosed)
		_, err := j.Put(t.Context(), journal.Record{Key: "a"})
		require.ErrorIs(t, err, os.ErrClosed)
		require.NotErrorIs(t, err, journal.ErrUnavailable)
		require.ErrorIs(t, j.Ready(t.Context()), os.ErrClosed)
		require.ErrorIs(t, j.Listen(t.Context(), func(string) {}), os.ErrClosed)
		for _, err := range j.Unfinished(t.Context()) {
			require.ErrorIs(t, err, os.ErrClosed)
		}
	}
	require.NoError(t, pool.Ping(t.Context()))
	pool.Close() // under another journal's feet
	l := &Journal{pool: pool, timeout: time.Minute, closed: t.Context(), sql: k.sql}
	_, err = l.Put(t.Context(), journal.Record{Key: "a"})
	require.ErrorIs(t, err, os.ErrClosed)
	require.NotErrorIs(t, err, journal.ErrUnavailable)
}
