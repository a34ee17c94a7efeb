package duvotool_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A Job that has ended is resumed to its Result, with a journal and without, in this
// process and in the next, also after a follow-up.
func TestResumeOfAFinishedJob(t *testing.T) {
	for _, journaled := range []bool{false, true} {
		for _, follow := range []bool{false, true} {
			t.Run(fmt.Sprintf("journal %v, follow-up %v", journaled, follow), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := duvotest.New(duvotest.WithAssignment(slowRefunds))
					defer d.Close()
					opts := []duvotool.Option{approveAfter(0, nil)}
					if journaled {
						opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
					}
					reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
					require.NoError(t, err)
					res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
					require.NoError(t, err)
					if follow {
						_, err = reg.Continue(duvotool.WithOperationKey(t.Context(), "k2"), res, "more")
						require.NoError(t, err)
					}
					resumed := func(reg *duvotool.Registry) {
						for _, id := range []string{res.JobID, strings.ToUpper(res.JobID)} {
							again, err := reg.Resume(t.Context(), id)
							require.NoError(t, err)
							require.True(t, again.Repeated)
							require.Equal(t, "k", again.Key)
							require.Equal(t, "refunded 1 EUR", again.Output)
							require.Equal(t, res.Decisions, again.Decisions)
						}
					}
					resumed(reg)
					require.Empty(t, reg.Jobs())
					_, err = reg.Resume(t.Context(), "another")
					require.ErrorIs(t, err, outcome.ErrUnknownJob)
					shut(t, reg)
					if journaled {
						next, err := duvotool.Discover(t.Context(), d.Client(), opts...)
						require.NoError(t, err)
						resumed(next)
						shut(t, next)
					}
				})
			})
		}
	}
}

// A response that is answered 409 while the next read fails is superseded, as where
// the read works, and no refusal.
func TestAConflictAndAReadThatFails(t *testing.T) {
	for name, faults := range map[string][]duvotest.Fault{
		"the read works":       nil,
		"one read fails":       {{Op: "getRun", Kind: duvotest.StatusBefore, Status: 503}},
		"one read makes sense": {{Op: "getRun", Kind: duvotest.NotJSON}},
		"reads are refused":    {{Op: "getRun", Kind: duvotest.StatusBefore, Status: 403, Times: 3}},
		"reads find nothing":   {{Op: "getRun", Kind: duvotest.StatusBefore, Status: 404, Times: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				b := &conflicting{Client: d.Client(), before: func(job string) {
					yes := true
					require.NoError(t, d.AnswerElsewhere(job, duvo.Response{Approved: &yes}))
					d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.StatusBefore, Status: 409})
					d.Inject(faults...)
				}}
				reg := discover(t, b, decide(hitl.Suspend(), nil))
				_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "k"), "4711")
				require.NoError(t, err)
				require.ErrorIs(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")), outcome.ErrNotPending)
				res, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "k"), "4711")
				require.NoError(t, err)
				require.Equal(t, hitl.Superseded, res.Decisions[0].Delivery)
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// conflicting is a client that lets something happen before its first response.
type conflicting struct {
	*duvo.Client
	before func(job string)
}

func (c *conflicting) Respond(ctx context.Context, r duvo.Response) error {
	if f := c.before; f != nil {
		c.before = nil
		f(r.JobID)
	}
	return c.Client.Respond(ctx, r)
}

// broad is a backend whose Jobs have a message that is larger than the client takes.
type broad struct {
	*fake
	after int // messages that stand before it
}

func (b broad) Messages(context.Context, string) iter.Seq2[duvo.Message, error] {
	return func(yield func(duvo.Message, error) bool) {
		for i := range b.after {
			if !yield(duvo.Message{Role: "assistant", Text: fmt.Sprint("step ", i)}, nil) {
				return
			}
		}
		yield(duvo.Message{}, fmt.Errorf("page: %w", duvo.ErrTooLarge))
	}
}

// A message that is larger than is taken ends the collecting with a note.
func TestAMessageThatIsTooLarge(t *testing.T) {
	for _, after := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			reg := discover(t, broad{&fake{job: ended(duvo.StatusCompleted)}, after})
			begun := time.Now()
			res, err := reg.All()[0].Run(t.Context(), "x")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			require.Contains(t, res.Note, "one of its messages is larger than this program takes")
			require.Len(t, res.Messages, after)
			require.Less(t, time.Since(begun), time.Minute)
		})
	}
}

// narrow is a journal that takes records up to a size.
type narrow struct {
	journal.Journal
	most int
}

func (n narrow) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if len(r.Data) > n.most {
		return 0, fmt.Errorf("%w: %d bytes", journal.ErrTooLarge, len(r.Data))
	}
	return n.Journal.Put(ctx, r)
}

// What is larger than the journal takes is told in full to who waits for it, and kept
// without its text: no later process takes it up.
func TestAnOutcomeOverTheJournalsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) { j.Complete(strings.Repeat("x", 100_000)) }}
		d := duvotest.New(duvotest.WithAssignment(large))
		defer d.Close()
		j := narrow{journal.NewMemory(), 50_000}
		reg := open(t, d.Client(), j)
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "x")
		require.NoError(t, err)
		require.Len(t, res.Output, 100_000)
		shut(t, reg)
		for range 2 {
			reg = open(t, d.Client(), j)
			require.Empty(t, reg.Resumed())
			reads := d.Count("getRun")
			res, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "x")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			require.Empty(t, res.Output)
			require.Contains(t, res.Note, "more than the journal takes")
			require.Equal(t, reads, d.Count("getRun"))
			shut(t, reg)
		}
	})
}
