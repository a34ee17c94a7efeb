package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-version"}, &out, io.Discard))
	require.Regexp(t, `^duvo-emulator (devel|v\d\S+)\n$`, out.String())
}
