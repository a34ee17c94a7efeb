package engine

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

const (
	broadcastMax = 80 // records in one text, each of some 40 bytes
	listenIn     = time.Second
)

// tellAll tells the others what was noted, also while the replica closes: they are to go
// on with what it leaves.
func (p *replica) tellAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.eng.ledger.timeout)
	defer cancel()
	p.mu.Lock()
	all := p.unsent
	p.unsent = broadcast{}
	p.mu.Unlock()
	parts := all.parts()
	for i := range parts {
		if parts[i].From = p.name; parts[i].Hints != nil {
			p.sweeps.number(&parts[i])
		}
	}
	for _, n := range parts {
		text, err := json.Marshal(n)
		if err == nil {
			err = p.eng.ledger.safely(ctx, func() error { return p.j.Tell(ctx, string(text)) })
		}
		if err != nil {
			p.eng.log.Debug("duvotool: telling other replicas", "error", err.Error())
			return
		}
	}
}

// parts cuts a broadcast into texts that are short enough.
func (n broadcast) parts() (out []broadcast) {
	now, room := broadcast{}, broadcastMax
	next := func() {
		if room--; room == 0 {
			out, now, room = append(out, now), broadcast{}, broadcastMax
		}
	}
	for key, revision := range n.Put {
		if now.Put == nil {
			now.Put = map[string]uint64{}
		}
		now.Put[key] = revision
		next()
	}
	for _, key := range n.Left {
		now.Left = append(now.Left, key)
		next()
	}
	for _, id := range n.Jobs {
		now.Jobs = append(now.Jobs, id)
		next()
	}
	if now.Again = n.Again; room < broadcastMax || n.Again {
		out = append(out, now)
	}
	if n.Hints != nil {
		for _, h := range n.Hints.Parts(hintBytes) {
			out = append(out, broadcast{Hints: &h})
		}
	}
	return out
}

// listen takes in what other replicas tell.
func (p *replica) listen(ctx context.Context) {
	for ctx.Err() == nil {
		// Close ends this, after it has waited for all callbacks: it is none of them.
		err := guard.Run(journal.ErrFailed, func() error { return p.j.Listen(ctx, p.receive) })
		if ctx.Err() != nil {
			return
		}
		p.trouble("listening to other replicas", err)
		select {
		case <-ctx.Done():
		case <-time.After(listenIn):
		}
	}
}

// receive takes in one text; an empty one stands for those that were lost.
func (p *replica) receive(text string) {
	var n broadcast
	if text == "" {
		raise(p.take)
		p.readLater("")
		p.sweeps.missed()
		return
	}
	if json.Unmarshal([]byte(text), &n) != nil || n.From == p.name {
		return
	}
	for key, revision := range n.Put {
		op := p.eng.ops.byRecordKey(key)
		if op == nil {
			p.readLater(key)
			continue
		}
		switch l := &op.latest().Live; {
		case l.Revision >= revision:
		case l.Running:
			op.tryPost(lifecycle.PutElsewhere{Revision: revision})
		default:
			p.readLater(key)
		}
	}
	for _, key := range n.Left {
		if isLists(key) {
			raise(p.sweeps.stand)
			continue
		}
		if op := p.eng.ops.byRecordKey(key); op != nil && op.latest().Live.Running {
			op.tryPost(lifecycle.PutElsewhere{})
		}
		raise(p.take)
	}
	for _, id := range n.Jobs {
		if w := p.eng.watcher.Find(strings.ToLower(id)); w != nil {
			w.Now()
		}
	}
	if n.Again {
		p.eng.watcher.Again()
	}
	if n.Hints != nil {
		p.sweeps.receive(n)
	}
}

// refresh shows what others have recorded: what was told of, or all that has changed.
func (p *replica) refresh(ctx context.Context) {
	p.mu.Lock()
	due := p.due
	p.due = map[string]bool{}
	p.mu.Unlock()
	if len(due) == 0 || due[""] {
		if err := p.compare(ctx, due); err != nil && ctx.Err() == nil {
			p.trouble("reading the journal", err)
		}
	}
	delete(due, "")
	for key := range due {
		if err := p.show(ctx, key); err != nil && ctx.Err() == nil {
			p.trouble("reading the journal", err)
		}
	}
}

// compare adds to what is to be read all that is not as it is shown here.
func (p *replica) compare(ctx context.Context, due map[string]bool) error {
	listed := map[string]bool{}
	err := p.eng.ledger.safely(ctx, func() error {
		for head, err := range p.j.Heads(ctx) {
			if err != nil {
				return err
			}
			if !strings.HasPrefix(head.Key, opRecord) {
				continue
			}
			listed[head.Key] = true
			op := p.eng.ops.byRecordKey(head.Key)
			if op == nil && head.Stage != journal.Parked || op != nil && op.latest().Live.Revision < head.Revision {
				due[head.Key] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.eng.ops.each(func(op *operation) { // what has ended elsewhere is not listed
		if s := op.latest(); !listed[op.record] && s.Live.Revision > 0 && s.Record.Result == nil && !op.busy() {
			due[op.record] = true
		}
	})
	return nil
}

// show takes in a record of which nobody here works on the operation, or tells who does.
func (p *replica) show(ctx context.Context, key string) error {
	if !strings.HasPrefix(key, opRecord) {
		return nil
	}
	rec, found, err := p.eng.ledger.get(ctx, key)
	if err != nil || !found {
		return err
	}
	op := p.eng.ops.byRecordKey(key)
	if op == nil {
		if rec.Done || rec.Stage == journal.Parked {
			return nil
		}
		if op, err = p.eng.restore(rec); err == nil {
			p.eng.ops.insert(op)
		}
		return err
	}
	r, err := op.recordOf(rec)
	if err != nil {
		return err
	}
	op.tryPost(lifecycle.PutElsewhere{Record: r, Revision: rec.Revision})
	if r.Result != nil && !op.busy() {
		p.eng.ops.settled(op, false)
	}
	return nil
}
