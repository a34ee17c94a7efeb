package audit_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/duvotool/duvotool/audit"
	"github.com/stretchr/testify/require"
)

// counted counts the bytes that are read.
type counted struct {
	*os.File
	bytes int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.File.Read(b)
	c.bytes += int64(n)
	return n, err
}

// What was read is not read again, and what is not there any more as it was is told.
func TestReadingOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.OpenFile(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, log.Close()) }()
	write := func(n int) {
		for range n {
			require.NoError(t, log.Record(context.Background(), audit.Record{Event: audit.Decided, JobID: "j", Reason: string(bytes.Repeat([]byte("x"), 1000))}))
		}
	}
	var at audit.Position
	read := func() (lines int, size int64) {
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		c := &counted{File: f}
		for e, err := range at.ReadOn(c) {
			require.NoError(t, err)
			require.Equal(t, at.Line, e.Line)
			lines++
		}
		return lines, c.bytes
	}
	write(200)
	lines, _ := read()
	require.Equal(t, 200, lines)
	for range 3 {
		write(2)
		lines, size := read()
		require.Equal(t, 2, lines)
		require.Less(t, size, int64(10_000))
	}
	_, hash := log.Head()
	require.Equal(t, hash, at.Hash)
	lines, _ = read()
	require.Zero(t, lines)

	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := bytes.Clone(whole)
	changed[len(changed)-10] ^= 1
	ends := func(at audit.Position, now []byte) (err error) {
		for _, err = range at.ReadOn(bytes.NewReader(now)) {
		}
		return err
	}
	require.NoError(t, ends(at, append(bytes.Clone(whole), `{"seq":`...)), "its writer is at work")
	for name, now := range map[string][]byte{"changed": changed, "cut": whole[:len(whole)/2], "none": nil} {
		require.ErrorIs(t, ends(at, now), audit.ErrMoved, name)
	}
	var first audit.Position
	for range first.ReadOn(bytes.NewReader(whole)) {
		break
	}
	require.Equal(t, int64(1), first.Line)
	second := int(first.Offset) + bytes.IndexByte(whole[first.Offset:], '\n') + 1
	require.NoError(t, ends(first, whole))
	require.ErrorContains(t, ends(first, append(bytes.Clone(whole[:first.Offset]), whole[second:]...)), "line 2: it does not follow")
}
