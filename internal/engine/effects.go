package engine

import (
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// carry carries an effect out. What takes time goes on by itself, and its answer
// comes as an event.
func (op *operation) carry(r *run, s *lifecycle.State, f lifecycle.Effect) {
	switch f := f.(type) {
	case lifecycle.Save:
		op.save(r, s, f)
	case lifecycle.Load:
		op.do(func() lifecycle.Event { return op.load(f) }, func(error) lifecycle.Event { return lifecycle.Loaded{Name: f.Name} })
	case lifecycle.Own:
		op.own(r, f)
	case lifecycle.Disown:
		op.disown(s)
	case lifecycle.StageFiles:
		op.stage(r, f)
	case lifecycle.StartJob:
		op.startJob(r, s, f)
	case lifecycle.Locate:
		op.locate(r, s, f)
	case lifecycle.Claim:
		op.claim(r, s, f)
	case lifecycle.CheckRules:
		op.checkRules(r, s, f)
	case lifecycle.Respond:
		op.respond(r, f)
	case lifecycle.Post:
		op.postMessage(r, s, f)
	case lifecycle.StopJob:
		op.stopJob(r, f)
	case lifecycle.Collect:
		op.collect(r, s, f)
	case lifecycle.Watch:
		op.beginWatch(r, s, f)
	case lifecycle.Unwatch:
		op.endWatch(r)
	case lifecycle.ReadNow:
		if w := r.watching(); w != nil {
			w.Now()
		}
	case lifecycle.Wake:
		op.wake(r, f.At)
	case lifecycle.AskPolicy:
		op.askPolicy(r, f)
	case lifecycle.EndAsk:
		r.endAsk(f) // unless endAsksFirst has
	default:
		op.tellSomebody(r, s, f)
	}
}

// tellSomebody carries out the effects that tell callers, deciders or the observer.
func (op *operation) tellSomebody(r *run, s *lifecycle.State, f lifecycle.Effect) {
	switch f := f.(type) {
	case lifecycle.Interim:
		op.release(r, f.Callers, func() answer { return answer{res: op.interim(s)} })
	case lifecycle.Finish:
		if f.Callers == nil {
			op.logger(s.Record.Job).Info("duvotool: finished", "outcome", string(s.Record.Result.Outcome), "status", hitl.SafeLine(s.Record.Status, 40))
		}
		if !f.Recorded && f.Callers == nil {
			op.logger(s.Record.Job).Error("duvotool: the outcome is not in the journal yet")
		}
		if op.continuable(s) {
			op.ownHandle() // what nobody can find is dropped before its callers are answered
		}
		if f.Callers == nil && op.eng.events.tell != nil { // a Result takes long to make
			op.tell(r, outcome.Event{Kind: outcome.EventFinished, JobID: s.Record.Job, Status: statusOf(s), Result: op.result(s)})
		}
		op.release(r, f.Callers, func() answer { return answer{res: op.result(s)} })
	case lifecycle.EndCalls:
		res := func() *outcome.Result {
			res := op.soFar(s, outcome.Outcome(f.Outcome))
			res.Note = joinNotes(res.Note, f.Note)
			return res
		}
		op.logger(s.Record.Job).Info("duvotool: given up", "outcome", string(f.Outcome))
		_ = op.audit(r, s, lifecycle.Line{Kind: lifecycle.LineOutcome, Text: string(f.Outcome)}, res().Note)
		op.tell(r, outcome.Event{Kind: outcome.EventFinished, JobID: s.Record.Job, Status: statusOf(s), Result: res()})
		op.release(r, nil, func() answer { return answer{res: res()} })
	case lifecycle.Release:
		op.refuse(r, s, f)
	case lifecycle.TellReply:
		op.reply(r, f.Reply, fate{f.Fate, s, r})
	case lifecycle.Tell:
		op.notice(r, s, f)
	}
}

// refusedWith is the error that callers get, and how far their calls had come.
func (op *operation) refusedWith(r *run, s *lifecycle.State, f lifecycle.Release) (outcome.Phase, error) {
	cause := op.causeOf(r, s, f)
	at := op.errorAt(s, cause)
	switch { // what it was about is over by now
	case f.Cause == lifecycle.CausePolicy, f.Cause == lifecycle.CauseNobodys:
		at.Phase = outcome.PhaseDeciding
	case f.Cause == lifecycle.CauseResponse:
		at.Phase = outcome.PhaseResponding
	case r != nil && f.Callers == nil && at.Phase == outcome.PhaseWatching:
		at.Phase = r.lastPhase()
	}
	err := error(at)
	var bad *outcome.InputError
	if errors.As(cause, &bad) && error(bad) == cause {
		err = bad // for the model to know
	}
	return at.Phase, err
}

// refuse gives callers an error.
func (op *operation) refuse(r *run, s *lifecycle.State, f lifecycle.Release) {
	phase, err := op.refusedWith(r, s, f)
	if f.Callers == nil {
		op.logGivenUp(s.Record.Job, phase, f.Cause)
		op.mu.Lock()
		op.moreLocked().err = err
		op.mu.Unlock()
		op.tell(r, outcome.Event{Kind: outcome.EventParked, JobID: s.Record.Job, Status: statusOf(s), Err: outcome.CloneError(err)})
	}
	op.release(r, f.Callers, func() answer { return answer{err: outcome.CloneError(err)} })
}

// causeOf is the error that a cause stands for.
func (op *operation) causeOf(r *run, s *lifecycle.State, f lifecycle.Release) error {
	rec := &s.Record
	noted := errors.New(f.Text)
	if r != nil {
		if err := r.noted(f.Cause); err != nil {
			noted = err
		}
	}
	job := hitl.SafeLine(rec.Job, 64)
	switch f.Cause {
	case lifecycle.CauseLeft:
		if r != nil && r.abandoned() != nil {
			return r.abandoned()
		}
		return errors.New("nobody waits for the Job any more")
	case lifecycle.CauseClosed:
		return outcome.ErrClosed
	case lifecycle.CauseResponse:
		return fmt.Errorf("the response was refused: %w", noted)
	case lifecycle.CauseKeyReused:
		return Reused(rec.Order.Assignment.Name)
	case lifecycle.CauseTaken:
		if rec.Order.After != nil {
			return &outcome.InputError{Tool: op.work.Name, Problem: fmt.Sprintf("Job %s is being talked to by another call; wait for its end", hitl.SafeLine(op.continues(), 64))}
		}
		return fmt.Errorf("%w: Job %s", outcome.ErrForeignJob, job)
	case lifecycle.CauseBusy:
		return &outcome.InputError{Tool: op.work.Name, Problem: fmt.Sprintf("Job %s is %s, so nothing was said to it; it can go on once it has ended",
			hitl.SafeLine(op.continues(), 64), hitl.SafeLine(rec.Status, 40))}
	case lifecycle.CauseNobodys:
		return fmt.Errorf("%w: neither the start of Job %s nor a read of it tells which Assignment it runs, so nothing is decided about it", outcome.ErrOtherJob, job)
	case lifecycle.CauseNotStarted:
		return errors.New("a person has found that no Job was started")
	case lifecycle.CauseTooLate:
		return fmt.Errorf("%w: something takes longer than %v before every send, such as the token source or connecting", noted, lifecycle.Stale)
	}
	return noted
}
