package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersion(t *testing.T) {
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"--version"}, strings.NewReader(""), &out, &errs), errs.String())
	require.Regexp(t, `^duvoctl (devel|v\d\S+)\n$`, out.String())
}
