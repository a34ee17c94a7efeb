package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// BenchmarkPut puts records of 2 KiB, each of which replaces one. bbolt is one record a transaction, without
// head file, checksums and indexes.
func BenchmarkPut(b *testing.B) {
	data := make([]byte, 2<<10)
	for _, writers := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j, err := Open(filepath.Join(b.TempDir(), "journal.db"))
			require.NoError(b, err)
			defer j.Close()
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					r := journal.Record{Key: fmt.Sprint("key-", w), At: time.Unix(0, 0), Data: data}
					for range (b.N + writers - 1) / writers {
						revision, err := j.Put(context.Background(), r)
						if err != nil {
							b.Error(err)
							return
						}
						r.Revision = revision
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/float64(j.head.generation-1), "puts/commit")
		})
	}
	b.Run("bbolt", func(b *testing.B) {
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "other.db"), 0o600, nil)
		require.NoError(b, err)
		defer db.Close()
		require.NoError(b, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err }))
		b.ResetTimer()
		for range b.N {
			require.NoError(b, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("b")).Put([]byte("key"), data) }))
		}
	})
}

// BenchmarkOpen opens a journal of 10,000 unfinished records of 2 KiB, which is
// reading and checking it, and lists them.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal.db")
	j, err := Open(path)
	require.NoError(b, err)
	var wg sync.WaitGroup
	for w := range 100 {
		wg.Go(func() {
			for i := range 100 {
				if _, err := j.Put(context.Background(), journal.Record{Key: fmt.Sprintf("key-%d-%d", w, i), Data: make([]byte, 2<<10)}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(b, j.Close())
	b.Run("open", func(b *testing.B) {
		for range b.N {
			j, err := Open(path)
			require.NoError(b, err)
			require.NoError(b, j.Close())
		}
	})
	b.Run("unfinished", func(b *testing.B) {
		j, err := Open(path)
		require.NoError(b, err)
		defer j.Close()
		for range b.N {
			n := 0
			for _, err := range j.Unfinished(context.Background()) {
				require.NoError(b, err)
				n++
			}
			require.Equal(b, 10000, n)
		}
	})
}
