package duvotool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

func TestOneKeyOneJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.asks(approval)
		reg := discover(t, f, duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			time.Sleep(time.Hour)
			return hitl.Approve("ops", ""), nil
		})))
		ctx := duvotool.WithOperationKey(t.Context(), "call-7")
		var wg sync.WaitGroup
		results := make([]*outcome.Result, 50)
		for i := range results {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Minute)
				res, err := reg.All()[0].Run(ctx, "refund")
				if err == nil {
					results[i] = res
				}
			})
		}
		wg.Wait()
		repeated := 0
		for _, r := range results {
			require.NotNil(t, r)
			require.Equal(t, "the end", r.Output)
			require.Len(t, r.Decisions, 1)
			if r.Repeated {
				repeated++
			}
			r.Decisions[0].By, r.Messages[0].Text = "changed", "changed" // each has its own
		}
		require.Equal(t, 49, repeated)
		require.Equal(t, 1, f.starts)
		require.Equal(t, 1, f.responds)

		_, err := reg.All()[0].Run(ctx, "another input")
		require.ErrorIs(t, err, outcome.ErrKeyReused)
		other := duvotool.WithCaller(ctx, hitl.Caller{Tenant: "other"})
		_, err = reg.All()[0].Run(other, "another input")
		require.NoError(t, err, "tenants do not share keys")
		require.Equal(t, 2, f.starts)
		for _, bad := range []string{"", string(make([]byte, 2000))} {
			_, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), bad), "x")
			require.ErrorIs(t, err, duvo.ErrInvalid)
			_, err = reg.All()[0].Run(duvotool.WithOperationScope(t.Context(), bad), "x")
			require.ErrorIs(t, err, duvo.ErrInvalid)
		}
		require.Equal(t, 2, f.starts)
	})
}

func TestScopeBindsRepetitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted)}
		reg := discover(t, f)
		tool := reg.All()[0]
		a := duvotool.WithOperationScope(t.Context(), "conversation-a")
		b := duvotool.WithOperationScope(t.Context(), "conversation-b")
		first, err := tool.Call(a, "refund 1")
		require.NoError(t, err)
		again, err := tool.Call(a, "refund 1")
		require.NoError(t, err)
		require.NotContains(t, first, "repeats")
		require.Contains(t, again, "This call repeats an earlier one")
		_, err = tool.Call(a, "refund 2")
		require.NoError(t, err)
		_, err = tool.Call(b, "refund 1")
		require.NoError(t, err)
		require.Equal(t, 3, f.starts)
		_, err = tool.Call(t.Context(), "refund 1")
		require.NoError(t, err)
		_, err = tool.Call(t.Context(), "refund 1")
		require.NoError(t, err)
		require.Equal(t, 5, f.starts, "without key and scope every call is an operation of its own")
	})
}

func TestOncePerScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted)}
		reg := discover(t, f, duvotool.Configure(duvotool.ByID(fakeID), duvotool.OncePerScope()))
		tool := reg.All()[0]
		_, err := tool.Call(t.Context(), "refund 1")
		require.ErrorIs(t, err, outcome.ErrNoScope)
		require.Zero(t, f.starts)
		ctx := duvotool.WithOperationScope(t.Context(), "s")
		_, err = tool.Call(ctx, "refund 1")
		require.NoError(t, err)
		reworded, err := tool.Call(ctx, "please refund order 1")
		require.NoError(t, err)
		require.Contains(t, reworded, "was not used")
		require.Contains(t, reworded, "started with: refund 1")
		require.Equal(t, 1, f.starts)
	})
}

func TestFinishedKeysAreForgottenAfterRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted)}
		reg := discover(t, f, duvotool.WithRetention(time.Hour))
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		for _, pause := range []time.Duration{0, 30 * time.Minute, time.Hour} {
			time.Sleep(pause)
			_, err := reg.All()[0].Run(ctx, "x")
			require.NoError(t, err)
		}
		require.Equal(t, 2, f.starts)
	})
}

func TestLostStartIsSentAgainUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []duvo.StartJob
		f := &fake{job: ended(duvo.StatusCompleted)}
		f.start = func(n int, s duvo.StartJob) (duvo.Job, error) {
			sent = append(sent, s)
			if n < 4 {
				return duvo.Job{}, &duvo.APIError{Status: 502}
			}
			return duvo.Job{ID: "job-1"}, nil
		}
		reg := discover(t, f)
		began := time.Now()
		_, err := reg.All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		require.Len(t, sent, 4)
		for _, s := range sent {
			require.Equal(t, sent[0], s)
			require.NotEmpty(t, s.IdempotencyKey)
		}
		require.GreaterOrEqual(t, time.Since(began), 6*time.Second, "a late effect is given time")
	})
}

func TestUnknownStartSticksToKeyAndScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted)}
		f.start = func(n int, s duvo.StartJob) (duvo.Job, error) {
			if n == 1 {
				return duvo.Job{}, errors.New("connection reset")
			}
			return duvo.Job{}, &duvo.APIError{Status: 401}
		}
		reg := discover(t, f)
		tool := reg.All()[0]
		ctx := duvotool.WithOperationScope(t.Context(), "s")
		res, err := tool.Run(ctx, "refund 1")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		require.Contains(t, res.Observation(), "Do not start it again")
		f.start = nil
		for _, input := range []string{"refund 1", "refund order 1, please"} {
			res, err = tool.Run(ctx, input)
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		}
		require.Equal(t, 2, f.starts)
		_, err = tool.Run(duvotool.WithOperationScope(t.Context(), "another"), "refund 1")
		require.NoError(t, err)
		require.Equal(t, 3, f.starts)
	})
}

func TestCancelledWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted)}
		var startCtx error
		f.startDelay = 10 * time.Second
		f.sawStart = func(ctx context.Context) { startCtx = ctx.Err() }
		reg := discover(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := reg.All()[0].Run(ctx, "x")
		var je *outcome.JobError
		require.ErrorAs(t, err, &je)
		require.Equal(t, outcome.PhaseStarting, je.Phase)
		require.Empty(t, je.JobID)
		require.Equal(t, time.Second, time.Since(began), "the caller does not wait for the request")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, startCtx, "a request that has begun is not cut short")
		require.Zero(t, f.reads, "nobody waits, so nobody reads")
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), je.Key), "x")
		require.NoError(t, err)
		require.Equal(t, "job-1", res.JobID)
		require.Equal(t, 1, f.starts)
	})
}

// A caller that leaves takes nothing from the others; the last one parks the
// Job; nothing is sent after that.
func TestOnlyTheLastCallerParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.asks(approval)
		var cause error
		reg := discover(t, f, duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return hitl.Approve("ops", "too late"), nil
		})))
		key := duvotool.WithOperationKey(t.Context(), "k")
		var wg sync.WaitGroup
		for _, d := range []time.Duration{time.Minute, time.Hour} {
			wg.Go(func() {
				ctx, cancel := context.WithTimeoutCause(key, d, errors.New("caller's own cause"))
				defer cancel()
				began := time.Now()
				_, err := reg.All()[0].Run(ctx, "x")
				if err == nil || time.Since(began) != d {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		require.EqualError(t, cause, "caller's own cause")
		reads := f.reads
		time.Sleep(time.Hour)
		require.Equal(t, reads, f.reads)
		require.Zero(t, f.responds)
	})
}

// A Job that is under way is taken up also when its Assignment is gone.
func TestTakenUpAfterItsAssignmentIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: running}
		reg := discover(t, f)
		tool := reg.All()[0]
		key := duvotool.WithOperationKey(t.Context(), "k")
		ctx, cancel := context.WithTimeout(key, time.Minute)
		defer cancel()
		_, err := tool.Run(ctx, "x")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		f.empty = true
		_, err = reg.Refresh(t.Context())
		require.NoError(t, err)
		f.job = ended(duvo.StatusCompleted)
		res, err := tool.Run(key, "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		var bad *outcome.InputError
		_, err = tool.Run(t.Context(), "x")
		require.ErrorAs(t, err, &bad)
		require.True(t, bad.Gone)
		require.Equal(t, 1, f.starts)
	})
}

func TestBackendPanicIsThatJobsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: func(int) (duvo.Job, error) { panic("backend\x1b") }}
		reg := discover(t, f)
		_, err := reg.All()[0].Run(t.Context(), "x")
		require.ErrorContains(t, err, "backend<U+001B>")
		f.start = func(int, duvo.StartJob) (duvo.Job, error) { panic("start") }
		_, err = reg.All()[0].Run(t.Context(), "x")
		require.ErrorContains(t, err, "start")
	})
}

func TestCloseReleasesCallersAndNamesTheDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.asks(approval)
		release := make(chan struct{})
		reg, err := duvotool.Discover(t.Context(), f, duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			<-release
			return hitl.Approve("ops", ""), nil
		})))
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := reg.All()[0].Run(t.Context(), "x")
			var je *outcome.JobError
			if !errors.As(err, &je) || !errors.Is(err, outcome.ErrClosed) || je.JobID != "job-1" || je.Key == "" {
				t.Errorf("got %v", err)
			}
		})
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = reg.Close(ctx)
		require.ErrorContains(t, err, "policy hitl.PolicyFunc (1)")
		wg.Wait()
		close(release)
		require.NoError(t, reg.Close(t.Context()))
		_, err = reg.All()[0].Run(t.Context(), "x")
		require.ErrorIs(t, err, outcome.ErrClosed)
		require.Zero(t, f.responds)
	})
}

// TestTenantsNeverMeet, whatever characters their names and keys are made of.
func TestTenantsNeverMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted)}
		reg := discover(t, f)
		for _, c := range [][2]string{{"a", "b\x00c"}, {"a\x00b", "c"}, {"", "a\x00b\x00c"}} {
			ctx := duvotool.WithCaller(duvotool.WithOperationKey(t.Context(), c[1]), hitl.Caller{Tenant: c[0]})
			res, err := reg.All()[0].Run(ctx, "x")
			require.NoError(t, err)
			require.False(t, res.Repeated)
		}
		require.Equal(t, 3, f.starts)
	})
}
