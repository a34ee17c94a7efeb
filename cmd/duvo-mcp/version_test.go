package main

import (
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// -version needs no key, and prints to stdout, which no host reads yet.
func TestVersion(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.Zero(t, run(t.Context(), []string{"-version"}, nil, w, io.Discard, nil))
	require.NoError(t, w.Close())
	out, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Regexp(t, `^duvo-mcp (devel|v\d\S+)\n$`, string(out))
}
