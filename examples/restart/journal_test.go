package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Each run without a journal's path is a complaint of its own and leaves nothing
// behind; with one it goes on, and says so where there is nothing left to do.
func TestRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	program := filepath.Join(t.TempDir(), "restart")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	d := duvotest.NewServer(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	here, temp := t.TempDir(), t.TempDir()
	run := func(args ...string) (string, error) {
		c := exec.Command(program, append(args, "-poll", "20ms")...)
		c.Dir, c.Env = here, append(append(os.Environ(), d.Env()...), "TMPDIR="+temp)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	for range 2 {
		out, err := run("-approve", "yes")
		require.NoError(t, err, out)
		require.Contains(t, out, "completed: The refund of 120 EUR")
		require.NotContains(t, out, "Nothing was started")
	}
	require.Len(t, d.Jobs(), 2)
	for _, dir := range []string{here, temp} {
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}

	for i := range 2 {
		out, err := run("-approve", "yes", "-journal", "refund.db")
		require.NoError(t, err, out)
		require.Contains(t, out, "completed: The refund of 120 EUR")
		require.Equal(t, i > 0, strings.Contains(out, "Nothing was started: refund.db knows"))
	}
	require.Len(t, d.Jobs(), 3)

	// Nobody answers: the journal is kept, and says where the Job is.
	told, err := run()
	var failed *exec.ExitError
	require.True(t, errors.As(err, &failed))
	_, journal, found := strings.Cut(told, "to go on from it: -journal ")
	require.True(t, found, told)
	told, err = run("-approve", "yes", "-journal", strings.TrimSpace(journal))
	require.NoError(t, err, told)
	require.Contains(t, told, "completed: The refund of 120 EUR")
	require.Len(t, d.Jobs(), 4, "one Job for both")
	require.Equal(t, 4, d.Count("respondToHumanRequest"))
}
