package duvotool_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// What WithRetention, doc.go and the README say of keys, journals and restores, one
// test a sentence. Each is held with and without a journal, in one process and over
// a restart, where the sentence is about both.

// lives runs what follows in one registry, or in one for each step.
func lives(t *testing.T, p duvotest.Profile, opts []duvotool.Option, steps ...func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool)) {
	for name, c := range map[string]struct{ journal, restart bool }{"in memory": {}, "with a journal": {journal: true}, "over restarts": {true, true}} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				opts := opts
				if c.journal {
					opts = append([]duvotool.Option{duvotool.WithJournal(journal.NewMemory())}, opts...)
				}
				var reg *duvotool.Registry
				for _, step := range steps {
					if reg == nil || c.restart {
						if reg != nil {
							require.NoError(t, reg.Close(context.Background()))
						}
						reg = discover(t, d.Client(), opts...)
					}
					step(t, d, mustTool(reg, "refunds"))
				}
			}, duvotest.WithAssignment(slowRefunds), duvotest.WithProfile(p))
		})
	}
}

func call(t *testing.T, tool *duvotool.Tool, key string) *outcome.Result {
	t.Helper()
	ctx := t.Context()
	if key != "" {
		ctx = duvotool.WithOperationKey(ctx, key)
	}
	res, err := tool.Run(ctx, "order 4711")
	require.NoError(t, err)
	return res
}

// "How long a finished operation's key is remembered. After that the same key starts
// anew": with a new Job where the server has forgotten the key as well.
func TestAKeyIsRememberedForTheRetention(t *testing.T) {
	for p, after := range map[duvotest.Idempotency]int{duvotest.KeysIgnored: 2, duvotest.KeysHonoured: 1} {
		var first *outcome.Result
		lives(t, duvotest.Profile{Idempotency: p}, []duvotool.Option{duvotool.WithRetention(10 * time.Hour), decide(hitl.Deny("kim", "no"), nil)},
			func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool) { first = call(t, tool, "k") },
			func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool) {
				time.Sleep(9 * time.Hour)
				again := call(t, tool, "k")
				require.True(t, again.Repeated)
				require.Equal(t, first.JobID, again.JobID)
				require.Equal(t, 1, d.Count("startRun"))
			},
			func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool) {
				time.Sleep(20 * time.Hour)
				call(t, tool, "other") // which forgets what is old
				before := len(d.Jobs())
				call(t, tool, "k")
				require.Equal(t, 3, d.Count("startRun"), "it is sent anew")
				require.Equal(t, before+after-1, len(d.Jobs()), "and the server's memory of keys decides")
			})
	}
}

// "What has not finished is never forgotten: also not where a call ended as pending
// or expired. A later call with the key, however late, reads that Job again."
func TestWhatHasNotFinishedIsNeverForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		opts []duvotool.Option
		want outcome.Outcome
	}{
		"pending": {[]duvotool.Option{decide(hitl.Nobody("kim is away"), nil)}, outcome.OutcomePending},
		"expired": {[]duvotool.Option{duvotool.WithJobTimeout(10 * time.Second)}, outcome.OutcomeExpired},
	} {
		t.Run(name, func(t *testing.T) {
			lives(t, duvotest.Profile{Idempotency: duvotest.KeysIgnored}, append([]duvotool.Option{duvotool.WithRetention(time.Hour)}, c.opts...),
				func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool) {
					require.Equal(t, c.want, call(t, tool, "k").Outcome)
				},
				func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool) {
					time.Sleep(30 * 24 * time.Hour)
					reads := d.Count("getRun")
					call(t, tool, "k")
					require.Greater(t, d.Count("getRun"), reads, "the Job is read again")
					require.Len(t, d.Jobs(), 1)
				})
		})
	}
}

// "Processes that do not share a journal rely on Duvo's Idempotency-Key alone": so
// does one whose journal was lost, or put back to before the start.
func TestAJournalThatIsLost(t *testing.T) {
	for p, jobs := range map[duvotest.Idempotency]int{duvotest.KeysHonoured: 1, duvotest.KeysIgnored: 2} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			for range 2 {
				reg := discover(t, d.Client(), duvotool.WithJournal(journal.NewMemory()), decide(hitl.Deny("kim", "no"), nil))
				res := call(t, mustTool(reg, "refunds"), "k")
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
				require.NoError(t, reg.Close(context.Background()))
			}
			require.Len(t, d.Jobs(), jobs)
			require.LessOrEqual(t, d.Count("respondToHumanRequest"), jobs, "what was decided is not decided again")
		}, duvotest.WithAssignment(refunds), duvotest.WithProfile(duvotest.Profile{Idempotency: p}))
	}
}
