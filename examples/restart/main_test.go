package main

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
)

func TestRestart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "restart")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var told bytes.Buffer
	jobs, err := show(ctx, program, &told)
	require.NoError(t, err, told.String())
	require.Len(t, jobs, 1)
	require.Equal(t, duvo.StatusCompleted, jobs[0].Status)
	require.Len(t, jobs[0].Requests, 1)
	require.True(t, *jobs[0].Requests[0].Response.Approved)
	require.Contains(t, told.String(), "took up Job "+jobs[0].ID)
	require.Contains(t, told.String(), "completed: The refund of 120 EUR")
}
