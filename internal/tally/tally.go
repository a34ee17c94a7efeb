// Package tally says when to log what strangers can cause as often as they like: the
// first time, and then once in a while, with how often it was.
package tally

import (
	"sync"
	"time"
)

// Every is how often one reason is told of.
const Every = time.Minute

// A Tally counts what happened for a few reasons. The zero Tally is ready. Its methods
// may be called at once.
type Tally struct {
	mu     sync.Mutex
	counts map[string]*count
}

type count struct {
	n    int       // since it was told
	told time.Time // when
}

// Note counts; tell says that n are to be told of now. A reason must be words of the
// program's own: each is kept for as long as the Tally.
func (t *Tally) Note(why string) (n int, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]*count{}
	}
	c := t.counts[why]
	if c == nil {
		c = &count{}
		t.counts[why] = c
	}
	c.n++
	if now := time.Now(); c.told.IsZero() || now.Sub(c.told) >= Every {
		n, c.n, c.told = c.n, 0, now
		return n, true
	}
	return 0, false
}
