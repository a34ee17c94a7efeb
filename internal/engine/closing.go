package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

func (c *closing) begin() {
	c.sending, c.noSend = context.WithCancelCause(context.Background())
	c.starting, c.noStart = context.WithCancelCause(context.Background())
}

// Drain begins the end: from this moment on nothing is started, whoever waits for
// that, and what was started has time to end. Where the lifetime is closed before,
// no operation is missed.
func (eng *Engine) Drain() {
	eng.queue.close()
	eng.closing.drains.Store(true)
	eng.closing.noStart(outcome.ErrClosed)
	eng.ops.each(func(op *operation) { op.closes(lifecycle.Closed{Draining: true}) })
}

// Interrupt ends all that is under way, for its callers too. From this moment on
// nothing is started or posted.
func (eng *Engine) Interrupt() {
	eng.Drain()
	eng.closing.over.Store(true)
	eng.life.Interrupt()
	eng.closing.noSend(outcome.ErrClosed)
	eng.ops.each(func(op *operation) {
		op.mu.Lock()
		r := op.run
		op.mu.Unlock()
		if r != nil {
			r.mu.Lock()
			r.leaveLocked(outcome.ErrClosed)
			r.mu.Unlock()
		}
		op.closes(lifecycle.Closed{})
	})
}

// closes tells an operation that the engine closes. One that nobody works on learns
// it with its next event.
func (op *operation) closes(e lifecycle.Closed) {
	if !op.busy() || !op.eng.life.EnterLate() {
		return
	}
	defer op.eng.life.Leave()
	op.post(e)
}

// closed returns what an operation must be told before its next event, if anything:
// it may have come into being while all others were told.
func (eng *Engine) closed(l *lifecycle.Live) (e lifecycle.Closed, tell bool) {
	over := eng.closing.over.Load()
	return lifecycle.Closed{Draining: !over}, over && !l.Closed || eng.closing.drains.Load() && !l.Draining
}

// Close waits until nothing of the lifetime runs any more and the observer has
// been told everything, or until ctx ends: then the error tells what is missing.
func (eng *Engine) Close(ctx context.Context) error {
	err := errors.Join(eng.life.Wait(ctx), eng.events.close(ctx))
	if eng.replicas != nil {
		err = errors.Join(err, eng.replicas.close(ctx))
	}
	eng.pool.Close()
	return err
}

// Within is the error of who waits, in a callback of this engine's, for what ends
// only after that callback; nil elsewhere. observer says that the observer's end is
// waited for too.
func (eng *Engine) Within(what string, observer bool) error {
	in := eng.life.Within()
	if in == "" || in == theObserver && !observer {
		return nil
	}
	return fmt.Errorf("duvotool: %s was called by %s, which it would wait for; call it from elsewhere", what, in)
}
