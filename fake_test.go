package duvotool_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// fake is a backend whose every answer a test decides.
type fake struct {
	mu       sync.Mutex
	job      func(n int) (duvo.Job, error) // the nth read
	respond  func(n int, r duvo.Response) error
	start    func(n int, s duvo.StartJob) (duvo.Job, error)
	messages []duvo.Message
	empty    bool // list no Assignments

	readDelay  time.Duration // between the server's look and our having its answer
	startDelay time.Duration
	sawStart   func(context.Context) // at the end of the delay

	reads, starts, responds int
	sent                    []duvo.Response
}

const fakeID = "11111111-1111-4111-8111-111111111111"

func (f *fake) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		if f.empty {
			return
		}
		yield(duvo.Assignment{ID: fakeID, Name: "Refunds", LatestBuild: &duvo.Build{Description: "Refunds orders."}}, nil)
	}
}

func (f *fake) StartJob(ctx context.Context, s duvo.StartJob) (duvo.Job, error) {
	if f.startDelay > 0 {
		select {
		case <-time.After(f.startDelay):
		case <-ctx.Done():
		}
		f.sawStart(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts++
	if f.start != nil {
		return f.start(f.starts, s)
	}
	return duvo.Job{ID: fmt.Sprint("job-", f.starts), AssignmentID: fakeID, Status: duvo.StatusPending}, nil
}

func (f *fake) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := f.look(ctx, id)
	time.Sleep(f.readDelay)
	return j, err
}

func (f *fake) look(ctx context.Context, id string) (duvo.Job, error) {
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

func running(int) (duvo.Job, error) { return duvo.Job{Status: duvo.StatusRunning}, nil }

func ended(s duvo.Status) func(int) (duvo.Job, error) {
	return func(int) (duvo.Job, error) { return duvo.Job{Status: s}, nil }
}

// asks waits for q until it is answered, and then completes.
func (f *fake) asks(q duvo.HumanRequest) {
	f.job = func(int) (duvo.Job, error) {
		if f.responds == 0 {
			return duvo.Job{Status: duvo.StatusWaiting, Pending: &q}, nil
		}
		return duvo.Job{Status: duvo.StatusCompleted}, nil
	}
	f.messages = []duvo.Message{{Role: "assistant", Text: "the end"}, {Role: "tool"}}
}

var (
	approval = duvo.HumanRequest{ID: "request-1", Type: duvo.Approval, Title: "Refund 120 EUR"}
	question = duvo.HumanRequest{ID: "request-1", Type: duvo.Question, Title: "Two things",
		Questions: []duvo.QuestionItem{{Question: "Which?", Options: []duvo.Choice{{Label: "a"}, {Label: "b"}}}}}
)
