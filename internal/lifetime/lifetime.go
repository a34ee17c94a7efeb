// Package lifetime counts what runs on behalf of a registry.
package lifetime

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/internal/errtext"
)

// A Lifetime counts what runs on behalf of a registry, so that Close can wait
// for all of it and nothing begins after it.
type Lifetime struct {
	mu        sync.Mutex
	closed    bool
	over      bool
	running   int
	callbacks map[*callback]struct{} // user code that runs now
	routines  map[uint64]string      // the same by the goroutines that it runs in
	closing   chan struct{}          // closed when Close is called
	idle      chan struct{}          // closed once nothing runs any more
	told      bool                   // idle is closed
}

// A callback is a call of user code.
type callback struct {
	ctx  context.Context // that it was given
	name string
}

// NewLifetime makes one that is open.
func NewLifetime() *Lifetime {
	return &Lifetime{callbacks: map[*callback]struct{}{}, routines: map[uint64]string{}, closing: make(chan struct{}), idle: make(chan struct{})}
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

// Interrupt notes that what runs is being ended: nothing has time any more.
func (l *Lifetime) Interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

// Interrupted reports whether Interrupt was called.
func (l *Lifetime) Interrupted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

// EnterLate is Enter as long as anything runs, also once closed: for what those
// need who are still to end.
func (l *Lifetime) EnterLate() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told {
		return false
	}
	l.running++
	return true
}

// During is Enter for what is cut short when Close begins: the context that it
// returns ends then, and with ctx. end gives it back.
func (l *Lifetime) During(ctx context.Context) (_ context.Context, end func(), ok bool) {
	if !l.Enter() {
		return ctx, func() {}, false
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	l.Again()
	go func() {
		defer l.Leave()
		select {
		case <-l.closing:
			cancel()
		case <-over:
		}
	}()
	return ctx, func() {
		close(over)
		cancel()
		l.Leave()
	}, true
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

// Callback notes that user code, which was given ctx, begins in this goroutine; the
// returned function notes its end, there.
func (l *Lifetime) Callback(ctx context.Context, name string) (end func()) {
	out := l.In(name)
	c := &callback{ctx, name}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.callbacks[c] = struct{}{}
	return func() {
		out()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.callbacks, c)
	}
}

// In is Callback for user code that Wait does not wait for.
func (l *Lifetime) In(name string) (out func()) {
	in := routine()
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.routines[in]
	l.routines[in] = name
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.routines[in] = before; before == "" {
			delete(l.routines, in)
		}
	}
}

// Within names the user code that this goroutine runs on behalf of the lifetime;
// empty: none. Who waited for the end of the lifetime there would wait for itself.
func (l *Lifetime) Within() string {
	in := routine()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.routines[in]
}

// routine tells this goroutine from all others that run now, by the number in its
// stack's first line, "goroutine 7 [running]:"; it is a key and nothing else.
func routine() (n uint64) {
	var b [40]byte
	head := strings.TrimPrefix(string(b[:runtime.Stack(b[:], false)]), "goroutine ")
	head, _, _ = strings.Cut(head, " ")
	n, _ = strconv.ParseUint(head, 10, 64)
	return n
}

// Begin lets policies that ask others in goroutines of their own be waited for
// like any other callback; see package track.
func (l *Lifetime) Begin() (end func()) {
	l.Again()
	return l.Leave
}

// Close lets nothing begin any more. It does not wait.
func (l *Lifetime) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	close(l.closing)
	l.check()
}

// Wait waits until nothing runs any more, or else returns an error that names the
// callbacks which run: those that ignored that their context had ended, and others.
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
	return errtext.Errorf("duvotool: closing: %w%s", context.Cause(ctx), l.listCallbacks())
}

// listCallbacks names the callbacks that run, with how many of each.
func (l *Lifetime) listCallbacks() (s string) {
	ignoring, running := map[string]int{}, map[string]int{}
	l.mu.Lock()
	for c := range l.callbacks {
		if c.ctx.Err() != nil {
			ignoring[c.name]++
		} else {
			running[c.name]++
		}
	}
	l.mu.Unlock()
	if len(ignoring) > 0 {
		s += "; these callbacks ignored their context: " + listCounts(ignoring)
	}
	if len(running) > 0 {
		s += "; these callbacks still run: " + listCounts(running)
	}
	return s
}

func listCounts(m map[string]int) string {
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", n, m[n]))
	}
	return strings.Join(parts, ", ")
}
