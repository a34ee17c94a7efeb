package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShort is the harness in short.
func TestShort(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	c := config{Jobs: 45, Kills: 5, Faults: 0.2, Seed: 7, Workers: 3, InFlight: 24, Dir: t.TempDir()}
	happened := []string{followUpAsked, calledByBoth, "starts and messages whose answer was lost by plan",
		stopAsked, toldUnknown, reconciled, diskFull + ": journal", "Jobs whose reads were refused for a while"}
	rep, err := run(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	require.True(t, rep.clean())
	require.Zero(t, rep.Unknown)
	require.Equal(t, c.Jobs, rep.Jobs)
	require.NotZero(t, rep.Kills)
	require.NotZero(t, rep.Answered)
	for _, kind := range happened {
		require.NotZero(t, rep.Drawn[kind], kind)
	}
	require.Greater(t, rep.Requests, 200)
	require.Greater(t, rep.Faults, rep.Requests/20)
	require.NotZero(t, rep.Elsewhere)
	require.NotZero(t, rep.Resent)
}

// TestSoakInShort ends by time, and measures the workers.
func TestSoakInShort(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	rep, err := run(t.Context(), config{Soak: 4e9, Faults: 0.1, Seed: 8, Workers: 1, InFlight: 10, Dir: t.TempDir()})
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	require.Greater(t, rep.Jobs, 10)
	require.Len(t, rep.Soak.Workers, 1)
	require.NotZero(t, rep.Soak.Workers[0].First.Heap)
	require.NotZero(t, rep.Soak.Workers[0].Most.Goroutines)
}

// TestForgetfulJournal: a journal that does not keep what it is given shows, so
// the checker can fail.
func TestForgetfulJournal(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	rep, err := run(t.Context(), config{Jobs: 40, Kills: 10, Faults: 0.2, Seed: 9, Workers: 2, InFlight: 30, Dir: t.TempDir(), Break: 3, Patience: 12e9})
	require.NoError(t, err)
	require.False(t, rep.clean())
	requireForgotten(t, rep)
}

// TestJournalWithoutRevisions: where two processes share a journal in which both
// win, the checker shows it.
func TestJournalWithoutRevisions(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	rep, err := run(t.Context(), config{Jobs: 60, Faults: 0.2, Seed: 9, Workers: 3, InFlight: 45, Dir: t.TempDir(), Break: -1, Patience: 12e9})
	require.NoError(t, err)
	require.False(t, rep.clean())
	requireForgotten(t, rep)
}

// requireForgotten requires that a journal does not tell what happened, which a run that
// only came to a standstill does not show.
func requireForgotten(t *testing.T, rep report) {
	t.Helper()
	forgotten := func(problem string) bool {
		return strings.Contains(problem, "its journal tells") || strings.Contains(problem, "the journal has no decision")
	}
	require.True(t, slices.ContainsFunc(rep.Problems, forgotten), "%d lost, %d doubled, %d unauthorised, %d silent: %q", rep.Lost, rep.Doubled, rep.Unauthorised, rep.Silent, rep.Problems)
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-jobs", "0"}, {"-kills", "-1"}, {"-faults", "1"}, {"-faults", "-0.1"}, {"-workers", "0"}, {"-inflight", "0"}, {"x"}, {"-nothing"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, program(t.Context(), args, &stdout, &stderr), args)
		require.NotEmpty(t, stderr.String())
		require.Empty(t, stdout.String())
	}
	require.Zero(t, program(t.Context(), []string{"-help"}, &bytes.Buffer{}, &bytes.Buffer{}))
}

// TestCommand prints what it is documented to print.
func TestCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Zero(t, program(t.Context(), []string{"-jobs", "4", "-kills", "1", "-json", "-quiet"}, &stdout, &stderr), stderr.String())
	var line map[string]any
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &line))
	for _, name := range []string{"jobs", "kills", "requests", "faults", "lost", "doubled", "unauthorised", "unknown", "silent", "seed", "drawn"} {
		require.Contains(t, line, name)
	}
	require.EqualValues(t, 4, line["jobs"])

	// The files of another run are not touched.
	dir := t.TempDir()
	args := []string{"-jobs", "2", "-kills", "0", "-faults", "0", "-quiet", "-dir", dir}
	require.Zero(t, program(t.Context(), args, &stdout, &stderr), stderr.String())
	require.Equal(t, 1, program(t.Context(), args, &stdout, &stderr))
	require.Contains(t, stderr.String(), "another run")
}
