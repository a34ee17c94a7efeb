package main

import (
	"errors"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/postgres/postgrestest"
	"github.com/stretchr/testify/require"
)

// TestReplicas is the harness with replicas, in short.
func TestReplicas(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	var rep report
	for seed := range uint64(3) { // on a slow machine the one that is killed may have nothing to be taken over
		var err error
		rep, err = run(t.Context(), config{Jobs: 8, Kills: 1, Faults: 0.1, Seed: 5 + seed, Replicas: 3, InFlight: 30, Journal: memoryJournal, Dir: t.TempDir()})
		require.NoError(t, err)
		require.Empty(t, rep.Problems)
		require.True(t, rep.clean())
		require.Zero(t, rep.Unknown)
		require.Equal(t, 8, rep.Jobs)
		require.NotZero(t, rep.Kills)
		if rep.Drawn[tookOver] > 0 {
			break
		}
	}
	for _, kind := range []string{tookOver, calledByBoth, policyAsked} {
		require.NotZero(t, rep.Drawn[kind], kind)
	}
}

// TestReplicasWithoutFaults: where nothing goes wrong no policy is asked twice. Each replica
// answers for all.
func TestReplicasWithoutFaults(t *testing.T) {
	t.Parallel()
	rep, err := run(t.Context(), config{Jobs: 8, Seed: 5, Replicas: 2, InFlight: 16, Journal: memoryJournal, NoFaults: true, Lease: 10 * time.Second, Dir: t.TempDir()})
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	require.Empty(t, rep.Again)
	require.NotZero(t, rep.Policy)
	require.NotZero(t, rep.Drawn[calledByBoth])
	require.Zero(t, rep.Drawn[tookOver])
}

// TestReplicasOnPostgres is the harness with a server that is restarted, a kill and a freeze.
func TestReplicasOnPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	rep, err := run(t.Context(), config{Jobs: 8, Kills: 1, Seed: 6, Replicas: 3, InFlight: 30, Journal: postgresJournal, NoFaults: true, Dir: t.TempDir()})
	if errors.Is(err, postgrestest.ErrMissing) && !postgrestest.Required() {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	require.NotZero(t, rep.Databases)
}

// TestWithoutOwners: a journal that tells everybody that an operation is theirs shows.
func TestWithoutOwners(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	t.Parallel()
	rep, err := run(t.Context(), config{Jobs: 48, Seed: 5, Replicas: 3, InFlight: 60, Journal: memoryJournal, NoFaults: true, Without: withoutOwner, Patience: 12e9, Dir: t.TempDir()})
	require.NoError(t, err)
	require.NotZero(t, rep.Needless)
	require.False(t, rep.clean())
}

// asking2 is flawless evidence in which the policy was asked twice about a request, by
// these replicas, a second apart.
func asking2(first, second int) *evidence {
	e := flawless()
	for i, w := range []int{first, second} {
		e.events = append(e.events, happened{Kind: policyAsked, Key: keyName(0), Worker: w, Text: "request-0 digest", At: t0.Add(time.Duration(i) * time.Second)})
	}
	return e
}

// Who asks a policy again needs a cause: what happened to whoever asked before.
func TestAskedAgain(t *testing.T) {
	at := func(d time.Duration) time.Time { return t0.Add(d) }
	for _, c := range []struct {
		what   string
		happen func(e *evidence)
		why    string
	}{
		{"nothing", func(*evidence) {}, ""},
		{"killed", func(e *evidence) {
			e.troubles = append(e.troubles, trouble{"", 1, "killed", at(time.Millisecond), at(time.Millisecond)})
		}, "killed"},
		{"killed afterwards", func(e *evidence) {
			e.troubles = append(e.troubles, trouble{"", 1, "killed", at(2 * time.Second), at(2 * time.Second)})
		}, ""},
		{"killed before", func(e *evidence) { e.troubles = append(e.troubles, trouble{"", 1, "killed", at(-1), at(-1)}) }, ""},
		{"another was killed", func(e *evidence) {
			e.troubles = append(e.troubles, trouble{"", 3, "killed", at(time.Millisecond), at(time.Millisecond)})
		}, ""},
		{"frozen since before", func(e *evidence) {
			e.troubles = append(e.troubles, trouble{"", 1, "frozen", at(-time.Second), at(time.Second)})
		}, "frozen"},
		{"the database was down", func(e *evidence) {
			e.troubles = append(e.troubles, trouble{"", -1, "database down", at(1), at(2)})
		}, "database down"},
		{"closed", func(e *evidence) {
			e.events = append(e.events, happened{Kind: closing, Worker: 1, Text: "1.0.1", At: at(-time.Millisecond)}, happened{Kind: closed, Worker: 1, Text: "1.0.1", At: at(time.Millisecond)})
		}, closed},
		{"closed before", func(e *evidence) {
			e.events = append(e.events, happened{Kind: closing, Worker: 1, Text: "1.0.1", At: at(-time.Second)}, happened{Kind: closed, Worker: 1, Text: "1.0.1", At: at(-1)})
		}, ""},
		{"killed while it closed", func(e *evidence) {
			e.events = append(e.events, happened{Kind: closing, Worker: 1, Text: "1.0.1", At: at(-time.Second)})
			e.troubles = append(e.troubles, trouble{"", 1, "killed", at(2 * time.Second), at(2 * time.Second)})
		}, closing},
		{"lapsed", func(e *evidence) {
			e.events = append(e.events, happened{Kind: lapsed, Worker: 1, From: at(-time.Second), At: at(3 * time.Second)})
		}, lapsed},
		{"cut off from the journal", func(e *evidence) {
			e.events = append(e.events, happened{Kind: cutOff, Text: "journal", Worker: 1, At: at(-time.Second), Until: at(1)})
		}, cutOff},
		{"cut off from Duvo alone", func(e *evidence) {
			e.events = append(e.events, happened{Kind: cutOff, Text: "Duvo", Worker: 1, At: at(-time.Second), Until: at(1)})
		}, ""},
		{"its caller left", func(e *evidence) {
			e.events = append(e.events, happened{Kind: callerLeft, Key: keyName(0), Worker: 1, At: at(1)})
		}, callerLeft},
		{"another's caller left", func(e *evidence) {
			e.events = append(e.events, happened{Kind: callerLeft, Key: keyName(1), Worker: 1, At: at(1)})
		}, ""},
		{"the one that asks again was frozen", func(e *evidence) { e.troubles = append(e.troubles, trouble{"", 2, "frozen", at(1), at(2)}) }, "the second was frozen"},
	} {
		t.Run(c.what, func(t *testing.T) {
			e := asking2(1, 2)
			c.happen(e)
			rep := e.check()
			require.Equal(t, 2, rep.Policy)
			if c.why == "" {
				require.Equal(t, 1, rep.Needless)
				require.False(t, rep.clean())
				require.Len(t, rep.Problems, 1)
				return
			}
			require.Empty(t, rep.Problems)
			require.Equal(t, map[string]int{c.why: 1}, rep.Again)
		})
	}
}

// What a replica lists no more must have come to an end.
func TestVanished(t *testing.T) {
	e := flawless()
	e.outcomes[0].At = t0
	e.events = append(e.events, happened{Kind: vanished, Key: keyName(0), JobID: "job-0", At: t0.Add(time.Second)})
	require.Empty(t, e.check().Problems)
	e.outcomes[0].At = t0.Add(time.Minute)
	require.Equal(t, 1, e.check().Silent)
}

// Each replica that a key is called on is another, and all get some.
func TestReplicasOf(t *testing.T) {
	got := map[int]int{}
	for n := range 400 {
		at := replicasOf(planOf(1, keyName(n)), 4)
		if len(at) == 2 {
			require.NotEqual(t, at[0], at[1])
		}
		for _, w := range at {
			got[w]++
		}
	}
	require.Len(t, got, 4)
}

func TestReplicaFlags(t *testing.T) {
	for _, args := range [][]string{{"-replicas", "-1"}, {"-replicas", "2", "-journal", "x"}, {"-journal", "postgres"}, {"-replicas", "2", "-lease", "1ms"}, {"-replicas", "2", "-break", "x"}, {"-replicas", "2", "-minutes", "1"}, {"-compare"}, {"-times", "3"}, {"-no-faults"}, {"-break", "fence"}, {"-replicas", "2", "-times", "-1"}} {
		require.Equal(t, 2, program(t.Context(), args, discard{}, discard{}), args)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
