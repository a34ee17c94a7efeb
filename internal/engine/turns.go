package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
)

// errTurnTaken is a Job that another follow-up talks to.
var errTurnTaken = errors.New("the Job is being talked to by another operation")

// takeTurn makes the turn of the Job this operation's, before the read that its
// message rests on. Others go by our record, which says already that we are at it:
// they read it after they read the turn and before they put it, so we put the turn
// even where it is ours, and who has read an older record conflicts.
func (op *operation) takeTurn(r *run, f lifecycle.Claim, failed func(error) lifecycle.Event) lifecycle.Event {
	ops := op.eng.ops
	if !ops.markTurn(op, true) {
		return lifecycle.Claimed{Name: f.Name, TakenBy: "another call"}
	}
	if op.eng.ledger == nil {
		return lifecycle.Claimed{Name: f.Name} // markTurn knows all operations
	}
	err := ops.say(f.Job, func(s said) (said, error) {
		if err := ops.turnFree(s, op.name()); err != nil {
			return said{}, err
		}
		s.Open = &openTurn{op.name(), time.Now()}
		return s, nil
	})
	switch {
	case errors.Is(err, errTurnTaken):
		return lifecycle.Claimed{Name: f.Name, TakenBy: "another operation"}
	case err != nil:
		return failed(fmt.Errorf("whether another operation talks to the Job is not known, so nothing was said to it: %w", err))
	}
	return lifecycle.Claimed{Name: f.Name}
}

// turnFree returns nil if the operation of this name may have the turn, and
// errTurnTaken if another has it. What another has not finished may post at any
// time, however long ago it began; what it has parked may be on its way for as long
// as a post takes to show.
func (o *operations) turnFree(s said, name string) error {
	if s.Open == nil || s.Open.Operation == name {
		return nil
	}
	l := o.eng.ledger
	rec, found, err := l.get(context.Background(), s.Open.Operation)
	if err != nil || !found {
		return err
	}
	other, err := o.eng.recordOf(rec)
	if err != nil {
		return err
	}
	if other.Result == nil && (!other.Parked() || o.onItsWay(other)) {
		o.eng.log.Warn("duvotool: this operation talks to the Job, so another may not yet", append(aboutJob(other.Job, other.Order.Key, other.Order.Assignment.ID, other.Order.Assignment.Name), "since", s.Open.Since)...)
		return errTurnTaken
	}
	return nil
}

// markTurn notes that the Job of a follow-up is being talked to, or no longer.
// false means that another follow-up does so, or that what it said may be on its way.
func (o *operations) markTurn(op *operation, on bool) bool {
	id := strings.ToLower(op.continues())
	idle := o.idleFollowUp(id, op) // not under the lock
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.followUps[id]
	switch {
	case on && now != nil && now != op && now != idle:
		return false
	case on && o.followUps == nil:
		o.followUps = map[string]*operation{id: op}
	case on:
		o.followUps[id] = op
	case now == op && now == idle:
		delete(o.followUps, id)
	}
	return true
}

// idleFollowUp returns the follow-up that has talked to a Job, if nothing of it can come
// any more: it does not run, unless it is op itself, and nothing is on its way.
func (o *operations) idleFollowUp(id string, op *operation) *operation {
	o.mu.Lock()
	other := o.followUps[id]
	o.mu.Unlock()
	if other == nil || other != op && other.busy() || o.onItsWay(other.known()) {
		return nil
	}
	return other
}

// onItsWay reports whether a message that was sent may still take effect unseen.
func (o *operations) onItsWay(r *lifecycle.Record) bool {
	m := r.Message().Attempt
	return r.Result == nil && (m.Open || m.Earlier) && time.Since(timeOf(m.Until)) < o.eng.cfg.PostTimeout+o.eng.cfg.Settle
}
