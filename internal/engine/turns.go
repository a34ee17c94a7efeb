package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// An openTurn says which follow-up may talk to a Job, of all that share a journal.
// It is not closed: it counts for as long as the operation's own record is neither
// finished nor parked, and for as long as what that has sent may be on its way.
type openTurn struct {
	Operation string    `json:"operation"` // its name
	Since     time.Time `json:"since"`
}

// errTalkedTo is a Job that another follow-up talks to.
var errTalkedTo = errors.New("the Job is being talked to by another operation")

// openTurn makes the turn of the Job this operation's, before the read that its
// message rests on. It returns false if the run has ended, because another
// operation has the turn or that is not known, or goes on from another's record.
func (op *operation) openTurn() bool {
	ops := op.eng.ops
	if op.eng.ledger == nil {
		return true // converse knows all operations
	}
	s, _, err := ops.said(op.job.id)
	if err == nil {
		err = ops.turnFree(s, op.name())
	}
	if err == nil {
		// Others go by our record, so it says that we are at it before the turn is
		// ours. They read it after they read the turn and before they put it, so we
		// put the turn even where it is ours: who has read an older record conflicts.
		if !op.mustSave() {
			return false
		}
		err = ops.say(op.job.id, func(s said) (said, error) {
			if err := ops.turnFree(s, op.name()); err != nil {
				return said{}, err
			}
			s.Open = &openTurn{op.name(), time.Now()}
			return s, nil
		})
	}
	switch {
	case errors.Is(err, errTalkedTo):
		op.talkedTo()
	case err != nil:
		op.fail(fmt.Errorf("whether another operation talks to the Job is not known, so nothing was said to it: %w", err))
	case op.cancelled():
	default:
		return true
	}
	return false
}

// talkedTo ends the run because another call talks to the Job.
func (op *operation) talkedTo() {
	op.failAs(&outcome.InputError{Tool: op.work.Name, Problem: fmt.Sprintf("Job %s is being talked to by another call; wait for its end", hitl.SafeLine(op.job.id, 64))})
}

// turnFree returns nil if the operation of this name may have the turn, and
// errTalkedTo if another has it. What another has not finished may post at any
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
	var e entry
	if err := l.open(rec, &e); err != nil {
		return err
	}
	e.endedCall()
	f := e.FollowUp
	onItsWay := f != nil && f.Doubtful && time.Since(notAfter(f.SentAt, time.Now())) < o.eng.cfg.PostTimeout+o.eng.cfg.Settle
	if e.Result == nil && (!e.Parked || onItsWay) {
		o.eng.log.Warn("duvotool: another operation talks to the Job", "job", hitl.SafeLine(e.JobID, 64), "since", s.Open.Since)
		return errTalkedTo
	}
	return nil
}
