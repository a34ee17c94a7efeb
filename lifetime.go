package duvotool

import (
	"context"
	"github.com/duvotool/duvotool/internal/errtext"
	"sync"
)

// A lifetime counts what runs on behalf of a registry, so that Close can wait
// for all of it and nothing begins after it.
type lifetime struct {
	mu        sync.Mutex
	closed    bool
	running   int
	callbacks map[string]int // user code that runs now, by name
	idle      chan struct{}  // closed once nothing runs any more
	told      bool           // idle is closed
}

func newLifetime() *lifetime {
	return &lifetime{callbacks: map[string]int{}, idle: make(chan struct{})}
}

func (l *lifetime) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// enter begins something; false once closed.
func (l *lifetime) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running++
	return true
}

// again begins something that belongs to what runs already, also once closed.
func (l *lifetime) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running++
}

func (l *lifetime) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.check()
}

// check is called with mu held.
func (l *lifetime) check() {
	if l.closed && l.running == 0 && !l.told {
		l.told = true
		close(l.idle)
	}
}

// callback notes that user code begins; the returned function notes its end.
func (l *lifetime) callback(name string) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callbacks[name]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.callbacks[name]--; l.callbacks[name] == 0 {
			delete(l.callbacks, name)
		}
	}
}

// Begin lets policies that ask others in goroutines of their own be waited for
// and named like any other callback; see package track.
func (l *lifetime) Begin(name string) (end func()) {
	l.again()
	done := l.callback(name)
	return func() {
		done()
		l.leave()
	}
}

func (l *lifetime) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.check()
}

func (l *lifetime) wait(ctx context.Context) error {
	select {
	case <-l.idle:
		return nil
	default:
	}
	select {
	case <-l.idle:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.callbacks) > 0 {
		return errtext.Errorf("duvotool: closing: %w; these callbacks ignored their context: %s", context.Cause(ctx), listCallbacks(l.callbacks))
	}
	return errtext.Errorf("duvotool: closing: %w", context.Cause(ctx))
}
