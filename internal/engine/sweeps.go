package engine

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/journal"
)

const (
	sweepRecord = "sweep-"    // no record has such a key
	hintBytes   = 5000        // in one text
	askAgainIn  = time.Second // after hints were missed
)

// Want implements watch.Others.
func (s *sweeps) Want(want bool) {
	s.mu.Lock()
	s.want = want
	s.mu.Unlock()
	raise(s.stand)
}

// Tell implements watch.Others.
func (s *sweeps) Tell(h watch.Hints) {
	s.p.note(func(n *broadcast) {
		if n.Hints == nil {
			n.Hints = &watch.Hints{}
		}
		n.Hints.Add(h)
	})
}

// key is what the replica owns that reads the lists.
func (s *sweeps) key() string {
	return s.p.eng.ledger.names(sweepRecord, s.p.eng.credential())[0]
}

// elect asks for the lists, or gives them back.
func (s *sweeps) elect(ctx context.Context) {
	p, key := s.p, s.key()
	s.mu.Lock()
	want, owned := s.want, s.owned
	s.mu.Unlock()
	if owned != "" && (!want || owned != key) {
		s.resign(ctx)
	}
	if !want {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, p.lasts)
	defer cancel()
	err := p.eng.ledger.safely(ctx, func() error {
		_, err := p.j.Own(ctx, p.name, key)
		return err
	})
	now := p.eng.clock()
	until, holds := p.holds(now)
	switch {
	case err == nil && holds:
		s.own(key)
		p.eng.watcher.Elect(until.Mono - now.Mono)
	case err == nil, errors.Is(err, journal.ErrOwned), errors.Is(err, journal.ErrLapsed):
		s.own("")
		p.eng.watcher.Elect(0)
	case ctx.Err() == nil: // it goes on as long as its lease is known to last
		p.trouble("asking the journal for the lists of Jobs", err)
	}
}

func (s *sweeps) own(key string) {
	s.mu.Lock()
	s.owned = key
	s.mu.Unlock()
}

// resign gives the lists back, so that another replica may read them at once.
func (s *sweeps) resign(ctx context.Context) {
	s.mu.Lock()
	key := s.owned
	s.owned = ""
	s.mu.Unlock()
	if key == "" {
		return
	}
	p := s.p
	p.eng.watcher.Elect(0)
	ctx, cancel := context.WithTimeout(ctx, p.lasts)
	defer cancel()
	if err := p.eng.ledger.safely(ctx, func() error { return p.j.Release(ctx, p.name, key) }); err != nil {
		p.trouble("giving the lists of Jobs back", err)
		return
	}
	p.left(key)
}

// receive takes in what the replica tells that reads the lists. Where something is
// missing, it asks for all; meanwhile, what was told before counts until it runs out.
func (s *sweeps) receive(n broadcast) {
	h := &s.received
	switch {
	case n.Lists != s.key():
		return
	case n.Hints.Whole:
		h.from, h.whole = n.From, true
	case !h.whole || h.from != n.From || n.Number != h.last+1:
		s.missed()
		return
	}
	h.last = n.Number
	if s.p.eng.life.EnterLate() {
		defer s.p.eng.life.Leave()
		s.p.eng.watcher.TakeHints(*n.Hints)
	}
}

// missed asks whoever reads the lists to tell everything again.
func (s *sweeps) missed() {
	s.received.whole = false
	if now := time.Now(); now.Sub(s.asked) >= askAgainIn {
		s.asked = now
		s.p.note(func(n *broadcast) { n.Again = true })
	}
}

// number names the texts with hints, so that it is seen when one is missing.
func (s *sweeps) number(n *broadcast) {
	s.sent++
	n.Lists, n.Number = s.key(), s.sent
}

// regard lets sweeps look after the Job of an operation that another replica works on.
func (p *replica) regard(op *operation, before, after *lifecycle.State) {
	if p == nil {
		return
	}
	switch r := &after.Record; {
	case op.foreign(after):
		op.eng.watcher.Foreign(duvo.Job{ID: r.Job, Status: duvo.Status(r.Status), CreatedAt: timeOf(r.Created), UpdatedAt: timeOf(r.Message().Before)})
	case before != nil && op.foreign(before):
		op.eng.watcher.NotForeign(before.Record.Job)
	}
}

// disregard is the opposite of regard, for an operation that is forgotten.
func (p *replica) disregard(op *operation) {
	if s := op.latest(); p != nil && op.foreign(s) {
		op.eng.watcher.NotForeign(s.Record.Job)
	}
}

// foreign reports whether another replica reads the operation's Job, as far as is
// known, and the lists show it to this one's credential.
func (op *operation) foreign(s *lifecycle.State) bool {
	r, l := &s.Record, &s.Live
	return r.Stage == lifecycle.Watching && r.Result == nil && !r.Parked() && l.Lease == 0 && !l.Watching &&
		!op.work.Settings.LiveMessages && r.Credential == op.eng.credential() && journal.Record{Key: r.Job}.CheckKey() == nil
}

// isLists reports whether a key is that of whoever reads lists.
func isLists(key string) bool { return strings.HasPrefix(key, sweepRecord) }
