package postgres

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/postgres/postgrestest"
	"github.com/duvotool/duvotool/journal"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// durable starts a server that syncs what it commits, for measurements.
func durable(b *testing.B) string {
	s, err := postgrestest.Start(b.Context())
	if err != nil && !postgrestest.Required() {
		b.Skip(err)
	}
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Stop()) })
	return s.ConnString()
}

// BenchmarkPut has 32 writers put records of 2 KiB, each of which replaces one, beside a
// bare upsert of the same bytes, through the same pool: blocks of both in turns, so that
// they share what else the machine does. It prints the medians of a call and of the
// blocks' ratios. With -benchtime 100x each of them does 100 calls in a block.
func BenchmarkPut(b *testing.B) {
	const writers, blocks = 32, 10
	for _, fsync := range []string{"on", "off"} {
		b.Run("fsync="+fsync, func(b *testing.B) {
			db := durable(b)
			if fsync == "off" {
				db = shared(b)
			}
			pool, err := pgxpool.New(b.Context(), db+" pool_max_conns=32")
			require.NoError(b, err)
			defer pool.Close()
			j, err := New(b.Context(), pool, AcceptLoss(), ownTables())
			require.NoError(b, err)
			_, err = pool.Exec(b.Context(), "DROP TABLE IF EXISTS bare; CREATE TABLE bare (key text PRIMARY KEY, data bytea NOT NULL)")
			require.NoError(b, err)
			data := make([]byte, 2<<10)
			var records [writers]journal.Record
			_, err = j.Renew(b.Context(), "A", time.Hour)
			require.NoError(b, err)
			for w := range records {
				key := fmt.Sprint("key-", w)
				l, err := j.Own(b.Context(), "A", key)
				require.NoError(b, err)
				records[w] = journal.Record{Key: key, Data: data, Stage: journal.Running, Term: l.Term}
			}
			put := func(w, n int) error {
				r := &records[w]
				r.At = time.Now()
				r.Since = r.At.Add(time.Minute)
				var err error
				r.Revision, err = j.Put(context.Background(), *r)
				return err
			}
			bare := func(w, n int) error {
				_, err := pool.Exec(context.Background(), "INSERT INTO bare (key, data) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET data = excluded.data", records[w].Key, data)
				return err
			}
			var ours, theirs []time.Duration
			var ratios []float64
			b.ResetTimer()
			for range blocks {
				t, o := timed(b, writers, bare), timed(b, writers, put)
				ours, theirs = append(ours, o...), append(theirs, t...)
				ratios = append(ratios, float64(median(o))/float64(median(t)))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(median(ours).Microseconds()), "put-µs")
			b.ReportMetric(float64(median(theirs).Microseconds()), "bare-µs")
			b.ReportMetric(median(ratios), "ratio")
		})
	}
}

// timed has writers call at once, b.N times each, and returns how long each call took.
func timed(b *testing.B, writers int, call func(w, n int) error) []time.Duration {
	took := make([]time.Duration, writers*b.N)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range b.N {
				began := time.Now()
				if err := call(w, n); err != nil {
					b.Error(err)
					return
				}
				took[w*b.N+n] = time.Since(began)
			}
		})
	}
	all.Wait()
	return took
}

func median[T time.Duration | float64](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkTakeOver has a replica take over 10,000 operations of a dead one, of 100,000
// records, and renew and release them, and prints the statements and the time of each.
func BenchmarkTakeOver(b *testing.B) {
	for range b.N {
		own := ownTables()
		j, n := counted(b, own)
		fill(b, own, 100000)
		measure := func(what string, do func() error) {
			began := time.Now()
			statements := n.of(func() { require.NoError(b, do()) })
			fmt.Fprintf(os.Stderr, "%-40s %3d statements %8.1f ms\n", what, statements, float64(time.Since(began).Microseconds())/1000)
		}
		ctx := b.Context()
		renew := func() error { _, err := j.Renew(ctx, "B", time.Hour); return err }
		measure("the first renewal", renew)
		measure("taking over 10,000", func() error {
			taken, err := j.TakeOver(ctx, "B", 20000)
			require.Len(b, taken, 10000)
			return err
		})
		measure("renewing 10,000", renew)
		measure("looking for more, of which there are none", func() error { _, err := j.TakeOver(ctx, "B", 20000); return err })
		measure("listing 10,000", func() error {
			for _, err := range j.Owned(ctx, "B") {
				if err != nil {
					return err
				}
			}
			return nil
		})
		measure("reading 10,000 records", func() error {
			for _, err := range j.Unfinished(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		})
		measure("releasing 10,000", func() error { return j.Release(ctx, "B") })
		measure("forgetting 90,000", func() error { _, err := j.Forget(ctx, time.Now()); return err })
	}
}
