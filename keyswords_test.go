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

// More of what WithRetention, doc.go and the README say of keys, journals and
// restores; see retentionwords_test.go.

// "What has not finished, or whose outcome is unknown, is never forgotten."
func TestWhatIsUnknownIsNeverForgotten(t *testing.T) {
	starts := 0
	lives(t, duvotest.Profile{Idempotency: duvotest.KeysIgnored}, []duvotool.Option{duvotool.WithRetention(time.Hour)},
		func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool) {
			d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Times: -1})
			require.Equal(t, outcome.OutcomeUnknown, call(t, tool, "k").Outcome)
			starts = d.Count("startRun")
		},
		func(t *testing.T, d *duvotest.Duvo, tool *duvotool.Tool) {
			time.Sleep(30 * 24 * time.Hour)
			res := call(t, tool, "k")
			require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
			require.True(t, res.Repeated)
			require.Equal(t, starts, d.Count("startRun"))
		})
}

// "One that has no key of a caller's or a scope's is forgotten after this time in any
// case, the Key of its Result being for logs only, unless a JobError or Tool.Start
// told the key, or somebody called with it."
func TestKeysThatNobodyHasAreForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		told func(t *testing.T, tool *duvotool.Tool) (key string)
		kept bool
	}{
		"of a Result": {told: func(t *testing.T, tool *duvotool.Tool) string { return call(t, tool, "").Key }},
		"of a JobError": {kept: true, told: func(t *testing.T, tool *duvotool.Tool) string {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := tool.Run(ctx, "order 4711")
			var je *outcome.JobError
			require.ErrorAs(t, err, &je)
			return je.Key
		}},
		"called with": {kept: true, told: func(t *testing.T, tool *duvotool.Tool) string {
			key := call(t, tool, "").Key
			require.Equal(t, outcome.OutcomePending, call(t, tool, key).Outcome)
			return key
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, journaled := range []bool{false, true} {
				emulated(t, func(t *testing.T, d *duvotest.Duvo) {
					opts := []duvotool.Option{duvotool.WithRetention(time.Hour), decide(hitl.Nobody("kim is away"), nil)}
					if journaled {
						opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
					}
					reg := discover(t, d.Client(), opts...)
					key := c.told(t, mustTool(reg, "refunds"))
					time.Sleep(10 * time.Hour)
					call(t, mustTool(reg, "refunds"), "other") // which forgets what is old
					time.Sleep(time.Minute)
					_, err := reg.Lookup(t.Context(), key)
					if c.kept {
						require.NoError(t, err)
						return
					}
					require.ErrorIs(t, err, outcome.ErrUnknownKey)
				}, duvotest.WithAssignment(slowRefunds))
			}
		})
	}
}

// "Processes that share a journal need the same retention: a record that one of them
// misses too early has vanished for it, which is journal.ErrFailed."
func TestProcessesWithDifferentRetentions(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		open := func(retention time.Duration, p duvotool.ToolOption) *duvotool.Registry {
			return discover(t, d.Client(), duvotool.WithJournal(j), duvotool.WithRetention(retention), duvotool.WithoutResume(), p)
		}
		long := open(100*time.Hour, decide(hitl.Nobody("kim is away"), nil))
		require.Equal(t, outcome.OutcomePending, call(t, mustTool(long, "refunds"), "k").Outcome)
		short := open(time.Hour, decide(hitl.Deny("kim", "no"), nil))
		require.Equal(t, outcome.OutcomeCompleted, call(t, mustTool(short, "refunds"), "k").Outcome)
		time.Sleep(10 * time.Hour)
		call(t, mustTool(short, "refunds"), "other") // which forgets what is old
		time.Sleep(time.Minute)
		starts := d.Count("startRun")
		_, err := long.Lookup(t.Context(), "k")
		require.ErrorIs(t, err, journal.ErrFailed)
		require.Equal(t, starts, d.Count("startRun"))
	}, duvotest.WithAssignment(slowRefunds))
}

// "Where a journal was [...] put back to before a start, the same key sends that start
// again: Duvo's Idempotency-Key alone decides then whether it is a second Job." What
// was decided by then is not decided again where it is the same Job.
func TestAJournalThatIsPutBack(t *testing.T) {
	for p, jobs := range map[duvotest.Idempotency]int{duvotest.KeysHonoured: 1, duvotest.KeysIgnored: 2} {
		for _, key := range [][]byte{nil, journalKey1} {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				opts := []duvotool.Option{decide(hitl.Deny("kim", "no"), nil)}
				if key != nil {
					opts = append(opts, duvotool.WithJournalKey(key))
				}
				j := newTampered()
				work := func(j journal.Journal, key string) *outcome.Result {
					reg := discover(t, d.Client(), append(opts, duvotool.WithJournal(j))...)
					res := call(t, mustTool(reg, "refunds"), key)
					require.NoError(t, reg.Close(context.Background()))
					return res
				}
				work(j, "before")
				copied := j.copied(t)
				work(j, "k")
				again := work(copied, "k") // the whole journal as it was
				require.Equal(t, outcome.OutcomeCompleted, again.Outcome)
				require.Len(t, d.Jobs(), 1+jobs)
				require.Equal(t, 1+jobs, d.Count("respondToHumanRequest"))
				require.True(t, work(copied, "before").Repeated, "what it knows it knows")
				require.Len(t, d.Jobs(), 1+jobs)
			}, duvotest.WithAssignment(refunds), duvotest.WithProfile(duvotest.Profile{Idempotency: p}))
		}
	}
}

// copied returns a journal that holds what this one does.
func (j *tampered) copied(t *testing.T) journal.Journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := journal.NewMemory()
	for _, past := range j.past {
		for i, r := range past {
			r.Revision = uint64(i)
			_, err := out.Put(t.Context(), r)
			require.NoError(t, err)
		}
	}
	return out
}
