package duvotool_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A listed journal knows the keys of its records.
type listed struct {
	journal.Journal
	mu   sync.Mutex
	keys map[string]bool
	fail func(journal.Record) error // nil: nothing fails
}

func (l *listed) Put(ctx context.Context, r journal.Record) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		if err := l.fail(r); err != nil {
			return 0, err
		}
	}
	l.keys[r.Key] = true
	return l.Journal.Put(ctx, r)
}

// listedLeases is a listed journal with leases.
type listedLeases struct {
	journal.Leases
	listed *listed
}

func (l listedLeases) Put(ctx context.Context, r journal.Record) (uint64, error) {
	return l.listed.Put(ctx, r)
}

// holds counts the records that hold a text.
func (l *listed) holds(t *testing.T, text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		r, err := l.Get(t.Context(), key)
		require.NoError(t, err)
		if strings.Contains(string(r.Data), text) {
			n++
		}
	}
	return n
}

var jos = duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds an order.",
	Script: func(j *duvotest.Job) {
		a := j.Ask("Which order of jo@example.com?", "", duvo.QuestionItem{Question: "Which?"})
		j.Complete("refunded jo@example.com for " + a["Which?"])
	},
	Resume: func(j *duvotest.Job, message string) {
		a := j.Ask("Which words?", "", duvo.QuestionItem{Question: "Which?"})
		j.Complete("told jo@example.com " + a["Which?"] + message)
	}}

// TestErase: nothing of what was said stays in the journal or the registry, and the key
// starts nothing a second time, here and after a restart.
func TestErase(t *testing.T) {
	for name, opt := range map[string]func(*listed) []duvotool.Option{
		"journal": func(j *listed) []duvotool.Option { return []duvotool.Option{duvotool.WithJournal(j)} },
		"memory":  func(*listed) []duvotool.Option { return nil },
		"journal of replicas": func(j *listed) []duvotool.Option {
			shared := journal.NewShared()
			j.Journal = shared
			return []duvotool.Option{duvotool.WithJournal(listedLeases{shared, j})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				j := &listed{Journal: journal.NewMemory(), keys: map[string]bool{}}
				answer := hitl.Answer("kim", map[string]string{"Which?": "that of jo@example.com"})
				opts := append(opt(j), decide(answer, nil), duvotool.WithFollowUps())
				reg := discover(t, d.Client(), opts...)
				as := duvotool.WithOperationKey(t.Context(), "order 4711")
				res, err := mustTool(reg, "refunds").Run(as, "for jo@example.com")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
				after := duvotool.WithOperationKey(t.Context(), "follow-up")
				_, err = reg.Continue(after, res, "write to jo@example.com")
				require.NoError(t, err)
				if name != "memory" {
					require.GreaterOrEqual(t, j.holds(t, "jo@example.com"), 4, "two operations, a claim, and what was said")
				}
				require.ErrorIs(t, reg.Erase(t.Context(), "nobody's"), outcome.ErrUnknownKey)
				for range 2 { // once more changes nothing
					require.NoError(t, reg.Erase(t.Context(), "order 4711"))
					require.NoError(t, reg.Erase(t.Context(), "follow-up"))
				}
				require.Zero(t, j.holds(t, "jo@example.com"))

				starts, posts := d.Count("startRun"), d.Count("postRunMessage")
				check := func(reg *duvotool.Registry) {
					found, err := reg.Lookup(t.Context(), "order 4711")
					require.NoError(t, err)
					require.Equal(t, []any{outcome.OutcomeCompleted, res.JobID, "kim", hitl.Answered, hitl.Accepted},
						[]any{found.Outcome, found.JobID, found.Decisions[0].By, found.Decisions[0].Verdict, found.Decisions[0].Delivery})
					require.Empty(t, found.Input+found.Output+found.Decisions[0].Title+found.Decisions[0].Reason)
					require.Empty(t, found.Decisions[0].Answers)
					require.Empty(t, found.Messages)
					require.Contains(t, found.Note, "was erased")
					_, err = mustTool(reg, "refunds").Run(as, "for jo@example.com")
					require.ErrorIs(t, err, outcome.ErrKeyReused)
					_, err = reg.Continue(duvotool.WithOperationKey(t.Context(), "another"), found, "and again")
					require.ErrorContains(t, err, "no longer kept here")
				}
				check(reg)
				if name != "memory" {
					require.NoError(t, reg.Close(t.Context()))
					check(discover(t, d.Client(), opts...))
				}
				require.Equal(t, starts, d.Count("startRun"))
				require.Equal(t, posts, d.Count("postRunMessage"))
			}, duvotest.WithAssignment(jos))
		})
	}
}

// TestEraseNotEnded: what is still needed is not erased, nor another tenant's.
func TestEraseNotEnded(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), decide(hitl.Suspend(), nil), duvotool.WithJournal(journal.NewMemory()))
		mine := duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: "one", User: "lee"})
		_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(mine, "k"), "4711")
		require.NoError(t, err)
		require.ErrorIs(t, reg.Erase(mine, "k"), outcome.ErrNotEnded)
		require.ErrorIs(t, reg.Erase(t.Context(), "k"), outcome.ErrUnknownKey)
		require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")))
		require.NoError(t, reg.Wait(t.Context()))
		require.NoError(t, reg.Erase(mine, "k"))
		require.NoError(t, reg.Close(t.Context()))
		require.ErrorIs(t, reg.Erase(mine, "k"), outcome.ErrClosed)
	}, duvotest.WithAssignment(refunds))
}

// TestEraseInterrupted: what the journal did not take is erased by erasing once more.
func TestEraseInterrupted(t *testing.T) {
	for fails := range 3 {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			j := &listed{Journal: journal.NewMemory(), keys: map[string]bool{}}
			reg := discover(t, d.Client(), duvotool.WithJournal(j), decide(hitl.Answer("kim", map[string]string{"Which?": "that of jo@example.com"}), nil))
			_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "k"), "for jo@example.com")
			require.NoError(t, err)
			time.Sleep(time.Minute)
			n := 0
			j.fail = func(journal.Record) error {
				if n++; n == fails+1 {
					return journal.ErrUnavailable
				}
				return nil
			}
			err = reg.Erase(t.Context(), "k")
			require.Equal(t, n > fails, err != nil)
			j.fail = nil
			require.NoError(t, reg.Erase(t.Context(), "k"))
			require.Zero(t, j.holds(t, "jo@example.com"))
		}, duvotest.WithAssignment(jos))
	}
}
