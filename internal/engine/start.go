package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// startJob sends the start until the Job is known. It returns false if the run
// ended instead, or goes on from another's record.
func (op *operation) startJob() bool {
	s := &op.job
	if !op.otherAtWork() || !op.stage() {
		return false
	}
	start := op.start()
	op.at(outcome.PhaseStarting, "")
	for attempt := 1; ; attempt++ {
		if s.doubtful {
			switch found, err := op.locate(); {
			case op.cancelled():
				return false
			case err != nil && duvo.Temporary(err) && time.Since(s.firstSent) <= startDoubtMax:
				op.eng.log.Warn("duvotool: looking for a Job", "assignment", op.work.Assignment.ID, "operation", op.key, "error", hitl.SafeLine(err.Error(), 500))
				if !op.pause(err, attempt, true) {
					return false
				}
				continue
			case err != nil && op.work.Settings.Marked:
				// Marks are for servers that do not honour keys: there a start
				// that was not looked for may be a second one.
				op.unknown("its start was sent, no answer told whether it took effect, and its Job cannot be looked for: " + hitl.SafeLine(err.Error(), 200))
				return false
			case err != nil:
				op.eng.log.Warn("duvotool: looking for a Job", "assignment", op.work.Assignment.ID, "operation", op.key, "error", hitl.SafeLine(err.Error(), 500))
			case found != "":
				return op.located(found)
			}
			if time.Since(s.firstSent) > startDoubtMax {
				op.unknown("its start was sent, but no answer told whether it took effect")
				return false
			}
			if s.credential != op.credential() {
				op.unknown("its start was sent with another API key, and no answer told whether it took effect")
				return false
			}
		}
		if op.cancelled() {
			return false
		}
		first, before := s.firstSent, s.doubtful
		s.lastSent = time.Now()
		if s.firstSent.IsZero() {
			s.firstSent = s.lastSent
		}
		s.doubtful, s.credential = true, op.credential() // until the opposite is proven, also by a panic
		err := op.save(nil)
		if err != nil || op.run.ctx.Err() != nil {
			s.firstSent, s.doubtful = first, before
			return op.intentFailed(err)
		}
		var job duvo.Job
		err = op.send(s.firstSent.Add(startDoubtMax), func(ctx context.Context) (err error) {
			job, err = op.eng.backend.StartJob(ctx, start)
			return s.hide(err)
		})
		if err == nil && job.ID == "" {
			err = errors.New("the backend started a Job without an ID")
		}
		if err == nil {
			return op.started(job)
		}
		op.eng.log.Warn("duvotool: starting a Job", "assignment", op.work.Assignment.ID, "operation", op.key, "attempt", attempt, "error", hitl.SafeLine(err.Error(), 500))
		inDoubt := duvo.MayHaveTakenEffect(err)
		s.doubtful = before || inDoubt
		if !s.doubtful {
			s.firstSent = time.Time{}
		}
		again := attempt < startAttempts
		if duvo.RetryAfter(err) > 0 && errors.Is(err, duvo.ErrRateLimited) && !inDoubt {
			again = true // its turn comes, however long the line is
			attempt--
		}
		if s.doubtful && !errors.Is(err, duvo.ErrConflict) {
			again = true // startDoubtMax bounds it
		}
		switch {
		case again && (inDoubt || duvo.Temporary(err)):
			if !op.pause(err, attempt, s.doubtful) {
				return false
			}
		case s.doubtful:
			// After an unclear attempt a refusal proves nothing about it.
			if found, lost := op.locate(); found != "" && lost == nil && !op.cancelled() {
				return op.located(found)
			}
			op.unknown("its start was sent and the answer lost; the next attempt was refused: " + hitl.SafeLine(err.Error(), 200))
			return false
		case errors.Is(err, duvo.ErrNotFound), errors.Is(err, duvo.ErrInvalid) && !isLocal(err):
			op.refused(err)
			return false
		default:
			op.at(outcome.PhaseNew, "")
			op.fail(err)
			return false
		}
	}
}

// intentFailed ends the run, or lets it go on from another's record, because
// what was about to be sent could not be recorded, or the run ended meanwhile.
// It returns false.
func (op *operation) intentFailed(err error) bool {
	switch {
	case errors.Is(err, journal.ErrConflict):
		op.adopt()
	case err != nil:
		if !op.job.doubtful {
			op.at(outcome.PhaseNew, "")
		}
		op.fail(err)
	default:
		op.cancelled()
	}
	return false
}

// started takes in the Job that the start has made. It returns false if the run
// has ended, or goes on from another's record.
func (op *operation) started(job duvo.Job) bool {
	s := &op.job
	if err := op.vouch(job, job.ID); err != nil {
		op.fail(err)
		return false
	}
	// Before it is this operation's Job, whoever died in between: no other
	// operation may answer for it. Where that cannot be recorded now it is before
	// anything is sent to the Job.
	switch err := op.eng.ops.hold(op, job.ID); {
	case errors.Is(err, outcome.ErrForeignJob):
		op.foreign(job, err)
		return false
	case err != nil:
		op.eng.log.Error("duvotool: writing to the journal", "operation", op.key, "job", hitl.SafeLine(job.ID, 64), "error", hitl.SafeLine(err.Error(), 500))
	default:
		s.held = true
	}
	s.id, s.buildID, s.status, s.created = job.ID, job.BuildID, job.Status, job.CreatedAt
	s.startState, s.startedAt = nil, time.Now()
	op.at(outcome.PhaseWatching, s.id)
	if !op.maySave() {
		return false
	}
	op.tell(outcome.Event{Kind: outcome.EventStarted, JobID: s.id, Status: s.status})
	op.eng.log.Info("duvotool: started a Job", "job", s.id, "assignment", op.work.Assignment.ID, "operation", op.key)
	return true
}

// located takes in a Job that was found by locate.
func (op *operation) located(jobID string) bool {
	for attempt := 1; ; attempt++ {
		job, err := op.readJob(op.run.ctx, jobID)
		switch {
		case op.cancelled():
			return false
		case err == nil:
			return op.started(job)
		case errors.Is(err, duvo.ErrNotFound):
			return op.started(duvo.Job{ID: jobID}) // and gone since, as the next read tells
		case !duvo.Temporary(err) && (!errors.Is(err, duvo.ErrMalformed) || attempt >= startAttempts):
			op.fail(err)
			return false
		case !op.pause(err, attempt, true):
			return false
		}
	}
}

// credential returns a print of what the backend's requests are authorized with;
// empty where it does not tell.
func (op *operation) credential() string {
	if b, ok := op.eng.backend.(interface{ Fingerprint() string }); ok {
		return b.Fingerprint()
	}
	return ""
}

// isLocal reports an error that did not come from the server.
func isLocal(err error) bool {
	var e *duvo.APIError
	return !errors.As(err, &e)
}

// refused ends the run because the server does not take this Assignment or
// input, which is for the model to know.
func (op *operation) refused(err error) {
	problem := &outcome.InputError{Tool: op.work.Name, Problem: "Duvo did not accept it: " + hitl.SafeLine(err.Error(), 300)}
	if errors.Is(err, duvo.ErrNotFound) {
		problem = &outcome.InputError{Tool: op.work.Name, Problem: "Duvo has no such Assignment any more, or does not show it to this program; use another tool", Gone: true}
	}
	op.at(outcome.PhaseNew, "")
	op.failAs(problem)
}

// pause waits before the next attempt to start. It returns false if the run
// ended meanwhile.
func (op *operation) pause(err error, attempt int, doubtful bool) bool {
	d := duvo.RetryAfter(err)
	if d == 0 {
		d = 500 * time.Millisecond << min(max(attempt-1, 0), 6)
	}
	if errors.Is(err, duvo.ErrRateLimited) {
		d += rand.N(d/4 + time.Second) // others wait for the same moment
	}
	if doubtful {
		d = max(d, startDoubtPause)
	}
	t := time.NewTimer(min(d, time.Minute))
	defer t.Stop()
	select {
	case <-t.C:
		return !op.cancelled()
	case <-op.run.ctx.Done():
		op.cancelled()
		return false
	}
}
