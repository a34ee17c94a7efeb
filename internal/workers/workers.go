// Package workers runs functions in goroutines that are used again. A request goes
// deep into net/http and encoding/json, and growing the stack of a new goroutine for
// it, several times a Job, costs more than all bookkeeping about it.
package workers

import (
	"sync"
	"time"
)

const (
	maxIdle = 16                     // goroutines that wait for more to do
	idleFor = time.Second            // before they end
	restFor = 100 * time.Millisecond // before they end where nobody holds the Pool: one call often follows another
)

// A Pool runs functions, each at once in a goroutine of its own for as long as it
// runs. Goroutines wait for the next function for a moment, and somewhat longer while
// somebody holds the Pool. It may be used by several goroutines.
type Pool struct {
	next   chan func()   // to those that wait
	closed chan struct{} // none waits any more

	mu   sync.Mutex
	held int
	idle int
}

// New returns a Pool that nobody holds.
func New() *Pool { return &Pool{next: make(chan func()), closed: make(chan struct{})} }

// Hold lets goroutines wait for a second until as many have called Release.
func (p *Pool) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held++
}

// Release ends Hold.
func (p *Pool) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
}

// Close lets no goroutine wait any more.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isClosed() {
		close(p.closed)
	}
}

func (p *Pool) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// Go runs f, and does not wait for it. f may end its goroutine; its panic ends the
// process.
func (p *Pool) Go(f func()) {
	select {
	case p.next <- f:
	default:
		go p.work(f)
	}
}

func (p *Pool) work(f func()) {
	for f != nil {
		f()
		f = p.wait()
	}
}

// wait returns the next function; nil: there is none to wait for.
func (p *Pool) wait() (f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == maxIdle {
		return nil
	}
	p.idle++
	defer func() { p.idle-- }()
	t := time.NewTimer(restFor)
	defer t.Stop()
	for waited := restFor; ; waited += restFor {
		p.mu.Unlock()
		select {
		case f = <-p.next:
		case <-p.closed:
		case <-t.C:
		}
		p.mu.Lock()
		if f != nil || p.isClosed() || p.held == 0 || waited >= idleFor {
			return f
		}
		t.Reset(restFor)
	}
}
