package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// A full disk passes when there is room again.
func TestFullDisk(t *testing.T) {
	shared(t)
	dir := filepath.Join(server.Dir(), "small")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	info, err := os.Stat(server.Dir())
	require.NoError(t, err)
	options := fmt.Sprintf("mode=700,uid=%d,size=", info.Sys().(*syscall.Stat_t).Uid)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options+"4m"); err != nil {
		t.Skip("no file system of its own: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	own := ownTables()
	run(t, own, "CREATE TABLESPACE small LOCATION '"+dir+"'")
	j := open(t, shared(t)+" options='-c default_tablespace=small'", own)
	data := make([]byte, 256<<10)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	var full error
	for i := 0; i < 200 && full == nil; i++ {
		data[0]++
		_, full = j.Put(t.Context(), journal.Record{Key: fmt.Sprint("key-", i), Data: data})
	}
	require.ErrorIs(t, full, journal.ErrUnavailable)
	require.ErrorContains(t, full, "53100")
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, options+"64m"))
	require.NoError(t, j.Ready(t.Context()))
	_, err = j.Put(t.Context(), journal.Record{Key: "more", Data: data})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	run(t, own, "DROP TABLE {records}, {owners}, {version}; DROP SEQUENCE {terms}")
	run(t, own, "DROP TABLESPACE small")
}
