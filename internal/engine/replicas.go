package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

const takenAtOnce = 500 // operations

// begin renews the lease for the first time, and lets the replica work until close.
func (p *replica) begin(ctx context.Context) error {
	if err := p.renew(ctx); err != nil {
		return err
	}
	ctx, p.end = context.WithCancel(context.Background())
	p.work.Go(func() { p.every(ctx, p.lasts/3, nil, p.renewed) })
	p.work.Go(func() { p.every(ctx, p.lasts, p.read, p.refresh) })
	p.work.Go(func() { p.every(ctx, 0, p.tell, p.tellAll) })
	p.work.Go(func() { p.listen(ctx) })
	p.work.Go(func() { p.every(ctx, p.lasts/3, p.sweeps.stand, p.sweeps.elect) })
	raise(p.take)
	p.work.Go(func() { p.every(ctx, p.lasts/3, p.take, p.takeOver) })
	return nil
}

// close ends the replica's work and its lease, and hands what it still owns to the
// others at once.
func (p *replica) close(ctx context.Context) error {
	p.end()
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.work.Wait()
	}()
	select {
	case <-over:
	case <-ctx.Done(): // a journal that ignores its context
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, p.eng.cfg.PostTimeout)
	defer cancel()
	p.sweeps.resign(ctx)
	p.tellAll(ctx)
	return p.eng.ledger.safely(ctx, func() error { return p.j.Release(ctx, p.name) })
}

// every calls f when the signal is raised, and else once in a while; zero: only then.
func (p *replica) every(ctx context.Context, pause time.Duration, signal chan struct{}, f func(context.Context)) {
	var tick <-chan time.Time
	if pause > 0 {
		t := time.NewTicker(pause)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-signal:
		case <-tick:
		}
		if ctx.Err() == nil {
			f(ctx)
		}
	}
}

// renew lets the lease last from now on.
func (p *replica) renew(ctx context.Context) error {
	asked := p.eng.clock()
	_, held := p.holds(asked)
	late := p.begun && !held // also where that was told before, and the answer was lost
	ctx, cancel := context.WithTimeout(ctx, p.lasts)
	defer cancel()
	var told journal.Renewal
	err := p.eng.ledger.safely(ctx, func() (err error) {
		told, err = p.j.Renew(ctx, p.name, p.lasts)
		return err
	})
	if err == nil && (told.Lapsed || late) {
		err = p.verify(ctx)
	}
	if err != nil {
		return err
	}
	if b, ok := p.eng.backend.(interface{ SharedBy(n int) }); ok {
		b.SharedBy(told.Replicas) // of one key, as a rule
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until, p.begun = asked.Add(p.lasts), true
	return nil
}

// renewed is renew for the loop.
func (p *replica) renewed(ctx context.Context) {
	if err := p.renew(ctx); err != nil && ctx.Err() == nil {
		p.trouble("renewing the lease", err)
	}
}

// verify lets go of what others have taken while the lease had run out.
func (p *replica) verify(ctx context.Context) error {
	owned := map[string]bool{}
	err := p.eng.ledger.safely(ctx, func() error {
		for l, err := range p.j.Owned(ctx, p.name) {
			if err != nil {
				return err
			}
			owned[l.Key] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.eng.log.Warn("duvotool: the lease had run out; what others have taken since is theirs")
	raise(p.sweeps.stand)
	p.eng.ops.each(func(op *operation) {
		if op.latest().Live.Lease > 0 && !owned[op.record] {
			op.tryPost(lifecycle.Lapsed{})
		}
	})
	return nil
}

// takeOver takes what nobody owns, and works on it.
func (p *replica) takeOver(ctx context.Context) {
	p.letGo(ctx)
	for ctx.Err() == nil && !p.eng.life.IsClosed() && !p.eng.cfg.NoResume {
		var taken []journal.Lease
		err := p.eng.ledger.safely(ctx, func() (err error) {
			taken, err = p.j.TakeOver(ctx, p.name, takenAtOnce)
			return err
		})
		if p.unsure(err) != nil {
			if ctx.Err() == nil {
				p.trouble("taking operations over", err)
			}
			return
		}
		for _, l := range taken {
			if err := p.resume(ctx, l.Key); err != nil && ctx.Err() == nil {
				p.trouble("taking an operation over", err)
			}
		}
		if len(taken) > 0 {
			p.eng.log.Info("duvotool: took over operations that nobody owned", "count", len(taken))
		}
		if len(taken) < takenAtOnce {
			return
		}
	}
}

// resume works on an operation.
func (p *replica) resume(ctx context.Context, key string) error {
	op := p.eng.ops.byRecordKey(key)
	if op == nil {
		rec, found, err := p.eng.ledger.get(ctx, key)
		if err != nil || !found {
			return p.unsure(err)
		}
		if op, err = p.eng.restore(rec); err != nil {
			return err
		}
		op, _ = p.eng.ops.insert(op)
	}
	op.resume(!slices.ContainsFunc(op.known().Requests, isOpen)) // what is asked stands in no list
	return nil
}

// own asks for the lease of an operation, and reads what is recorded of it.
func (op *operation) own(r *run, f lifecycle.Own) {
	failed := func(err error) lifecycle.Event {
		r.note(lifecycle.CauseJournal, err)
		op.logger(op.known().Job).Error("duvotool: asking the journal for an operation", "error", hitl.SafeLine(err.Error(), 500))
		return lifecycle.Owned{Name: f.Name, Failed: true}
	}
	op.do(func() lifecycle.Event {
		p := op.eng.replicas
		ctx, cancel := context.WithTimeout(context.Background(), op.eng.ledger.timeout)
		defer cancel()
		e := lifecycle.Owned{Name: f.Name}
		var lease journal.Lease
		err := op.eng.ledger.safely(ctx, func() (err error) {
			lease, err = p.j.Own(ctx, p.name, op.record)
			return err
		})
		switch {
		case err == nil:
			e.Term = lease.Term
		case !errors.Is(err, journal.ErrOwned):
			return failed(p.unsure(err))
		}
		rec, found, err := op.eng.ledger.get(ctx, op.record)
		if err == nil && found {
			e.Revision = rec.Revision
			e.Record, err = op.recordOf(rec)
		}
		if err != nil {
			return failed(p.unsure(err))
		}
		return e
	}, failed)
}

// disown gives the lease of an operation back, and tells the others.
func (op *operation) disown(s *lifecycle.State) {
	op.doApart(func() lifecycle.Event {
		p := op.eng.replicas
		ctx, cancel := context.WithTimeout(context.Background(), op.eng.ledger.timeout)
		defer cancel()
		err := op.eng.ledger.safely(ctx, func() error { return p.j.Release(ctx, p.name, op.record) })
		if p.unsure(err) != nil {
			p.trouble("giving an operation back", err)
		} else if s.Record.Result == nil {
			p.left(op.record)
		}
		return nil
	}, func(err error) lifecycle.Event { return nil })
}

// join shows what the replicas work on that share the journal, and begins to work with
// them.
func (eng *Engine) join(ctx context.Context) error {
	for rec, err := range eng.ledger.unfinished(ctx) {
		if err != nil {
			return errtext.Errorf("duvotool: reading the journal: %w", err)
		}
		op, err := eng.restore(rec)
		if err != nil {
			return err
		}
		if r := op.known(); r.Result == nil && r.Parked() {
			continue
		}
		if op, there := eng.ops.insert(op); !there && op.known().Result != nil {
			eng.ops.settled(op, false)
		}
	}
	if err := eng.replicas.begin(ctx); err != nil {
		return errtext.Errorf("duvotool: asking the journal for a lease: %w", err)
	}
	return nil
}

// letGo gives back what this replica owns, as the journal has it, and does not work on:
// as long as it lives nobody else would.
func (p *replica) letGo(ctx context.Context) {
	if !p.lost.Swap(false) {
		return
	}
	var idle []string
	err := p.eng.ledger.safely(ctx, func() error {
		for l, err := range p.j.Owned(ctx, p.name) {
			if err != nil {
				return err
			}
			if isLists(l.Key) {
				continue
			}
			if op := p.eng.ops.byRecordKey(l.Key); op == nil || op.latest().Live.Lease == 0 && !op.busy() {
				idle = append(idle, l.Key)
			}
		}
		return nil
	})
	if err == nil && len(idle) > 0 {
		err = p.eng.ledger.safely(ctx, func() error { return p.j.Release(ctx, p.name, idle...) })
	}
	if p.unsure(err) != nil {
		p.trouble("giving back what nobody here works on", err)
		return
	}
	for _, key := range idle {
		p.left(key)
	}
}
