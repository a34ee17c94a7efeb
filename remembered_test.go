package duvotool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// retained returns the bytes that are still reachable after f has run, beside what
// was before. What f returns is reachable.
func retained(f func() any) int64 {
	heap := func() int64 {
		var m runtime.MemStats
		for range 3 { // what has a finalizer goes in the second turn
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	kept := f()
	after := heap()
	runtime.KeepAlive(kept)
	return after - before
}

// rememberedMost is what all operations that nobody works on may retain together,
// with room for their keys and for what else a registry has.
const rememberedMost = 64<<20 + 16<<20

// onDisk is a journal whose data are not in memory.
type onDisk struct {
	journal.Journal
	dir string
}

func (j onDisk) Put(ctx context.Context, r journal.Record) (uint64, error) {
	path := filepath.Join(j.dir, fmt.Sprint(r.Key, "-", r.Revision+1))
	if err := os.WriteFile(path, r.Data, 0o600); err != nil {
		return 0, err
	}
	r.Data = []byte(path)
	return j.Journal.Put(ctx, r)
}

func (j onDisk) Get(ctx context.Context, key string) (journal.Record, error) {
	r, err := j.Journal.Get(ctx, key)
	if err == nil {
		r.Data, err = os.ReadFile(string(r.Data))
	}
	return r, err
}

// Inputs that Duvo refuses, as a model may make without end, do not stay in memory:
// neither those of keys and scopes nor, with a journal, any.
func TestRefusedInputsAreBounded(t *testing.T) {
	const calls, size = 500, 200 << 10
	for name, c := range map[string]struct {
		scoped, journaled bool
	}{"keys": {}, "a scope": {scoped: true}, "keys in a journal": {journaled: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{start: func(int, duvo.StartJob) (duvo.Job, error) {
					return duvo.Job{}, &duvo.APIError{Status: 400, Code: "invalid_request"}
				}}
				var opts []duvotool.Option
				if c.journaled {
					opts = append(opts, duvotool.WithJournal(onDisk{journal.NewMemory(), t.TempDir()}))
				}
				reg := discover(t, f, opts...)
				kept := retained(func() any {
					for i := range calls {
						ctx := duvotool.WithOperationKey(t.Context(), fmt.Sprint(i))
						if c.scoped {
							ctx = duvotool.WithOperationScope(t.Context(), "conversation")
						}
						_, err := reg.All()[0].Run(ctx, fmt.Sprint(i)+strings.Repeat("x", size))
						var bad *outcome.InputError
						require.ErrorAs(t, err, &bad)
						time.Sleep(time.Second)
					}
					return reg
				})
				require.Less(t, kept, int64(rememberedMost))
				require.Equal(t, calls, f.starts)
			})
		})
	}
}

// What was refused is forgotten after the retention, though a key stands for it.
func TestRefusedInputsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{start: func(int, duvo.StartJob) (duvo.Job, error) {
			return duvo.Job{}, &duvo.APIError{Status: 400, Code: "invalid_request"}
		}}
		reg := discover(t, f, duvotool.WithRetention(time.Hour))
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		var bad *outcome.InputError
		_, err := reg.All()[0].Run(ctx, "a")
		require.ErrorAs(t, err, &bad)
		_, err = reg.All()[0].Run(ctx, "b")
		require.ErrorIs(t, err, outcome.ErrKeyReused)
		time.Sleep(3 * time.Hour)
		_, err = reg.All()[0].Run(ctx, "b")
		require.ErrorAs(t, err, &bad)
		require.Equal(t, 2, f.starts)
	})
}

// Results that keys and scopes are remembered by have a bound in bytes, without a
// journal too. The keys go on to stand for what they stood for: nothing is started
// anew, no other input is taken, and nobody goes on with a Job without knowing what
// it was told.
func TestFinishedResultsAreBounded(t *testing.T) {
	const calls = 22
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted), messages: []duvo.Message{
			{Type: duvo.MessageText, Role: "assistant", Text: strings.Repeat("y", 4<<20)}, {Type: duvo.MessageText, Role: "assistant", Text: "done"}}}
		posts := 0
		reg := discover(t, talking{f, &posts}, duvotool.WithFollowUps())
		handle := ""
		key := func(i int) context.Context { return duvotool.WithOperationKey(t.Context(), fmt.Sprint("key ", i)) }
		kept := retained(func() any {
			for i := range calls {
				res, err := reg.All()[0].Run(key(i), fmt.Sprint("order ", i))
				require.NoError(t, err)
				require.Len(t, res.Messages, 2, "its caller gets all of it")
				if i == 0 {
					handle = res.Handle
				}
			}
			return reg
		})
		require.Less(t, kept, int64(rememberedMost))
		require.Equal(t, calls, f.starts)

		last, err := reg.All()[0].Run(key(calls-1), fmt.Sprint("order ", calls-1))
		require.NoError(t, err)
		require.Len(t, last.Messages, 2)
		first, err := reg.All()[0].Run(key(0), "order 0")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, first.Outcome)
		require.Equal(t, "job-1", first.JobID)
		require.True(t, first.Repeated)
		require.Empty(t, first.Output)
		require.Contains(t, first.Note, "no longer kept here")
		require.NotContains(t, first.Note, "was not used")
		_, err = reg.All()[0].Run(key(0), "order 1")
		require.ErrorIs(t, err, outcome.ErrKeyReused)
		_, err = reg.Continue(t.Context(), first, "more")
		require.ErrorContains(t, err, "no longer kept here")
		require.NotEmpty(t, handle)
		out, err := reg.ContinueTool().Call(t.Context(), handle+" more")
		require.NoError(t, err)
		require.Contains(t, out, "There is no Job")
		require.Zero(t, posts)
		require.Equal(t, calls, f.starts)
	})
}

// talking takes messages, and counts them.
type talking struct {
	*fake
	posts *int
}

func (b talking) PostMessage(context.Context, string, string, string) (duvo.Message, error) {
	*b.posts++
	return duvo.Message{}, nil
}

// A Job's caller gets all that it said, also where a journal keeps less of it.
func TestTheJournalKeepsLessThanTheCallerGets(t *testing.T) {
	for name, c := range map[string]struct {
		said, output string
		kept         bool // its output
	}{
		"many messages":  {strings.Repeat("y", 2<<20), "done", true},
		"a large output": {"", strings.Repeat("z", 5<<20), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{job: ended(duvo.StatusCompleted), messages: []duvo.Message{
					{Type: duvo.MessageText, Role: "assistant", Text: c.said}, {Type: duvo.MessageText, Role: "assistant", Text: c.output}}}
				j := bounded{journal.NewMemory()}
				for range 2 {
					reg := open(t, f, j)
					require.Empty(t, reg.Resumed(), "what has ended is not taken up again")
					res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "order 4711")
					require.NoError(t, err)
					require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
					require.Equal(t, 1, f.starts)
					switch {
					case !res.Repeated:
						require.Len(t, res.Messages, 2)
						require.Equal(t, c.output, res.Output)
					case c.kept:
						require.Empty(t, res.Messages)
						require.Equal(t, c.output, res.Output)
					default:
						require.Empty(t, res.Output)
						require.Contains(t, res.Note, "more than the journal keeps")
					}
					shut(t, reg)
				}
			})
		})
	}
}

// A backend of the program's own may tell what JSON cannot: that keeps no outcome from
// the journal.
func TestMessagesThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted), messages: []duvo.Message{
			{Type: duvo.MessageToolCall, Role: "assistant", ToolCall: &duvo.ToolCall{ID: "1", Name: "refund", Arguments: json.RawMessage(`{"amount":`)}},
			{Type: duvo.MessageText, Role: "assistant", Text: "done"}}}
		j := journal.NewMemory()
		for i := range 2 {
			reg := open(t, f, j)
			require.Empty(t, reg.Resumed(), "what has ended is not taken up again")
			res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "order 4711")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			require.Equal(t, "done", res.Output)
			require.Equal(t, 1, f.starts)
			if i == 0 {
				require.Len(t, res.Messages, 2)
			} else {
				require.Empty(t, res.Messages)
				require.Contains(t, res.Note, "its messages could not be written")
			}
			shut(t, reg)
		}
	})
}

// A talkative fake answers each message, and each read of messages has texts of its own,
// as an HTTP client's has.
type talkative struct{ *fake }

func (f talkative) Messages(context.Context, string) iter.Seq2[duvo.Message, error] {
	return func(yield func(duvo.Message, error) bool) {
		for _, m := range f.messages {
			m.Text = strings.Clone(m.Text)
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (f talkative) PostMessage(_ context.Context, _, text, _ string) (duvo.Message, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, duvo.Message{Type: duvo.MessageText, Role: "user", Text: text}, duvo.Message{Type: duvo.MessageText, Role: "assistant", Text: "ok"})
	return duvo.Message{}, nil
}

// What an operation keeps of its messages does not hold those of the Job that stand
// before them.
func TestFollowUpsHoldTheirOwnMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted), messages: []duvo.Message{{Type: duvo.MessageText, Role: "user", Text: "order"},
			{Type: duvo.MessageText, Role: "assistant", Text: strings.Repeat("y", 8<<20)}, {Type: duvo.MessageText, Role: "assistant", Text: "done"}}}
		reg := discover(t, talkative{f}, duvotool.WithFollowUps())
		kept := retained(func() any {
			res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "first"), "order")
			require.NoError(t, err)
			for i := range 20 {
				res, err = reg.Continue(duvotool.WithOperationKey(t.Context(), fmt.Sprint("more ", i)), res, fmt.Sprint("more ", i))
				require.NoError(t, err)
				require.Equal(t, "ok", res.Output)
				time.Sleep(time.Minute)
			}
			return reg
		})
		require.Less(t, kept, int64(24<<20), "of 8 MiB, which the first Result has")
	})
}

// Nor does it keep room for messages that the Job did not send.
func TestFewMessagesTakeLittleRoom(t *testing.T) {
	const calls = 1000
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted), messages: []duvo.Message{{Type: duvo.MessageText, Role: "assistant", Text: "done"}}}
		reg := discover(t, talkative{f})
		kept := retained(func() any {
			for i := range calls {
				_, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), fmt.Sprint(i)), "order")
				require.NoError(t, err)
			}
			return reg
		})
		require.Less(t, kept/calls, int64(3<<10))
	})
}

// bounded is a journal that takes no more than journals must.
type bounded struct{ journal.Journal }

func (j bounded) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if len(r.Data) > 4<<20 {
		return 0, errors.New("the record is too large")
	}
	return j.Journal.Put(ctx, r)
}
