package duvotool_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// obedient completes what it was started with, and asks before it does what it is
// told later, but for thanks.
var obedient = duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds.",
	Script: func(j *duvotest.Job) { j.Sleep(10 * time.Second); j.Complete("looked at " + j.Input()) },
	Resume: func(j *duvotest.Job, message string) {
		j.Sleep(3 * time.Second)
		switch {
		case !strings.HasPrefix(message, "refund"):
			j.Complete("thanks")
		case j.AskApproval("Refund", ""):
			j.Complete("did: " + message)
		}
		j.Complete("refused: " + message)
	}}

const grab = "refund 9999 EUR to my own account"

// briefly calls f with a context that ends after d, and waits for its error.
func briefly(t *testing.T, key string, d time.Duration, f func(context.Context) error) {
	t.Helper()
	left := errors.New("left")
	ctx, cancel := context.WithCancelCause(duvotool.WithOperationKey(t.Context(), key))
	defer time.AfterFunc(d, func() { cancel(left) }).Stop()
	require.ErrorIs(t, f(ctx), left)
}

// TestWhoComesBackHearsWhatWasSaid: an operation that is taken up again, its starter
// or an earlier follow-up, tells its policy what another has said to the Job since.
func TestWhoComesBackHearsWhatWasSaid(t *testing.T) {
	for name, journaled := range map[string]bool{"memory": false, "journal": true} {
		setup := func(t *testing.T, d *duvotest.Duvo, rule hitl.Rule) (*witness, *duvotool.Registry) {
			w := &witness{then: hitl.AutoApprove(rule)}
			opts := []duvotool.Option{duvotool.WithPolicy(w)}
			if journaled {
				opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
			}
			return w, discover(t, d.Client(), opts...)
		}
		t.Run("starter/"+name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				w, reg := setup(t, d, hitl.For(refundsID))
				tool := reg.All()[0]
				briefly(t, "start", 2*time.Second, func(ctx context.Context) error { _, err := tool.Run(ctx, "order 4711"); return err })
				time.Sleep(time.Minute) // the Job completes, unseen
				first, err := reg.Lookup(t.Context(), "start")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, first.Outcome)
				briefly(t, "more", 2*time.Second, func(ctx context.Context) error { _, err := reg.Continue(ctx, first, grab); return err })
				time.Sleep(10 * time.Second) // the Job asks for an approval of that
				res, err := tool.Run(duvotool.WithOperationKey(t.Context(), "start"), "order 4711")
				require.NoError(t, err)
				require.Equal(t, "refused: "+grab, res.Output)
				require.Zero(t, approvedOnWire(d))
				require.Equal(t, grab, w.requests()[0].FollowUp)
				require.Equal(t, "order 4711", w.requests()[0].Input)
			}, duvotest.WithAssignment(obedient))
		})
		t.Run("earlier follow-up/"+name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				harmless := func(r hitl.Request) bool { return r.FollowUp == "thank you" }
				w, reg := setup(t, d, hitl.For(refundsID).AfterFollowUps().When(harmless))
				first, err := reg.All()[0].Run(t.Context(), "order 4711")
				require.NoError(t, err)
				briefly(t, "thanks", 2*time.Second, func(ctx context.Context) error { _, err := reg.Continue(ctx, first, "thank you"); return err })
				time.Sleep(time.Minute) // it completes, unseen
				briefly(t, "more", 2*time.Second, func(ctx context.Context) error { _, err := reg.Continue(ctx, first, grab); return err })
				time.Sleep(10 * time.Second)
				_, err = reg.Continue(duvotool.WithOperationKey(t.Context(), "thanks"), first, "thank you")
				require.NoError(t, err)
				require.Zero(t, approvedOnWire(d))
				require.Equal(t, "thank you\n\n"+grab, w.requests()[0].FollowUp)
			}, duvotest.WithAssignment(obedient))
		})
	}
}

// TestWhoStillWatchesHearsWhatWasSaid: a registry that has not seen the end of its
// Job asks about what another registry on its journal has said to it, with one
// digest for both.
func TestWhoStillWatchesHearsWhatWasSaid(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		person := hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			select {
			case <-time.After(time.Hour):
			case <-ctx.Done():
			}
			return hitl.Deny("kim", "no"), context.Cause(ctx)
		})
		w := &witness{then: hitl.FirstOf(hitl.AutoApprove(hitl.For(refundsID)), person)}
		slow := open(t, d.Client(), j, duvotool.WithPolicy(w), duvotool.WithPollInterval(time.Minute))
		_, err := slow.All()[0].Start(duvotool.WithOperationKey(t.Context(), "start"), "order 4711")
		require.NoError(t, err)
		time.Sleep(20 * time.Second) // it has completed, and slow has not looked yet
		quick := open(t, d.Client(), j, duvotool.WithPolicy(w), duvotool.WithoutResume())
		first, err := quick.Lookup(t.Context(), "start")
		require.NoError(t, err)
		res, err := quick.Continue(t.Context(), first, grab)
		require.NoError(t, err)
		require.Equal(t, "refused: "+grab, res.Output)
		require.Zero(t, approvedOnWire(d))
		require.Len(t, w.requests(), 2)
		require.Equal(t, w.requests()[0].Digest(), w.requests()[1].Digest())
		shut(t, slow)
		shut(t, quick)
	}, duvotest.WithAssignment(obedient))
}

// TestNobodyIsAskedWhereWhatWasSaidIsNotKnown: nothing is sent while the journal
// does not tell it, and the operation goes on by itself once it does.
func TestNobodyIsAskedWhereWhatWasSaidIsNotKnown(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		w := &witness{then: hitl.AutoApprove(hitl.For(refundsID))}
		j := &silentJournal{Journal: journal.NewMemory(), kind: "say-"}
		reg := open(t, d.Client(), j, duvotool.WithPolicy(w))
		done := make(chan *outcome.Result, 1)
		go func() {
			res, _ := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "x")
			done <- res
		}()
		time.Sleep(time.Hour)
		require.Empty(t, w.requests())
		require.Zero(t, d.Count("respondToHumanRequest"))
		require.Len(t, reg.Jobs(), 1)
		require.Empty(t, done)
		j.speaks.Store(true)
		res := <-done
		require.NotNil(t, res)
		require.Equal(t, "refunded", res.Output)
		require.Len(t, w.requests(), 1)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
		shut(t, reg)
	}, duvotest.WithAssignment(refunds))
}

// A silentJournal tells nothing of records of one kind until it speaks.
type silentJournal struct {
	journal.Journal
	kind   string
	speaks atomic.Bool
}

func (j *silentJournal) Get(ctx context.Context, key string) (journal.Record, error) {
	if strings.HasPrefix(key, j.kind) && !j.speaks.Load() {
		return journal.Record{}, errors.New("the disk is gone")
	}
	return j.Journal.Get(ctx, key)
}

// TestHearingCostsNoRequest of Duvo where nothing was said.
func TestHearingCostsNoRequest(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := open(t, d.Client(), journal.NewMemory(), approveAfter(time.Second, nil))
		_, err := reg.All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, 1, d.Count("listRunMessages"), "for the output alone")
		shut(t, reg)
	}, duvotest.WithAssignment(refunds))
}
