package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// What was said by and to an operation that has ended can be erased before its time is
// over. What keeps its key from starting another Job stays, and so does who decided what.

const (
	erasedNote = "what it was told and what it said was erased"
	erasedTurn = "(erased)" // in place of a message: that something was said must show to whoever decides
)

// Erase is Registry.Erase of package duvotool.
func (eng *Engine) Erase(ctx context.Context, key string) error {
	if !eng.life.Enter() {
		return outcome.ErrClosed
	}
	defer eng.life.Leave()
	for range 5 { // another process may record it meanwhile
		op, _, err := eng.ops.peek(ctx, callerOf(ctx).Tenant, key)
		if err != nil {
			return err
		}
		r := op.known()
		if op.busy() || r.Result == nil || r.Result.Outcome == lifecycle.Unknown {
			return fmt.Errorf("%w: %q", outcome.ErrNotEnded, hitl.SafeLine(key, 120))
		}
		if eng.ledger != nil {
			err = op.eraseRecorded(ctx, r)
		}
		if !errors.Is(err, journal.ErrConflict) {
			if err == nil {
				eng.ops.erase(op)
			}
			return err
		}
	}
	return fmt.Errorf("%w: the record of the operation changes all the time", journal.ErrFailed)
}

// eraseRecorded takes the texts off what the journal holds: the record of the operation
// last, so that what is interrupted is done by erasing once more.
func (op *operation) eraseRecorded(ctx context.Context, r *lifecycle.Record) error {
	l := op.eng.ledger
	for _, p := range slices.Concat(r.Requests, r.Past) {
		for _, about := range [][]string{claimOf(r.Job, p.ID), spelledClaimOf(r.Job, p.ID)} {
			if about == nil {
				continue
			}
			if err := op.eraseClaim(ctx, about); err != nil {
				return err
			}
		}
	}
	if r.Job != "" {
		if err := op.eraseSaid(ctx, r.Job); err != nil {
			return err
		}
	}
	rec, found, err := l.find(ctx, opRecord, op.order.Caller.Tenant, op.order.Key)
	if err != nil || !found {
		return err
	}
	now, err := op.recordOf(rec)
	if err != nil {
		return err
	}
	if now.Result == nil || now.Result.Outcome == lifecycle.Unknown {
		return journal.ErrConflict // somebody goes on with it: look again
	}
	erased := withoutTexts(now)
	rec.Term = 0 // nobody need own it: it has ended
	if rec.Data, err = l.closeOutcome(&erased); err != nil {
		return err
	}
	_, err = l.put(rec)
	return err
}

// eraseClaim takes the texts off the claim of a request, if it is this operation's.
func (op *operation) eraseClaim(ctx context.Context, about []string) error {
	l := op.eng.ledger
	rec, found, err := l.find(ctx, claimRecord, about...)
	if err != nil || !found {
		return err
	}
	var c claim
	if err := l.open(rec, &c); err != nil || c.Operation != op.name() {
		return err
	}
	d := &c.Decision
	d.Title, d.Reason, d.Answers, d.Proofs = "", "", nil, nil
	if rec.Data, err = l.close(c); err == nil {
		_, err = l.put(rec)
	}
	return err
}

// eraseSaid takes what the operation has said to its Job off what all have said to it.
func (op *operation) eraseSaid(ctx context.Context, job string) error {
	l := op.eng.ledger
	rec, found, err := l.find(ctx, saidRecord, strings.ToLower(job))
	if err != nil || !found {
		return err
	}
	var s said
	if err := l.open(rec, &s); err != nil || !s.has(op.name()) {
		return err
	}
	s = s.without(op.name())
	if rec.Data, err = l.close(s); err == nil {
		_, err = l.put(rec)
	}
	return err
}

// without is what was said with nothing left of an operation's messages but that there
// were some.
func (s *said) without(operation string) said {
	out := *s
	out.Turns = slices.Clone(s.Turns)
	for i := range out.Turns {
		if t := &out.Turns[i]; t.Operation == operation {
			out.Added = replaceTurn(out.Added, t.Message)
			t.Message = erasedTurn
		}
	}
	return out
}

// replaceTurn replaces one message among those that turnBreak parts.
func replaceTurn(added, message string) string {
	whole := turnBreak + added + turnBreak
	whole = strings.Replace(whole, turnBreak+message+turnBreak, turnBreak+erasedTurn+turnBreak, 1)
	return strings.TrimSuffix(strings.TrimPrefix(whole, turnBreak), turnBreak)
}

// withoutTexts is a record without what was said.
func withoutTexts(r *lifecycle.Record) lifecycle.Record {
	c, res := *r, *r.Result
	res.Output, res.Data, res.Messages = "", nil, lifecycle.Transcript{}
	c.Order, c.Result, c.Note, c.Erased = bare(r.Order), &res, erasedNote, true
	if r.Latest != nil {
		m := *r.Latest
		m.Text, m.Added = "", ""
		c.Latest = &m
	}
	for _, list := range []*[]lifecycle.Request{&c.Requests, &c.Past} {
		*list = slices.Clone(*list)
		for i := range *list {
			p := &(*list)[i]
			p.Title, p.Why, p.Added, p.PutOff = "", "", "", nil
			if p.Decision != nil {
				d := *p.Decision
				d.Body, d.Why = nil, ""
				d.Given.Reason, d.Given.Answers, d.Given.Proofs = "", nil, nil
				p.Decision = &d
			}
		}
	}
	return c
}

// erase takes the texts off what this process knows of an operation that has ended.
func (o *operations) erase(op *operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	here := o.byKey[op.slot()]
	if here == nil || here.busy() {
		return // nobody knows it, or it was begun anew
	}
	if o.eng.ledger != nil {
		o.drop(here) // it comes back from the journal
		return
	}
	o.texts.forget(here)
	o.withoutText(here)
	left := o.byKey[op.slot()]
	left.mu.Lock()
	now := *left.state
	now.Record = withoutTexts(&now.Record)
	left.state, left.more.told = &now, nil
	left.mu.Unlock()
	for _, name := range o.claimed[left] {
		c := o.claims[name]
		c.Decision.Title, c.Decision.Reason, c.Decision.Answers, c.Decision.Proofs = "", "", nil, nil
		o.claims[name] = c
	}
	id := strings.ToLower(now.Record.Job)
	if s := o.saidTo[id]; s != nil {
		bare := s.without(op.name())
		o.saidTo[id] = &bare
	}
}
