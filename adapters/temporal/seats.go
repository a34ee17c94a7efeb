package temporal

import (
	"context"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"go.temporal.io/sdk/activity"
)

// seats are the Jobs that this worker watches, by the IDs of their workflows. All are
// read by the engine's one watcher, in its share of the key's limit. A workflow is told
// only what it does not know: its history grows with what happens, not with time.
type seats struct {
	h       *host
	mu      sync.Mutex
	of      map[string]*watched
	stopped bool
}

// A watched is a Job that is read. It is, for a while, also when no activity waits for
// news: the workflow is taking some in, and comes back.
type watched struct {
	seat *engine.Seat

	mu      sync.Mutex
	s       *lifecycle.State // as the workflow knows it
	waiting *pending         // nil: nobody waits for news
	since   time.Duration    // a read is wished for that begins then or later; zero: none is
	epoch   lifecycle.Time
	clock   func() time.Time // the server's
	from    time.Duration    // when the activity came, by the engine's clock
	noted   *lifecycle.Read  // the latest that nobody waited for
	failed  lifecycle.Class  // that was told last; empty: the last read did not fail
	told    time.Time        // when something was last
	linger  *time.Timer
}

const (
	lingers = 2 * time.Minute // how long a Job is read that nobody asks about
	tellAll = time.Hour       // after which a read is told that shows nothing new
)

// lend lets what is sent to a Job move the reads of it.
func (t *seats) lend(id string, seat *engine.Seat) {
	t.mu.Lock()
	w := t.of[id]
	t.mu.Unlock()
	if w != nil {
		seat.WatchFrom(w.seat)
	}
}

// watch is the activity that waits for news of a Job.
func (h *host) watch(ctx context.Context, ord order) (reply, error) {
	s, leave, err := h.enter(ord)
	if err != nil {
		return reply{}, err
	}
	defer leave()
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	w, err := h.seats.find(ctx, id, s)
	if err != nil {
		return reply{}, err
	}
	var p *pending
	p = h.later.begin(ctx, func() { w.gone(p, func() { h.seats.drop(id, w) }) })
	if p == nil {
		return reply{}, errClosing()
	}
	if w.await(p, s, ord, h.clockOf(ctx), h.eng.Clock().Mono) && !h.seats.keep(id, w, s.Record.Job, ord.Since > 0) {
		p.complete(reply{}, nil)
	}
	p.ready()
	return p.wait(ctx)
}

// find returns the watched Job of a workflow.
func (t *seats) find(ctx context.Context, id string, s *lifecycle.State) (*watched, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.of[id]; w != nil {
		return w, nil
	}
	w := &watched{}
	seat, err := t.h.eng.Seat(context.WithoutCancel(ctx), s, engine.Hosting{Post: func(e lifecycle.Event) {
		if r, ok := e.(lifecycle.Read); ok {
			w.sighted(t.h, r, func() { t.drop(id, w) })
		}
	}})
	if err != nil {
		return nil, err
	}
	w.seat = seat
	t.of[id] = w
	return w, nil
}

// keep lets a watched Job be read, as is wished for now or by and by. It may have been
// dropped since it was found. false: a later activity of the workflow has another, or no
// Job is read any more.
func (t *seats) keep(id string, w *watched, job string, now bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other := t.of[id]; t.stopped || other != nil && other != w {
		return false
	}
	t.of[id] = w
	if !w.seat.Watching(now) {
		w.seat.Carry(lifecycle.Watch{Job: job})
		w.seat.Watching(now)
	}
	return true
}

// drop ends the reads of a Job that nobody asks about.
func (t *seats) drop(id string, w *watched) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.mu.Lock()
	idle := w.waiting == nil
	w.mu.Unlock()
	if idle && t.of[id] == w {
		delete(t.of, id)
		w.seat.Carry(lifecycle.Unwatch{})
	}
}

// stop ends all reads. None begins any more.
func (t *seats) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	for _, w := range t.of {
		w.mu.Lock()
		if w.linger != nil {
			w.linger.Stop()
		}
		w.mu.Unlock()
		w.seat.Carry(lifecycle.Unwatch{})
	}
	clear(t.of)
}

// await lets an activity wait for news, in place of an earlier one. It returns false if
// there was some already, so that the Job need not be read for it.
func (w *watched) await(p *pending, s *lifecycle.State, ord order, clock func() time.Time, from time.Duration) bool {
	since := time.Duration(ord.Since)
	w.mu.Lock()
	before := w.waiting
	w.waiting, w.s, w.since, w.epoch, w.clock, w.from = p, s, since, ord.Epoch, clock, from
	if w.linger != nil {
		w.linger.Stop()
		w.linger = nil
	}
	noted := w.noted
	w.noted = nil
	w.mu.Unlock()
	if before != nil {
		before.complete(reply{}, nil) // the workflow does not wait for it any more
	}
	w.seat.Update(s)
	return noted == nil || !w.tells(nil, *noted, nil)
}

// gone notes that an activity does not wait any more.
func (w *watched) gone(p *pending, drop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == p {
		w.waiting = nil
		w.lingerLocked(drop)
	}
}

func (w *watched) lingerLocked(drop func()) {
	if w.linger != nil {
		w.linger.Stop()
	}
	w.linger = time.AfterFunc(lingers, drop)
}

// sighted takes in a read, told by the engine's clock.
func (w *watched) sighted(h *host, e lifecycle.Read, drop func()) {
	now := h.eng.Clock()
	w.mu.Lock()
	server, since := momentAt(w.clock(), w.epoch), time.Duration(0)
	if e.Began.Mono >= w.from {
		since = w.since // it began after the workflow had wished for it, whatever the clocks say
	}
	w.mu.Unlock()
	age := max(now.Mono-e.Began.Mono, time.Duration(now.Wall-e.Began.Wall))
	e.Began = server.Add(-age)
	e.Began = e.Began.Add(max(since-e.Began.Mono, 0))
	w.tells(h, e, drop)
}

// tells tells the workflow of a read, where it is news. It returns false where it is not,
// or nobody waits.
func (w *watched) tells(h *host, e lifecycle.Read, drop func()) bool {
	w.mu.Lock()
	p := w.waiting
	if p == nil {
		w.noted = &e
		w.mu.Unlock()
		return false
	}
	if !w.isNewLocked(&e) {
		w.mu.Unlock()
		return false
	}
	w.waiting, w.failed, w.told = nil, e.Failed, time.Now()
	if drop != nil {
		w.lingerLocked(drop)
	}
	seat := w.seat
	w.mu.Unlock()
	if h == nil {
		p.complete(reply{Event: event{e}}, nil)
		return true
	}
	p.complete(h.reply(e, seat), nil)
	return true
}

// isNewLocked reports whether a read tells what the workflow does not know. Called with
// mu held.
func (w *watched) isNewLocked(e *lifecycle.Read) bool {
	last, rec := w.s.Live.Read, &w.s.Record
	switch {
	case last != nil && e.Began.Mono < last.Began.Mono:
		return false
	case w.since > 0 && e.Failed == "":
		return e.Began.Mono >= w.since
	case e.Failed == lifecycle.Down, e.Failed == lifecycle.NotAllowed:
		return e.Failed != w.failed
	case e.Failed != "" || w.failed != "" || last == nil || time.Since(w.told) > tellAll:
		return true
	case e.Status != last.Status, e.End != last.End, e.Human != last.Human, e.Ours && !rec.Ours, e.Build != "" && e.Build != rec.Build:
		return true
	}
	return !sameTicket(e.Pending, last.Pending)
}

func sameTicket(a, b *lifecycle.Ticket) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.Digest == b.Digest && a.Kind == b.Kind && a.Build == b.Build
}
