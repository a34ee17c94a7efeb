// Package workers runs functions in goroutines that are used again. A request goes
// deep into net/http and encoding/json, and growing the stack of a new goroutine for
// it, several times a Job, costs more than all bookkeeping about it.
package workers

import (
	"sync"
	"time"
)

const (
	maxIdle = 16          // goroutines that wait for more to do
	idleFor = time.Second // before they end
)

// A Pool runs functions, each at once in a goroutine of its own for as long as it
// runs. Goroutines wait for the next function only while somebody holds the Pool, and
// not for long. It may be used by several goroutines.
type Pool struct {
	next chan func() // to those that wait

	mu    sync.Mutex
	held  int
	idle  int
	ended chan struct{} // closed when nobody holds the Pool any more
}

// New returns a Pool that nobody holds.
func New() *Pool { return &Pool{next: make(chan func()), ended: make(chan struct{})} }

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
	if p.held--; p.held == 0 {
		close(p.ended)
		p.ended = make(chan struct{})
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
	if p.held == 0 || p.idle == maxIdle {
		p.mu.Unlock()
		return nil
	}
	p.idle++
	ended := p.ended
	p.mu.Unlock()
	t := time.NewTimer(idleFor)
	defer t.Stop()
	select {
	case f = <-p.next:
	case <-ended:
	case <-t.C:
	}
	p.mu.Lock()
	p.idle--
	p.mu.Unlock()
	return f
}
