package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
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

// takeTurn makes the turn of the Job this operation's, before the read that its
// message rests on. Others go by our record, which says already that we are at it:
// they read it after they read the turn and before they put it, so we put the turn
// even where it is ours, and who has read an older record conflicts.
func (op *operation) takeTurn(r *run, f lifecycle.Claim, failed func(error) lifecycle.Event) lifecycle.Event {
	ops := op.eng.ops
	if !ops.converse(op, true) {
		return lifecycle.Claimed{Name: f.Name, TakenBy: "another call"}
	}
	if op.eng.ledger == nil {
		return lifecycle.Claimed{Name: f.Name} // converse knows all operations
	}
	err := ops.say(f.Job, func(s said) (said, error) {
		if err := ops.turnFree(s, op.name()); err != nil {
			return said{}, err
		}
		s.Open = &openTurn{op.name(), time.Now()}
		return s, nil
	})
	switch {
	case errors.Is(err, errTalkedTo):
		return lifecycle.Claimed{Name: f.Name, TakenBy: "another operation"}
	case err != nil:
		return failed(fmt.Errorf("whether another operation talks to the Job is not known, so nothing was said to it: %w", err))
	}
	return lifecycle.Claimed{Name: f.Name}
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
	other, err := o.eng.recordOf(rec)
	if err != nil {
		return err
	}
	if other.Result == nil && (!other.Parked() || o.onItsWay(other)) {
		o.eng.log.Warn("duvotool: another operation talks to the Job", "job", hitl.SafeLine(other.Job, 64), "since", s.Open.Since)
		return errTalkedTo
	}
	return nil
}
