package temporal

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// later has the activities that are answered later than they return: what waits for a
// Job to move or for a policy takes no slot and no goroutine of the worker. One
// goroutine sends the heartbeats of all.
type later struct {
	c       Client
	every   time.Duration // between two heartbeats; zero: none
	blocks  bool          // activities return with their answers, for Temporal's test environment
	stopped chan struct{}
	sending sync.WaitGroup // answers
	beating sync.WaitGroup

	mu   sync.Mutex
	all  map[*pending]struct{}
	done bool
}

// A pending is one such activity.
type pending struct {
	l      *later
	token  []byte
	cancel func() // ends what it waits for
	can    chan struct{}
	once   sync.Once
	answer chan answered // has room for one
}

type answered struct {
	reply reply
	err   error
}

func newLater(c Client, every time.Duration, blocks bool) *later {
	l := &later{c: c, every: every, blocks: blocks, stopped: make(chan struct{}), all: map[*pending]struct{}{}}
	if every > 0 && !blocks {
		l.beating.Go(l.beat)
	}
	return l
}

// begin takes in an activity; nil: the worker ends. cancel ends what it waits for; it is
// called at most once, after ready was.
func (l *later) begin(ctx context.Context, cancel func()) *pending {
	p := &pending{l: l, token: activity.GetInfo(ctx).TaskToken, cancel: cancel, can: make(chan struct{}), answer: make(chan answered, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return nil
	}
	l.all[p] = struct{}{}
	return p
}

// ready lets the activity be cancelled: what it waits for has begun.
func (p *pending) ready() { close(p.can) }

// abandon forgets the activity, whose function returns an error, in place of ready.
func (p *pending) abandon() {
	p.once.Do(p.drop)
	p.ready()
}

func (p *pending) drop() {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	delete(p.l.all, p)
}

// complete answers the activity. Only the first answer counts.
func (p *pending) complete(r reply, err error) {
	p.once.Do(func() {
		p.drop()
		if p.l.blocks {
			p.answer <- answered{r, err}
			return
		}
		p.l.sending.Go(func() { p.l.deliver(p.token, r, err) })
	})
}

// deliver tells the server an answer. If that fails for long the heartbeats have ended,
// and another worker begins anew.
func (l *later) deliver(token []byte, r reply, err error) {
	var result any = r
	if err != nil {
		result = nil
	}
	for pause := 100 * time.Millisecond; pause < 30*time.Second; pause *= 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		failed := l.c.CompleteActivity(ctx, token, result, err)
		cancel()
		var gone *serviceerror.NotFound
		if failed == nil || errors.As(failed, &gone) {
			return
		}
		select {
		case <-time.After(pause):
		case <-l.stopped:
			return
		}
	}
}

// wait is what the activity's function returns.
func (p *pending) wait(ctx context.Context) (reply, error) {
	if !p.l.blocks {
		return reply{}, activity.ErrResultPending
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case a := <-p.answer:
			return a.reply, a.err
		case <-tick.C:
			activity.RecordHeartbeat(ctx)
		case <-ctx.Done():
			p.end()
			return reply{}, temporal.NewCanceledError()
		}
	}
}

// end ends what the activity waits for, which the server does not wait for any more.
func (p *pending) end() { p.endThen(func() {}) }

// endThen is end, and then answers. What it waits for may be answered meanwhile, so ready
// is waited for outside of once.
func (p *pending) endThen(answer func()) {
	<-p.can
	p.once.Do(func() {
		p.drop()
		p.cancel()
		answer()
	})
}

// beat sends the heartbeats until stop.
func (l *later) beat() {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.stopped:
			return
		}
		l.mu.Lock()
		all := make([]*pending, 0, len(l.all))
		for p := range l.all {
			all = append(all, p)
		}
		l.mu.Unlock()
		limit := make(chan struct{}, 16)
		var sent sync.WaitGroup
		for _, p := range all {
			limit <- struct{}{}
			sent.Go(func() {
				defer func() { <-limit }()
				ctx, cancel := context.WithTimeout(context.Background(), l.every)
				defer cancel()
				var gone *serviceerror.NotFound
				var taken *temporal.CanceledError
				switch err := l.c.RecordActivityHeartbeat(ctx, p.token); {
				case errors.As(err, &gone):
					p.end()
				case errors.As(err, &taken):
					p.end()
					l.deliver(p.token, reply{}, temporal.NewCanceledError())
				}
			})
		}
		sent.Wait()
	}
}

// stop hands what is pending over: Temporal gives it to another worker. It waits for
// that until ctx ends.
func (l *later) stop(ctx context.Context) {
	l.mu.Lock()
	all := make([]*pending, 0, len(l.all))
	for p := range l.all {
		all = append(all, p)
	}
	first := !l.done
	l.done = true
	l.mu.Unlock()
	for _, p := range all {
		p.endThen(func() {
			if p.l.blocks {
				p.answer <- answered{err: errClosing()}
				return
			}
			l.sending.Go(func() { l.deliver(p.token, reply{}, errClosing()) })
		})
	}
	if !first {
		return
	}
	delivered := make(chan struct{})
	go func() {
		l.sending.Wait()
		close(delivered)
	}()
	select {
	case <-delivered:
	case <-ctx.Done():
	}
	close(l.stopped)
	<-delivered
	l.beating.Wait()
}
