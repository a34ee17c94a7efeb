package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
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
