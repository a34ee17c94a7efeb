package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// seal makes the response that every attempt will send.
func seal(jobID string, p *pendingState, d hitl.Decision) *duvo.Response {
	r := &duvo.Response{JobID: jobID, RequestID: p.id,
		IdempotencyKey: "duvotool-" + digest.Of("respond", jobID, p.id, p.digest)}
	if d.Verdict == hitl.Answered {
		r.Answers = maps.Clone(d.Answers) // what is sealed is nobody else's
		return r
	}
	approved := d.Verdict == hitl.Approved
	r.Approved = &approved
	return r
}

// respondIfFresh sends the sealed response, if this read of the Job is recent:
// it shows the request with the digest that was decided on. Otherwise it asks
// for another read. It returns true if the run has ended.
func (op *operation) respondIfFresh(p *pendingState, seen watch.Sighting) bool {
	s := &op.job
	if seen.Began.Before(p.decidedAt) || seen.Began.Before(p.sentAt) || time.Since(seen.Began) > staleRead {
		s.watch.Now()
		return false
	}
	if !op.claim(p) {
		return op.run == nil
	}
	op.at(outcome.PhaseResponding, s.id)
	if err := op.audit(audit.Sent, p.about); err != nil {
		if op.holdBack(p, err) {
			return false
		}
		op.fail(err)
		return true
	}
	notSent := func(why string) {
		_ = op.audit(audit.Failed, func(r *audit.Record) {
			p.about(r)
			r.Error = "not sent: " + why
		})
	}
	if op.run.ctx.Err() != nil {
		notSent("the call ended meanwhile")
		op.park()
		return true
	}
	stage, sentAt, delivery, reached, doubts := p.stage, p.sentAt, p.entry.Delivery, p.reached, p.doubts
	asBefore := func() {
		p.stage, p.sentAt, p.entry.Delivery, p.reached, p.doubts = stage, sentAt, delivery, reached, doubts
	}
	now := time.Now()
	p.stage = stageSending
	p.sentAt = now
	p.entry.Delivery = hitl.Sent
	p.reached = true
	p.doubts++ // until the opposite is proven, also by a panic
	var err error
	if now.After(p.announced) {
		// Where the journal is slow it is told of the attempt beforehand, and the
		// read just before comes after that.
		if p.lag > 0 {
			p.sentAt = now.Add(2*p.lag + 2*staleRead)
		}
		until := p.sentAt
		if err = op.save(nil); err == nil {
			p.announced = until
		}
		p.sentAt = now
	}
	if slow := time.Since(seen.Began) > staleRead; err != nil || slow || op.run.ctx.Err() != nil {
		asBefore()
		switch {
		case errors.Is(err, journal.ErrConflict):
			notSent("another process has it in hand")
			op.adopt()
			return true
		case err != nil:
			notSent(hitl.SafeLine(err.Error(), 500))
			if op.holdBack(p, err) {
				return false
			}
			op.fail(err)
			return true
		case op.run.ctx.Err() != nil:
			notSent("the call ended meanwhile")
			op.park()
			return true
		}
		p.lag = time.Since(now)
		notSent("recording it took so long that the Job is read once more")
		s.watch.Now()
		return false
	}
	err = op.send(seen.Began.Add(staleRead), func(ctx context.Context) error {
		return op.eng.backend.Respond(duvo.WithPriority(ctx, duvo.Urgent), clone.Response(*p.sealed))
	})
	if wasTooLate(err) {
		asBefore()
		return op.notBegun(p, err, notSent)
	}
	p.late = 0
	s.watch.Alive(err == nil)
	if err != nil {
		op.eng.log.Warn("duvotool: sending a response", "job", s.id, "request", p.id, "error", hitl.SafeLine(err.Error(), 500))
		_ = op.audit(audit.Failed, func(r *audit.Record) {
			p.about(r)
			r.Error = hitl.SafeLine(err.Error(), 500)
		})
	}
	inDoubt := duvo.MayHaveTakenEffect(err) && !errors.Is(err, duvo.ErrConflict)
	if !inDoubt {
		p.doubts = doubts
	}
	switch {
	case err == nil:
		p.stage = stageDone
		s.human = false // from now on the Job works again
		s.lastLook = time.Now()
		op.at(outcome.PhaseWatching, s.id)
		op.delivered(p, hitl.Accepted)
	case errors.Is(err, duvo.ErrUnauthorized), errors.Is(err, duvo.ErrForbidden):
		op.fail(err)
		return true
	case inDoubt, p.doubts > 0 && p.doubts <= responseDoubts:
		// A later refusal proves nothing about an unclear attempt. The next
		// reads tell: the request is gone, or it still waits, and the same
		// response is sent again once any late effect must have landed.
		p.doubts = doubts + 1
		p.settle = op.eng.cfg.Settle + time.Since(p.sentAt) // from the end of the attempt
		if isLocal(err) {
			p.settle = op.eng.cfg.Settle + op.eng.cfg.PostTimeout // it may still be on its way
		}
	case duvo.Temporary(err):
		// It provably did nothing.
		p.failures++
		p.settle = duvo.RetryAfter(err)
		if p.settle == 0 {
			p.settle = time.Second << min(p.failures-1, 6)
		}
		if isLocal(err) && !reached {
			// It never left: the request has had no response of ours yet.
			p.reached, p.stage, p.sentAt, p.entry.Delivery = false, stageDecided, time.Time{}, hitl.NotSent
		}
	default:
		return op.responseRefused(p, err)
	}
	if p.stage == stageSending || p.stage == stageDecided {
		s.watch.Schedule(p.settle)
	}
	return !op.maySave()
}

// notBegun goes on after a response that could not begin in time: from another
// read, some times. It returns true if the run has ended.
func (op *operation) notBegun(p *pendingState, err error, notSent func(why string)) bool {
	notSent(hitl.SafeLine(err.Error(), 500))
	if op.cancelled() {
		return true
	}
	if p.late++; p.late >= startAttempts {
		op.fail(fmt.Errorf("%w: something takes longer than %v before every response, such as the token source or connecting", err, staleRead))
		return true
	}
	op.eng.log.Warn("duvotool: a response could not begin in time; the Job is read once more", "job", op.job.id, "error", hitl.SafeLine(err.Error(), 500))
	op.job.watch.Now()
	return false
}

// responseRefused reads again after the server refused a first attempt: a
// request that is gone or another was answered by somebody else, which is no
// error. It returns true if the run has ended.
func (op *operation) responseRefused(p *pendingState, cause error) bool {
	s := &op.job
	job, err := op.readJob(op.run.ctx, s.id)
	if op.cancelled() {
		return true
	}
	if err == nil && (job.Pending == nil || op.digestAs(p, *job.Pending) != p.digest || job.Status != duvo.StatusWaiting) {
		p.stage = stageDone
		op.delivered(p, p.fate())
		s.dirty = true
		s.watch.Now()
		return false
	}
	op.delivered(p, hitl.Refused)
	p.stage, p.why = stageNobody, "Duvo refused the response, and the Job still waits"
	op.fail(fmt.Errorf("the response was refused: %w", cause))
	return true
}

// delivered records what became of a decision.
func (op *operation) delivered(p *pendingState, d hitl.Delivery) {
	if p.entry == nil {
		return
	}
	p.entry.Delivery = d
	_ = op.audit(audit.Delivered, p.about)
	p.answerDeciders(deliveryError(d))
	op.tellDecision(outcome.EventDelivered, p)
}

func (op *operation) tellDecision(kind outcome.EventKind, p *pendingState) {
	e := p.entry.Clone()
	op.tell(outcome.Event{Kind: kind, JobID: op.job.id, Status: op.job.status, Decision: &e})
}
