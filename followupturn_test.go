package duvotool_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// lateTurn is a journal that takes three seconds to tell who has the turn of a Job.
type lateTurn struct{ journal.Journal }

func (j lateTurn) Get(ctx context.Context, key string) (journal.Record, error) {
	if strings.HasPrefix(key, "say-") {
		time.Sleep(3 * time.Second)
	}
	return j.Journal.Get(ctx, key)
}

// A message may have been taken when its process ended. The next one takes it up and,
// once nothing can be on its way any more, looks for the turn; another follow-up does at
// the same moment, and does not get it. The first keeps its turn, and is told what the Job
// made of its own message, though nobody calls for it.
func TestWhatMayHaveTheTurnKeepsIt(t *testing.T) {
	for offset := 60 * time.Second; offset < 80*time.Second; offset += 2 * time.Second {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(talker))
			defer d.Close()
			j := lateTurn{journal.NewMemory()}
			reg := open(t, d.Client(), j)
			start, err := reg.All()[0].Run(t.Context(), "a")
			require.NoError(t, err)
			d.Inject(duvotest.Fault{Op: "postRunMessage", Kind: duvotest.ResetAfter})
			first := duvotool.WithOperationKey(t.Context(), "first")
			second := duvotool.WithOperationKey(t.Context(), "second")
			ended := make(chan error, 1)
			go func() {
				_, err := reg.Continue(first, start, "first")
				ended <- err
			}()
			for d.Count("postRunMessage") == 0 {
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Second)
			shut(t, reg)
			require.ErrorIs(t, <-ended, outcome.ErrClosed)
			time.Sleep(10 * time.Minute)

			reg = open(t, d.Client(), j)
			time.Sleep(offset)
			_, _ = reg.Continue(second, start, "second")
			time.Sleep(5 * time.Minute)
			_, err = reg.Continue(second, start, "second")
			require.NoError(t, err)
			res, err := reg.Continue(first, start, "first")
			require.NoError(t, err)
			require.Equal(t, "about first", res.Output)
			shut(t, reg)
		})
	}
}
