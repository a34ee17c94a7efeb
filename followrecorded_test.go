package duvotool_test

import (
	"context"
	"strings"
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

// fullForOne is a journal that cannot write the first operation's record while it is
// full.
type fullForOne struct {
	journal.Journal

	mu   sync.Mutex
	key  string
	full bool
}

func (j *fullForOne) Put(ctx context.Context, r journal.Record) (uint64, error) {
	j.mu.Lock()
	if j.key == "" && strings.HasPrefix(r.Key, "op-") {
		j.key = r.Key
	}
	bad := j.full && r.Key == j.key
	j.mu.Unlock()
	if bad {
		return 0, journal.ErrUnavailable
	}
	return j.Journal.Put(ctx, r)
}

func (j *fullForOne) setFull(full bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full = full
}

// TestNothingFollowsWhatIsNotRecorded: nothing is said to a Job before the journal has
// what it came to. Who takes the first call up would else read what the Job does about
// the message, and tell it as the outcome of that call.
func TestNothingFollowsWhatIsNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		j := &fullForOne{Journal: journal.NewMemory()}
		reg := open(t, d.Client(), j, approveAfter(time.Second, nil))
		tool := reg.All()[0]
		go func() {
			time.Sleep(2 * time.Second)
			j.setFull(true)
		}()
		first, err := tool.Run(duvotool.WithOperationKey(t.Context(), "first"), "1 EUR")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, first.Outcome)
		ctx := duvotool.WithOperationKey(t.Context(), "second")
		_, err = reg.Continue(ctx, first, "and 2 EUR")
		require.ErrorContains(t, err, "is not recorded yet")
		require.Zero(t, d.Count("postRunMessage"))

		j.setFull(false)
		time.Sleep(2 * time.Minute)
		second, err := reg.Continue(ctx, first, "and 2 EUR")
		require.NoError(t, err)
		require.Contains(t, second.Output, "and 2 EUR")
		require.Equal(t, 1, d.Count("postRunMessage"))
		shut(t, reg)

		reg = open(t, d.Client(), j, approveAfter(time.Second, nil))
		again, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "first"), "1 EUR")
		require.NoError(t, err)
		require.Equal(t, first.Output, again.Output)
		shut(t, reg)
	})
}

// Nor after a restart: the Result that is gone on from is the one that was told.
func TestNothingFollowsWhatWasNotRecordedBeforeARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		defer d.Close()
		j := &fullForOne{Journal: journal.NewMemory()}
		reg := open(t, d.Client(), j, approveAfter(time.Second, nil))
		go func() {
			time.Sleep(2 * time.Second)
			j.setFull(true)
		}()
		first, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "first"), "1 EUR")
		require.NoError(t, err)
		shut(t, reg)

		j.setFull(false)
		reg = open(t, d.Client(), j, approveAfter(time.Second, nil), duvotool.WithoutResume())
		ctx := duvotool.WithOperationKey(t.Context(), "second")
		_, err = reg.Continue(ctx, first, "and 2 EUR")
		require.ErrorContains(t, err, "is not recorded yet")
		require.Zero(t, d.Count("postRunMessage"))
		again, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "first"), "1 EUR")
		require.NoError(t, err)
		require.Equal(t, first.Output, again.Output)
		second, err := reg.Continue(ctx, first, "and 2 EUR")
		require.NoError(t, err)
		require.Contains(t, second.Output, "and 2 EUR")
		require.Equal(t, 1, d.Count("postRunMessage"))
		shut(t, reg)
	})
}
