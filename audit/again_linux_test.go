package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The same on a file system that is full, where this process may mount one.
func TestFileOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	a, err := OpenFile(filepath.Join(dir, "audit.jsonl"))
	require.NoError(t, err)
	defer a.Close()
	require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))
	filler := filepath.Join(dir, "filler")
	for err = nil; err == nil; {
		var f *os.File
		f, err = os.OpenFile(filler, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		require.NoError(t, err)
		_, err = f.Write(make([]byte, 4096))
		require.NoError(t, f.Close())
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	long := Record{By: "lee", Reason: string(bytes.Repeat([]byte("x"), 9000))}
	err = a.Record(t.Context(), long)
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorIs(t, a.Ready(t.Context()), ErrUnavailable)
	sound(t, a.path, 1, "kim")
	require.NoError(t, os.Remove(filler))
	require.NoError(t, a.Ready(t.Context()))
	require.NoError(t, a.Record(t.Context(), long))
	sound(t, a.path, 2, "lee")
}
