package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

func scoped(t *testing.T, scope, key string) context.Context {
	ctx := duvotool.WithOperationScope(t.Context(), scope)
	if key == "" {
		return ctx
	}
	return duvotool.WithOperationKey(ctx, key)
}

// withJournals runs a test without a journal and with one.
func withJournals(t *testing.T, f func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option), opts ...duvotest.Option) {
	for _, journaled := range []bool{false, true} {
		t.Run(fmt.Sprint("journal ", journaled), func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				with := []duvotool.Option{approveAfter(time.Second, nil)}
				if journaled {
					with = append(with, duvotool.WithJournal(journal.NewMemory()))
				}
				f(t, d, with...)
			}, opts...)
		})
	}
}

// TestScopeWinsOverKeys: a second key in the scope joins the first one's Job, by
// whatever door it comes.
func TestScopeWinsOverKeys(t *testing.T) {
	withJournals(t, func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) {
		reg := discover(t, d.Client(), append(opts, duvotool.OncePerScope(), duvotool.WithRetention(time.Hour))...)
		tool := reg.All()[0]
		first, err := tool.Run(scoped(t, "s", "call-1"), "refund order 1")
		require.NoError(t, err)
		require.False(t, first.Repeated)
		require.Equal(t, "refunded refund order 1", first.Output)
		for _, key := range []string{"call-2", "call-1", ""} {
			res, err := tool.Run(scoped(t, "s", key), "please refund order 1")
			require.NoError(t, err)
			require.True(t, res.Repeated)
			require.Contains(t, res.Note, "was not used")
			require.Equal(t, first.JobID, res.JobID)
			require.Equal(t, first.Key, res.Key)
		}
		args := func(input string) json.RawMessage {
			raw, err := json.Marshal(map[string]string{"assignment": tool.Name(), "input": input})
			require.NoError(t, err)
			return raw
		}
		for i, router := range []any{reg.RouterTool(), reg.RunTool()} {
			out, err := router.(withArguments).CallArguments(scoped(t, "s", fmt.Sprint("router ", i)), args("refund it"))
			require.NoError(t, err)
			require.Contains(t, out, "was not used")
		}
		typed, err := duvotool.As[string, string](tool)
		require.NoError(t, err)
		out, res, err := typed.Run(scoped(t, "s", "typed"), "refund it")
		require.NoError(t, err)
		require.Equal(t, first.Output, out)
		require.True(t, res.Repeated)
		require.Equal(t, 1, d.Count("startRun"))
		require.Equal(t, 1, d.Count("respondToHumanRequest"))

		_, err = tool.Run(scoped(t, "another", "call-9"), "refund order 9")
		require.NoError(t, err)
		require.Equal(t, 2, d.Count("startRun"))
	}, duvotest.WithAssignment(slowRefunds))
}

// TestKeyIsNoScope: it starts nothing by itself, and leads to what is there.
func TestKeyIsNoScope(t *testing.T) {
	withJournals(t, func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) {
		reg := discover(t, d.Client(), append(opts, duvotool.OncePerScope())...)
		tool := reg.All()[0]
		bare := func(key string) context.Context { return duvotool.WithOperationKey(t.Context(), key) }
		_, err := tool.Run(bare("order 1"), "refund 1")
		require.ErrorIs(t, err, outcome.ErrNoScope)
		require.Zero(t, d.Count("startRun"))
		short, cancel := context.WithTimeout(scoped(t, "s", "order 1"), time.Minute/3)
		defer cancel()
		_, err = tool.Run(short, "refund 1")
		var je *outcome.JobError
		require.ErrorAs(t, err, &je)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for _, key := range []string{je.Key, "order 1"} { // the promise of JobError
			res, err := tool.Run(bare(key), "refund 1")
			require.NoError(t, err)
			require.Equal(t, "refunded refund 1", res.Output)
		}
		_, err = tool.Run(bare("order 1"), "refund 1000")
		require.ErrorIs(t, err, outcome.ErrKeyReused)
		_, err = tool.Run(bare("order 2"), "refund 2")
		require.ErrorIs(t, err, outcome.ErrNoScope)
		require.Equal(t, 1, d.Count("startRun"))
	}, duvotest.WithAssignment(slowRefunds))
}

// TestOneKeyInTwoScopes is one Job still, though the scopes would allow two.
func TestOneKeyInTwoScopes(t *testing.T) {
	withJournals(t, func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) {
		reg := discover(t, d.Client(), append(opts, duvotool.OncePerScope())...)
		tool := reg.All()[0]
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				res, err := tool.Run(scoped(t, fmt.Sprint("s", i), "order 1"), "refund 1")
				require.NoError(t, err)
				require.Equal(t, "refunded refund 1", res.Output)
			})
		}
		wg.Wait()
		_, err := tool.Run(scoped(t, "yet another", "order 1"), "refund 1000")
		require.ErrorIs(t, err, outcome.ErrKeyReused)
		require.Equal(t, 1, d.Count("startRun"))
	}, duvotest.WithAssignment(slowRefunds))
}

// TestOneKeyInTwoScopesAtOnce, where none sees in time that others have it too.
func TestOneKeyInTwoScopesAtOnce(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := &slowJournal{journal.NewMemory(), time.Second, ""}
		opts := []duvotool.Option{duvotool.OncePerScope(), approveAfter(time.Second, nil), duvotool.WithoutResume()}
		regs := []*duvotool.Registry{open(t, d.Client(), j, opts...), open(t, d.Client(), j, opts...)}
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				res, err := regs[i%2].All()[0].Run(scoped(t, fmt.Sprint("s", i), "order 1"), "refund 1")
				require.NoError(t, err)
				require.Equal(t, "refunded refund 1", res.Output)
			})
		}
		wg.Wait()
		require.Equal(t, 1, d.Count("startRun"))
		for _, reg := range regs {
			shut(t, reg)
		}
	}, duvotest.WithAssignment(slowRefunds))
}

// TestManyKeysOneScopeManyProcesses: at once, and after a restart.
func TestManyKeysOneScopeManyProcesses(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		opts := []duvotool.Option{duvotool.OncePerScope(), approveAfter(time.Second, nil), duvotool.WithoutResume(), duvotool.WithRetention(time.Hour)}
		regs := []*duvotool.Registry{open(t, d.Client(), j, opts...), open(t, d.Client(), j, opts...)}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				res, err := regs[i%2].All()[0].Run(scoped(t, "s", fmt.Sprint("call ", i)), fmt.Sprint("refund, attempt ", i))
				require.NoError(t, err)
				require.Contains(t, res.Output, "refunded refund, attempt")
			})
		}
		wg.Wait()
		require.Equal(t, 1, d.Count("startRun"))
		for _, reg := range regs {
			shut(t, reg)
		}
		reg := open(t, d.Client(), j, opts...)
		defer shut(t, reg)
		res, err := reg.All()[0].Run(scoped(t, "s", "after the restart"), "refund once more")
		require.NoError(t, err)
		require.True(t, res.Repeated)
		require.Equal(t, 1, d.Count("startRun"))
	}, duvotest.WithAssignment(slowRefunds))
}

// TestDeathWhileNamed: between what names an operation and the operation itself
// nothing was sent, and what comes later is one Job.
func TestDeathWhileNamed(t *testing.T) {
	for _, at := range []string{"before put key", "after put key", "after put 1", "after start"} {
		for _, next := range [][2]string{{"s", "order 1"}, {"s", "order 2"}, {"t", "order 1"}} {
			t.Run(fmt.Sprint(at, next), func(t *testing.T) {
				emulated(t, func(t *testing.T, d *duvotest.Duvo) {
					j := journal.NewMemory()
					p := newProcess(j, d.Client(), at)
					reg := open(t, p, p, duvotool.OncePerScope())
					_, err := reg.All()[0].Run(p.while(scoped(t, "s", "order 1")), "refund 1")
					require.Error(t, err)
					_ = reg.Close(context.Background())
					p = newProcess(j, d.Client(), "")
					reg = open(t, p, p, duvotool.OncePerScope(), approveAfter(time.Second, nil))
					defer shut(t, reg)
					for _, call := range [][2]string{next, {"s", "order 3"}} {
						res, err := reg.All()[0].Run(scoped(t, call[0], call[1]), "refund 1")
						require.NoError(t, err)
						require.Equal(t, "refunded refund 1", res.Output, res.Note)
					}
					want := 1
					if at == "before put key" && next[0] == "t" {
						want = 2 // nobody had begun anything in s
					}
					require.Len(t, d.Jobs(), want)
				}, duvotest.WithAssignment(slowRefunds))
			})
		}
	}
}

// TestKeysDoNotLiftBarriers: an unknown start bars its Assignment from the scope,
// whatever keys the calls have.
func TestKeysDoNotLiftBarriers(t *testing.T) {
	for _, once := range []bool{false, true} {
		withJournals(t, func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) {
			if once {
				opts = append(opts, duvotool.OncePerScope())
			}
			reg := discover(t, d.Client(), opts...)
			lostStart(d, 1)
			for _, key := range []string{"call-1", "call-2", "", "call-1"} {
				res, err := reg.All()[0].Run(scoped(t, "s", key), "refund 1")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
			}
			require.Equal(t, 2, d.Count("startRun"), "the lost one and the refused one")
			require.Len(t, d.Jobs(), 1)
		}, duvotest.WithAssignment(slowRefunds))
	}
}

// TestFollowUpsDoNotCount: a message to a Job has a key of its own.
func TestFollowUpsDoNotCount(t *testing.T) {
	withJournals(t, func(t *testing.T, d *duvotest.Duvo, opts ...duvotool.Option) {
		reg := discover(t, d.Client(), append(opts, duvotool.OncePerScope(), duvotool.WithFollowUps())...)
		first, err := reg.All()[0].Run(scoped(t, "s", "call-1"), "a")
		require.NoError(t, err)
		for i := range 2 {
			res, err := reg.Continue(scoped(t, "s", fmt.Sprint("turn ", i)), first, fmt.Sprint("b", i))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint("about b", i), res.Output)
		}
		require.Equal(t, 1, d.Count("startRun"))
		require.Equal(t, 2, d.Count("postRunMessage"))
	}, duvotest.WithAssignment(talker))
}

// A program names its work "once-4711", which looks like a key of the library's.
func TestKeyThatLooksFresh(t *testing.T) {
	job := duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds",
		Script: func(j *duvotest.Job) { j.Sleep(time.Minute); j.Complete("refunded") }}
	for _, key := range []string{"order-4711", "once-4711"} {
		t.Run("repeated/"+key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(job), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				reg, err := duvotool.Discover(t.Context(), d.Client())
				require.NoError(t, err)
				defer reg.Close(context.Background())
				ctx := duvotool.WithOperationKey(t.Context(), key)
				for range 2 {
					_, err := reg.All()[0].Run(ctx, "x")
					require.NoError(t, err)
				}
				require.Len(t, d.Jobs(), 1)
			})
		})
		t.Run("left, and forgotten/"+key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				long := job
				long.Script = func(j *duvotest.Job) { j.Sleep(100 * time.Hour); j.Complete("refunded") }
				d := duvotest.New(duvotest.WithAssignment(long), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				kept := journal.NewMemory()
				ctx := duvotool.WithOperationKey(t.Context(), key)
				for range 2 {
					reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(kept))
					require.NoError(t, err)
					brief, cancel := context.WithTimeout(ctx, time.Hour)
					_, err = reg.All()[0].Run(brief, "x")
					cancel()
					require.Error(t, err)
					require.NoError(t, reg.Close(context.Background()))
					time.Sleep(30 * time.Hour)
					_, err = kept.Forget(t.Context(), time.Now().Add(-24*time.Hour)) // as a registry does
					require.NoError(t, err)
				}
				require.Len(t, d.Jobs(), 1)
			})
		})
	}
}

// The key of a JobError, which takes the call up again, is good for one Job as
// well, however often it is called with.
func TestKeyOfAJobError(t *testing.T) {
	for name, later := range map[string]time.Duration{"twice": 0, "after the retention": 30 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds",
					Script: func(j *duvotest.Job) { j.Sleep(time.Hour + 2*later); j.Complete("refunded") }}
				d := duvotest.New(duvotest.WithAssignment(job), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				reg, err := duvotool.Discover(t.Context(), d.Client())
				require.NoError(t, err)
				defer reg.Close(context.Background())
				brief, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				_, err = reg.All()[0].Run(brief, "x")
				var left *outcome.JobError
				require.ErrorAs(t, err, &left)
				time.Sleep(later)
				for range 2 {
					_, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), left.Key), "x")
					require.NoError(t, err)
				}
				require.Len(t, d.Jobs(), 1)
			})
		})
	}
}

// A caller's key that looks like one of a scope stands for its input all the same.
func TestKeyThatLooksLikeAScopes(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds",
		Script: func(j *duvotest.Job) { j.Complete("refunded") }}))
	defer d.Close()
	kept := journal.NewMemory()
	ctx := duvotool.WithOperationKey(t.Context(), "scope-4711")
	before, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(kept), duvotool.WithPollInterval(time.Millisecond))
	require.NoError(t, err)
	_, err = before.All()[0].Run(ctx, "x")
	require.NoError(t, err)
	require.NoError(t, before.Close(context.Background()))

	now, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(kept), duvotool.OncePerScope(), duvotool.WithPollInterval(time.Millisecond))
	require.NoError(t, err)
	defer now.Close(context.Background())
	_, err = now.All()[0].Run(ctx, "y")
	require.ErrorIs(t, err, outcome.ErrKeyReused)
	res, err := now.All()[0].Run(ctx, "x")
	require.NoError(t, err)
	require.True(t, res.Repeated)
	require.Len(t, d.Jobs(), 1)
}

// TestManyCallsWhileAnotherRecords: calls with one key compare themselves with an
// operation while it goes on from what another process has recorded. It is the
// race detector that fails this.
func TestManyCallsWhileAnotherRecords(t *testing.T) {
	for range 5 {
		job := duvotest.Assignment{Name: "Refunds",
			Script: func(j *duvotest.Job) { j.Complete("ok") },
			Resume: func(j *duvotest.Job, message string) { j.AskApproval("a", ""); j.Complete("about " + message) }}
		d := duvotest.New(duvotest.WithAssignment(job))
		j := journal.NewMemory()
		var regs []*duvotool.Registry
		for range 2 {
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(j), duvotool.WithoutResume(), duvotool.WithPollInterval(2*time.Millisecond))
			require.NoError(t, err)
			regs = append(regs, reg)
		}
		first, err := regs[0].All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		ctx := duvotool.WithOperationKey(t.Context(), "more")
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 20 {
					brief, cancel := context.WithTimeout(ctx, time.Duration(1+i)*time.Millisecond)
					_, _ = regs[i%2].Continue(brief, first, "m")
					cancel()
				}
			})
		}
		wg.Wait()
		for _, reg := range regs {
			require.NoError(t, reg.Close(context.Background()))
		}
		d.Close()
	}
}

// A call in one conversation started nothing. The host calls again with the same
// key in another conversation, where the model then calls once more.
func TestAKeyDoesNotStartAJobInAnotherScope(t *testing.T) {
	for name, withJournal := range map[string]bool{"memory": false, "journal": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds"}))
				defer d.Close()
				opts := []duvotool.Option{duvotool.OncePerScope()}
				if withJournal {
					opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
				}
				reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
				require.NoError(t, err)
				defer reg.Close(context.Background())
				first := duvotool.WithOperationScope(t.Context(), "first")
				second := duvotool.WithOperationScope(t.Context(), "second")
				d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403})
				_, err = reg.All()[0].Run(duvotool.WithOperationKey(first, "order 4711"), "refund 4711")
				require.Error(t, err)
				require.Empty(t, d.Jobs())
				_, err = reg.All()[0].Run(duvotool.WithOperationKey(second, "order 4711"), "refund 4711")
				require.ErrorIs(t, err, outcome.ErrKeyReused)
				_, _ = reg.All()[0].Run(second, "please refund 4711")
				require.LessOrEqual(t, len(d.Jobs()), 1, "both were called in the second scope")
			})
		})
	}
}

// A key that stands for one Assignment is refused for another.
func TestAKeyStandsForOneAssignment(t *testing.T) {
	for name, withJournal := range map[string]bool{"memory": false, "journal": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const id = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"
				d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "Refunds"}), duvotest.WithAssignment(duvotest.Assignment{Name: "Letters"}))
				defer d.Close()
				opts := []duvotool.Option{duvotool.Configure(duvotool.ByID(id), duvotool.OncePerScope())}
				if withJournal {
					opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
				}
				reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
				require.NoError(t, err)
				defer reg.Close(context.Background())
				ctx := duvotool.WithOperationKey(duvotool.WithOperationScope(t.Context(), "s"), "order 4711")
				refunds, letters := tool(t, reg, "Refunds"), tool(t, reg, "Letters")
				first, err := refunds.Run(ctx, "x")
				require.NoError(t, err)
				_, err = letters.Run(ctx, "x")
				require.ErrorIs(t, err, outcome.ErrKeyReused)
				other := duvotool.WithOperationKey(ctx, "order 4712")
				_, err = letters.Run(other, "x")
				require.NoError(t, err)
				_, err = refunds.Run(duvotool.WithOperationScope(other, "t"), "x")
				require.ErrorIs(t, err, outcome.ErrKeyReused)
				require.Len(t, d.Jobs(), 2)
				now, err := reg.Lookup(t.Context(), "order 4711")
				require.NoError(t, err)
				require.Equal(t, first.JobID, now.JobID)
			})
		})
	}
}

func tool(t *testing.T, reg *duvotool.Registry, name string) *duvotool.Tool {
	found, err := reg.Tool(name)
	require.NoError(t, err)
	return found
}
