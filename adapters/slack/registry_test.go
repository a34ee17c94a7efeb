package slack_test

import (
	"cmp"
	"context"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A fake registry has what a test puts into it.
type fakeRegistry struct {
	mu      sync.Mutex
	pending []hitl.Request
	decided []hitl.Decision
	err     error
	taking  bool // what is decided waits no more, though it fails
	status  duvo.Status
}

func (f *fakeRegistry) Pending() []hitl.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]hitl.Request{}, f.pending...)
}

func (f *fakeRegistry) Decide(_ context.Context, r hitl.Request, d hitl.Decision) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.decided = append(f.decided, d)
	}
	if f.taking {
		f.pending = nil
	}
	return f.err
}

func (f *fakeRegistry) Lookup(context.Context, string) (*outcome.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &outcome.Result{Outcome: outcome.OutcomePending, Status: cmp.Or(f.status, duvo.StatusWaiting)}, nil
}

func (f *fakeRegistry) set(r ...hitl.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = r
}
