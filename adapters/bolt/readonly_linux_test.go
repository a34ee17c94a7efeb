package bolt

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// On a file system that cannot be written a journal is not opened, and nothing of it
// changes; it opens once it can be written.
func TestReadOnlyFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	mode := func(flags uintptr) {
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, "size=1m"))
	}
	path := filepath.Join(dir, "journal.db")
	mode(syscall.MS_RDONLY)
	_, err := Open(path)
	require.ErrorIs(t, err, syscall.EROFS)
	mode(0)
	j := open(t, path)
	last := put(t, j, journal.Record{Key: "a", Data: []byte("x")})
	require.NoError(t, j.Close())
	was, err := os.ReadFile(path)
	require.NoError(t, err)
	mode(syscall.MS_RDONLY)
	_, err = Open(path)
	require.ErrorIs(t, err, syscall.EROFS)
	require.NotErrorIs(t, err, ErrCorrupt)
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, was, now)
	mode(0)
	j = open(t, path)
	holds(t, j, last)
	require.NoError(t, j.Close())
}
