package bolt

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// On a disk that is full once, what was put stays readable, and the journal works
// again by itself when there is room: in this process and the next one.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	path, filler := filepath.Join(dir, "journal.db"), filepath.Join(dir, "filler")
	fill := func() {
		f, err := os.OpenFile(filler, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		require.NoError(t, err)
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, f.Close())
	}
	data := bytes.Repeat([]byte("x"), 20_000)
	synctest.Test(t, func(t *testing.T) {
		j, err := Open(path)
		require.NoError(t, err)
		defer func() { _ = j.Close() }()
		kept := map[string]journal.Record{}
		record := func(i int) journal.Record { return journal.Record{Key: fmt.Sprint("key-", i), Data: data} }
		for round := range 3 {
			for i := range 3 {
				r := put(t, j, record(100*round+i))
				kept[r.Key] = r
			}
			fill()
			for i := range 3 {
				var err error
				for n := range 50 { // until the unused pages are used up
					r := record(100*round + 20*(i+1) + n)
					if r.Revision, err = j.Put(t.Context(), r); err != nil {
						break
					}
					kept[r.Key] = r
				}
				require.ErrorIs(t, err, journal.ErrUnavailable)
				require.ErrorIs(t, err, syscall.ENOSPC)
				require.ErrorIs(t, j.Ready(t.Context()), journal.ErrUnavailable)
				time.Sleep(time.Minute)
				for _, r := range kept {
					holds(t, j, r)
				}
				require.ErrorIs(t, j.Ready(t.Context()), journal.ErrUnavailable, i)
				time.Sleep(time.Minute)
			}
			require.NoError(t, os.Remove(filler))
			time.Sleep(time.Minute)
			require.NoError(t, j.Ready(t.Context()))
			r := put(t, j, record(100*round+10))
			kept[r.Key] = r
		}
		_, err = Open(path, WithLockTimeout(0))
		require.ErrorIs(t, err, ErrLocked)
		require.NoError(t, j.Close())
		j, err = Open(path)
		require.NoError(t, err)
		for _, r := range kept {
			holds(t, j, r)
		}
		require.NoError(t, j.Close())
	})
}
