package engine

import (
	"sync"

	"github.com/duvotool/duvotool/internal/lifecycle"
)

// A mailbox hands events on, one at a time and in the order they came. It has no
// goroutine: whoever puts an event in takes events out, unless another does.
type mailbox struct {
	mu          sync.Mutex
	events      []lifecycle.Event
	dispatching bool
}

// put puts an event in. take is what takes events out, the same for all.
func (b *mailbox) put(e lifecycle.Event, take func(lifecycle.Event)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dispatching {
		b.events = append(b.events, e)
		return
	}
	b.dispatching = true
	for {
		b.mu.Unlock()
		take(e)
		b.mu.Lock()
		if len(b.events) == 0 {
			break
		}
		e, b.events = b.events[0], b.events[1:]
	}
	b.events, b.dispatching = nil, false
}

// waiting reports whether there are events that were not taken out.
func (b *mailbox) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events) > 0
}
