package journal

import (
	"context"
	"slices"
)

// maxQueued is how many texts wait for a listener that is slow; more are lost.
const maxQueued = 1000

// A listener is a call of Listen. The journal's lock guards it.
type listener struct {
	queue []string      // an empty text stands for those that were lost
	more  chan struct{} // of one: the queue is not empty
}

func (l *listener) add(text string) {
	switch {
	case len(l.queue) < maxQueued:
		l.queue = append(l.queue, text)
	case l.queue[len(l.queue)-1] != "":
		l.queue = append(l.queue, "")
	}
	select {
	case l.more <- struct{}{}:
	default:
	}
}

func (m *memory) Tell(ctx context.Context, text string) error {
	unlock, err := m.begin(ctx, CheckTold(text))
	if err != nil {
		return err
	}
	defer unlock()
	for l := range m.listening {
		l.add(text)
	}
	return nil
}

func (m *memory) Listen(ctx context.Context, f func(text string)) error {
	l := &listener{more: make(chan struct{}, 1)}
	unlock, err := m.begin(ctx)
	if err != nil {
		return err
	}
	m.listening[l] = true
	unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.listening, l)
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.more:
		}
		m.mu.Lock()
		texts := slices.Clone(l.queue)
		l.queue = l.queue[:0]
		m.mu.Unlock()
		for _, text := range texts {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			f(text)
		}
	}
}
