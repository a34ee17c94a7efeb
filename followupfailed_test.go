package duvotool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A message whose answer was lost, and that had no effect, cannot be posted to a Job that
// another message has made fail meanwhile. Who said it is told so, and not a quarter of
// an hour later that nobody knows. Where it had an effect, it is found.
func TestAMessageInDoubtAfterItsJobHasFailed(t *testing.T) {
	talks := duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) { j.Complete("ok") }, Resume: func(j *duvotest.Job, message string) {
		j.Sleep(time.Second)
		if message == "first" {
			j.Complete("done")
		}
		j.Fail("no more")
	}}
	for kind, heard := range map[duvotest.FaultKind]bool{duvotest.ResetBefore: false, duvotest.ResetAfter: true} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(talks))
			defer d.Close()
			reg := open(t, d.Client(), journal.NewMemory())
			start, err := reg.All()[0].Run(t.Context(), "a")
			require.NoError(t, err)
			d.Inject(duvotest.Fault{Op: "postRunMessage", Kind: kind})
			ctx := duvotool.WithOperationKey(t.Context(), "first")
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			_, err = reg.Continue(short, start, "first")
			require.Error(t, err)
			time.Sleep(5 * time.Minute)
			second, err := reg.Continue(t.Context(), start, "second")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeFailed, second.Outcome)
			began := time.Now()
			res, err := reg.Continue(ctx, start, "first")
			require.Less(t, time.Since(began), time.Minute)
			if heard {
				require.NoError(t, err)
				require.NotEqual(t, outcome.OutcomeUnknown, res.Outcome)
			} else {
				require.ErrorContains(t, err, "is failed, so nothing was said to it")
			}
			require.Equal(t, 2, d.Count("postRunMessage"))
			shut(t, reg)
		})
	}
}
