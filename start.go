package duvotool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// startJob sends the start until the Job is known. It returns false if the run
// ended instead.
func (op *operation) startJob() bool {
	s := &op.job
	start := op.start()
	op.at(PhaseStarting, "")
	for attempt := 1; ; attempt++ {
		if s.doubtful && time.Since(s.firstSent) > startDoubtMax {
			op.unknown("its start was sent, but no answer told whether it took effect")
			return false
		}
		if op.cancelled() {
			return false
		}
		if s.firstSent.IsZero() {
			s.firstSent = time.Now()
		}
		var job duvo.Job
		before := s.doubtful
		s.doubtful = true // until the opposite is proven, also by a panic
		err := op.send(func(ctx context.Context) (err error) {
			job, err = op.reg.backend.StartJob(ctx, start)
			return err
		})
		if err == nil && job.ID == "" {
			err = errors.New("the backend started a Job without an ID")
		}
		if err == nil {
			if a := job.AssignmentID; a != "" && !strings.EqualFold(a, start.AssignmentID) {
				op.fail(fmt.Errorf("the backend was asked for Assignment %s and started %s, Job %s", start.AssignmentID, SafeLine(a, 64), SafeLine(job.ID, 64)))
				return false
			}
			s.id, s.buildID, s.status, s.created = job.ID, job.BuildID, job.Status, job.CreatedAt
			s.startedAt = time.Now()
			op.at(PhaseWatching, s.id)
			op.tell(Event{Kind: EventStarted, JobID: s.id, Status: s.status})
			op.reg.log.Info("duvotool: started a Job", "job", s.id, "assignment", op.tool.assignment.ID, "operation", op.key)
			return true
		}
		op.reg.log.Warn("duvotool: starting a Job", "assignment", op.tool.assignment.ID, "operation", op.key, "attempt", attempt, "error", SafeLine(err.Error(), 500))
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
			op.unknown("its start was sent and the answer lost; the next attempt was refused: " + SafeLine(err.Error(), 200))
			return false
		case errors.Is(err, duvo.ErrNotFound), errors.Is(err, duvo.ErrInvalid) && !isLocal(err):
			op.refused(err)
			return false
		default:
			op.at(PhaseNew, "")
			op.fail(err)
			return false
		}
	}
}

// isLocal reports an error that did not come from the server.
func isLocal(err error) bool {
	var e *duvo.APIError
	return !errors.As(err, &e)
}

// refused ends the run because the server does not take this Assignment or
// input, which is for the model to know.
func (op *operation) refused(err error) {
	problem := &InputError{Tool: op.tool.name, Problem: "Duvo did not accept it: " + SafeLine(err.Error(), 300)}
	if errors.Is(err, duvo.ErrNotFound) {
		problem = &InputError{Tool: op.tool.name, Problem: "Duvo has no such Assignment any more, or does not show it to this program; use another tool", Gone: true}
	}
	op.at(PhaseNew, "")
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
