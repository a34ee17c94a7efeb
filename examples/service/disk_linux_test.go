package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A disk that is full and has room again: meanwhile nothing is started or sent, whoever
// asks is told to come again, and then it works, without a restart.
func TestFullDisk(t *testing.T) {
	data := t.TempDir()
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	d := orders(t)
	p := launch(t, data, d)
	require.Equal(t, http.StatusAccepted, p.post("ask 0"))
	open := p.waits(1)

	filler := filepath.Join(data, "filler")
	err := os.WriteFile(filler, make([]byte, 1<<20), 0o600)
	require.ErrorIs(t, err, syscall.ENOSPC)
	n, status := 0, 0
	for ; ; n++ { // until what is free within the files is used up
		if status = p.post(fmt.Sprint("order ", n)); status != http.StatusAccepted {
			break
		}
	}
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, []int{http.StatusOK, http.StatusAccepted, http.StatusServiceUnavailable}, p.decide(open["ask 0"], "approve"))

	require.NoError(t, os.Remove(filler))
	p.until(func() bool { return p.decide(open["ask 0"], "approve") == http.StatusOK })
	require.Equal(t, "done: ask 0", p.outcome("ask 0").Output)
	p.until(func() bool { return p.post(fmt.Sprint("order ", n)) < 300 })
	for i := range n + 1 {
		require.Equal(t, fmt.Sprint("done: order ", i), p.outcome(fmt.Sprint("order ", i)).Output)
	}
	p.terminate()
	require.Len(t, d.Jobs(), n+2)
	require.Equal(t, 1, d.Count("respondToHumanRequest"))
}
