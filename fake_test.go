package duvotool_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
)

// fake is a backend whose every answer a test decides.
type fake struct {
	mu       sync.Mutex
	job      func(n int) (duvo.Job, error) // the nth read
	respond  func(n int, r duvo.Response) error
	start    func(n int, s duvo.StartJob) (duvo.Job, error)
	messages []duvo.Message

	reads, starts, responds int
	sent                    []duvo.Response
}

const fakeID = "11111111-1111-4111-8111-111111111111"

func (f *fake) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		yield(duvo.Assignment{ID: fakeID, Name: "Refunds", LatestBuild: &duvo.Build{Description: "Refunds orders."}}, nil)
	}
}

func (f *fake) StartJob(_ context.Context, s duvo.StartJob) (duvo.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts++
	if f.start != nil {
		return f.start(f.starts, s)
	}
	return duvo.Job{ID: "job-1", AssignmentID: fakeID, Status: duvo.StatusPending}, nil
}

func (f *fake) Job(ctx context.Context, id string) (duvo.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return duvo.Job{}, err
	}
	f.reads++
	j, err := f.job(f.reads)
	if j.ID == "" {
		j.ID = id
	}
	return j, err
}

func (f *fake) Messages(context.Context, string) iter.Seq2[duvo.Message, error] {
	return func(yield func(duvo.Message, error) bool) {
		for _, m := range f.messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (f *fake) Respond(_ context.Context, r duvo.Response) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.responds++
	f.sent = append(f.sent, r)
	if f.respond != nil {
		return f.respond(f.responds, r)
	}
	return nil
}

func TestFakeLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{messages: []duvo.Message{{Role: "assistant", Text: "refunded"}, {Role: "tool"}}}
		f.job = func(int) (duvo.Job, error) {
			if f.responds == 0 {
				return duvo.Job{Status: duvo.StatusWaiting, Pending: &duvo.HumanRequest{ID: "r1", Type: duvo.Approval, Title: "Refund?"}}, nil
			}
			return duvo.Job{Status: duvo.StatusCompleted}, nil
		}
		reg, err := duvotool.Discover(t.Context(), f, duvotool.WithPolicy(duvotool.PolicyFunc(
			func(context.Context, duvotool.Request) (duvotool.Decision, error) {
				time.Sleep(24 * time.Hour)
				return duvotool.Approve("ops", "fine"), nil
			})), duvotool.WithJobTimeout(time.Minute))
		require.NoError(t, err)
		res, err := reg.All()[0].Run(t.Context(), "refund 4711")
		require.NoError(t, err)
		require.Equal(t, duvotool.OutcomeCompleted, res.Outcome)
		require.Equal(t, "refunded", res.Output)
		require.Len(t, res.Decisions, 1)
		require.Equal(t, duvotool.Accepted, res.Decisions[0].Delivery)
		require.Equal(t, 1, f.responds)
		require.True(t, *f.sent[0].Approved)
		require.Less(t, f.reads, 24*60)
		require.NoError(t, reg.Close(t.Context()))
	})
}

func TestFakeCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.job = func(int) (duvo.Job, error) { return duvo.Job{Status: duvo.StatusRunning}, nil }
		reg, err := duvotool.Discover(t.Context(), f)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = reg.All()[0].Run(ctx, "x")
		var je *duvotool.JobError
		require.ErrorAs(t, err, &je)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, "job-1", je.JobID)
		synctest.Wait()
		reads := f.reads
		time.Sleep(time.Hour)
		require.Equal(t, reads, f.reads)
		f.job = func(int) (duvo.Job, error) { return duvo.Job{Status: duvo.StatusCompleted}, nil }
		res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), je.Key), "x")
		require.NoError(t, err)
		require.True(t, res.Repeated)
		require.Equal(t, 1, f.starts)
		require.NoError(t, reg.Close(t.Context()))
	})
}
