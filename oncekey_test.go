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
	before, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(kept))
	require.NoError(t, err)
	_, err = before.All()[0].Run(ctx, "x")
	require.NoError(t, err)
	require.NoError(t, before.Close(context.Background()))

	now, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(kept), duvotool.OncePerScope())
	require.NoError(t, err)
	defer now.Close(context.Background())
	_, err = now.All()[0].Run(ctx, "y")
	require.ErrorIs(t, err, outcome.ErrKeyReused)
	res, err := now.All()[0].Run(ctx, "x")
	require.NoError(t, err)
	require.True(t, res.Repeated)
	require.Len(t, d.Jobs(), 1)
}
