package engine

import (
	"context"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/journal"
)

// A Load is what an engine has to do.
type Load struct {
	Calls, Queued, InFlight   int
	Unstarted                 int // of InFlight: those whose Job could not be started so far, or nobody knows whether it was
	Waiting, GivenUp, Unknown int
	Oldest                    Oldest
}

// Oldest is the request that waits for its decision for the longest time.
type Oldest struct {
	Since                 time.Time // zero: none waits
	JobID, RequestID, Key string
}

// Load counts what there is to do, by a look at each operation.
func (eng *Engine) Load() Load {
	l := Load{Queued: eng.queue.length()}
	eng.ops.each(func(op *operation) {
		op.mu.Lock()
		s, busy, calls := op.state, op.busyLocked(), len(op.calls)
		op.mu.Unlock()
		r := &s.Record
		l.Calls += calls
		switch {
		case busy:
			l.InFlight++
			if r.Job == "" && (s.Live.Fails > 0 || r.Start.Earlier) {
				l.Unstarted++
			}
		case r.Trouble != "":
			l.GivenUp++
		case r.Result != nil && r.Result.Outcome == lifecycle.Unknown:
			l.Unknown++
		}
		for i := range r.Requests {
			if p := &r.Requests[i]; busy && waitsForSomebody(p) {
				l.Waiting++
				if since := timeOf(p.FirstSeen); l.Oldest.Since.IsZero() || since.Before(l.Oldest.Since) {
					l.Oldest = Oldest{since, r.Job, p.ID, op.order.Key}
				}
			}
		}
	})
	return l
}

// waitsForSomebody reports whether a request has no decision yet, or one that leaves it
// to the reviewers in Duvo.
func waitsForSomebody(p *lifecycle.Request) bool {
	return !p.Gone && (p.Decision == nil || p.Decision.Verdict == lifecycle.LeftAlone)
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Watching tells how the watcher is.
func (eng *Engine) Watching() watch.Status { return eng.watcher.Status() }

// A Backlog is what the observer has not been told.
type Backlog struct {
	Events  int
	Bytes   int64
	Dropped int64     // events that were left out since the engine was made, or something of them
	Since   time.Time // since when it is told the present event; zero: it is told none
}

// Backlog tells how far the observer is behind.
func (eng *Engine) Backlog() Backlog {
	q := eng.events
	q.mu.Lock()
	defer q.mu.Unlock()
	return Backlog{len(q.waiting), q.bytes, q.dropped, q.telling}
}

// Journal tells what is known of the journal, and Audit of the audit log.
func (eng *Engine) Journal() Writes {
	if eng.ledger == nil {
		return Writes{}
	}
	w := eng.ledger.writes.get()
	w.There = true
	_, w.Probed = eng.ledger.journal.(journal.Prober)
	return w
}

// Audit tells what is known of the audit log.
func (eng *Engine) Audit() Writes {
	if eng.cfg.Audit == nil {
		return Writes{}
	}
	w := eng.auditing.writes.get()
	w.There = true
	_, w.Probed = eng.cfg.Audit.(audit.Prober)
	return w
}

// Probe asks journal and audit log whether they can be written, where they tell that
// without a record, and tells which of them have answered before ctx ended. Whoever
// probes meanwhile waits for the same answer.
func (eng *Engine) Probe(ctx context.Context) (journalAnswers, auditAnswers bool) {
	var asked [2]<-chan struct{}
	if l := eng.ledger; l != nil {
		if p, ok := l.journal.(journal.Prober); ok {
			asked[0] = eng.probes[0].begin(eng, func() {
				ctx, cancel := context.WithTimeout(context.Background(), l.timeout)
				defer cancel()
				l.writes.note(l.safely(ctx, func() error { return p.Ready(ctx) }))
			})
		}
	}
	if p, ok := eng.cfg.Audit.(audit.Prober); ok {
		asked[1] = eng.probes[1].begin(eng, func() { _ = eng.callAudit(context.Background(), p.Ready) })
	}
	var answers [2]bool
	for i, done := range asked {
		if done == nil {
			answers[i] = true
			continue
		}
		select {
		case <-done:
			answers[i] = true
		case <-ctx.Done():
			select {
			case <-done:
				answers[i] = true
			default:
			}
		}
	}
	return answers[0], answers[1]
}

// A Lease is the engine's place among those that share a journal with leases.
type Lease struct {
	There bool      // the journal has leases
	Held  bool      // it lasts now: else nothing is sent, and others take over what is owned here
	Until time.Time // when it runs out, or did; zero: it was never had
}

// Lease tells how the engine's lease stands.
func (eng *Engine) Lease() Lease {
	p := eng.replicas
	if p == nil {
		return Lease{}
	}
	until, held := p.holds(eng.clock())
	return Lease{true, held, timeOf(until.Wall)}
}

// begin begins to look, or joins whoever does. A closed engine asks nobody: nil.
func (p *probe) begin(eng *Engine, look func()) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		return p.done
	}
	if !eng.life.Enter() {
		return nil
	}
	done := make(chan struct{})
	p.done = done
	go func() {
		defer eng.life.Leave()
		look()
		p.mu.Lock()
		p.done = nil
		p.mu.Unlock()
		close(done)
	}()
	return done
}
