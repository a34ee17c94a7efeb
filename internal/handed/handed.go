// Package handed carries the handles of Jobs from the registry to an adapter that
// has to know them, beside the text that the model reads: that text quotes the
// Job, and what a Job says must never pass for a handle.
package handed

import (
	"context"
	"sync"
)

type key struct{}

// A Slip collects the handles that the calls with its context give out. It is safe
// for concurrent use.
type Slip struct {
	mu      sync.Mutex
	handles []string // of Jobs that have not ended, in the order of the calls
	calls   int
}

// maxHandles bounds what one slip holds: a tool call is about one Job, and a tool
// that joins some is about a few.
const maxHandles = 64

// With returns a context for a call, and the slip that it fills in.
func With(ctx context.Context) (context.Context, *Slip) {
	s := &Slip{}
	return context.WithValue(ctx, key{}, s), s
}

// Note tells what a call came to: the handle of a Job that has not ended, or an
// empty one.
func Note(ctx context.Context, handle string) {
	s, _ := ctx.Value(key{}).(*Slip)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if handle != "" && len(s.handles) < maxHandles {
		s.handles = append(s.handles, handle)
	}
}

// Handles returns the handles.
func (s *Slip) Handles() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.handles...)
}

// Only returns the handle of the one call that there was, if its Job has not
// ended; else it is empty.
func (s *Slip) Only() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != 1 || len(s.handles) != 1 {
		return ""
	}
	return s.handles[0]
}
