// Package lifetime counts what runs on behalf of a registry.
package lifetime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/internal/errtext"
)

// A Lifetime counts what runs on behalf of a registry, so that Close can wait
// for all of it and nothing begins after it.
type Lifetime struct {
	mu        sync.Mutex
	closed    bool
	running   int
	callbacks map[string]int // user code that runs now, by name
	idle      chan struct{}  // closed once nothing runs any more
	told      bool           // idle is closed
}

// NewLifetime makes one that is open.
func NewLifetime() *Lifetime {
	return &Lifetime{callbacks: map[string]int{}, idle: make(chan struct{})}
}

// IsClosed reports whether Close was called.
func (l *Lifetime) IsClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// Enter begins something; false once closed.
func (l *Lifetime) Enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running++
	return true
}

// Again begins something that belongs to what runs already, also once closed.
func (l *Lifetime) Again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running++
}

// Leave ends what Enter or Again began.
func (l *Lifetime) Leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.check()
}

// check is called with mu held.
func (l *Lifetime) check() {
	if l.closed && l.running == 0 && !l.told {
		l.told = true
		close(l.idle)
	}
}

// Callback notes that user code begins; the returned function notes its end.
func (l *Lifetime) Callback(name string) (end func()) {
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
func (l *Lifetime) Begin(name string) (end func()) {
	l.Again()
	done := l.Callback(name)
	return func() {
		done()
		l.Leave()
	}
}

// Close lets nothing begin any more. It does not wait.
func (l *Lifetime) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.check()
}

// Wait waits until nothing runs any more, or else returns an error that names the
// callbacks which ignored their context.
func (l *Lifetime) Wait(ctx context.Context) error {
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

// name the callbacks that run, with how many of each.
func listCallbacks(m map[string]int) string {
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", n, m[n]))
	}
	return strings.Join(parts, ", ")
}
