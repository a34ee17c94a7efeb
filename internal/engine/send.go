package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// begin runs a request that changes something, unless its window is over, nobody
// wants it any more, or Close was called: then nothing is sent, and the error
// matches duvo.ErrTooLate. One that has begun ends by our own deadline, not by the
// caller's. allowed is one of the contexts of closing.
func (op *operation) begin(r *run, w lifecycle.Window, allowed context.Context, f func(context.Context) error) error {
	u := r.undertake()
	defer r.done(u)
	return op.beginIn(r, u.ctx, w, allowed, f)
}

// beginIn is begin of what is wanted in a context.
func (op *operation) beginIn(r *run, ctx context.Context, w lifecycle.Window, allowed context.Context, f func(context.Context) error) error {
	wanted, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(allowed, func() { end(context.Cause(allowed)) })()
	now := op.eng.clock()
	if p := op.eng.replicas; p != nil {
		until, ok := p.holds(now)
		if !ok {
			return tooLate{}
		}
		w.To.Mono, w.To.Wall = min(w.To.Mono, until.Mono), min(w.To.Wall, until.Wall)
	}
	if !w.Open(now) || wanted.Err() != nil || allowed.Err() != nil {
		return tooLate{}
	}
	left := min(w.To.Mono-now.Mono, time.Duration(w.To.Wall-now.Wall))
	ctx, cancel := context.WithTimeout(r.Context(), op.eng.cfg.PostTimeout)
	defer cancel()
	return f(duvo.NotAfter(duvo.WithoutResend(ctx), time.Now().Add(left), wanted))
}

type tooLate struct{}

func (tooLate) Error() string {
	return "the request was not begun in time, or its caller has left, so it was not sent"
}
func (tooLate) Unwrap() error  { return duvo.ErrTooLate }
func (tooLate) NoEffect() bool { return true }

// answerTo tells what the answer to a send proves.
func answerTo(name uint64, err error) lifecycle.Sent {
	e := lifecycle.Sent{Name: name, RetryAfter: retryAfter(err), Local: isLocal(err)}
	if err != nil {
		e.Text = hitl.SafeLine(err.Error(), 500)
	}
	switch {
	case err == nil:
	case errors.Is(err, duvo.ErrTooLate) && !duvo.MayHaveTakenEffect(err):
		e.Reply = lifecycle.TooLate
	case duvo.MayHaveTakenEffect(err):
		e.Reply = lifecycle.Doubt
	case errors.Is(err, duvo.ErrRateLimited) && duvo.RetryAfter(err) > 0:
		e.Reply = lifecycle.Wait // its turn comes, however long the line is
	case errors.Is(err, duvo.ErrUnauthorized), errors.Is(err, duvo.ErrForbidden):
		e.Reply = lifecycle.NoAccess
	case errors.Is(err, duvo.ErrNotFound):
		e.Reply = lifecycle.NotThere
	case duvo.Temporary(err):
		e.Reply = lifecycle.Nothing
	default:
		e.Reply = lifecycle.Refusal
	}
	return e
}

// retryAfter is how long the server wants to be left alone, and a little more:
// others wait for the same moment.
func retryAfter(err error) time.Duration {
	d := duvo.RetryAfter(err)
	if errors.Is(err, duvo.ErrRateLimited) {
		d += rand.N(d/4 + time.Second)
	}
	return d
}

// isLocal reports an error that did not come from the server.
func isLocal(err error) bool {
	var e *duvo.APIError
	return !errors.As(err, &e)
}

// startJob sends the start.
func (op *operation) startJob(r *run, s *lifecycle.State, f lifecycle.StartJob) {
	o := f.Order
	start := duvo.StartJob{AssignmentID: o.Assignment.ID, Message: o.Input, SandboxID: f.Sandbox, WebhookURL: o.Webhook, IdempotencyKey: o.StartKey}
	answer := func(err error) lifecycle.Event {
		op.logger("").Warn("duvotool: starting a Job", "error", hitl.SafeLine(err.Error(), 500))
		e := answerTo(f.Name, err)
		r.note(lifecycle.CauseFailed, err)
		r.note(lifecycle.CauseRefused, op.refusal(err))
		return e
	}
	op.do(func() lifecycle.Event {
		var job duvo.Job
		err := op.begin(r, f.Window, op.eng.closing.starting, func(ctx context.Context) (err error) {
			job, err = op.eng.backend.StartJob(ctx, start)
			return hide(err, o.Webhook)
		})
		if err == nil && job.ID == "" {
			err = errors.New("the backend started a Job without an ID")
		}
		if err != nil {
			return answer(err)
		}
		return op.startedJob(r, f.Name, job)
	}, func(err error) lifecycle.Event { // it may have been sent, and the next one would panic too
		r.note(lifecycle.CauseForeign, err)
		return lifecycle.Sent{Name: f.Name, Reply: lifecycle.Elsewhere, Text: hitl.SafeLine(err.Error(), 300)}
	})
}

// startedJob takes in the Job that the server answered a start with. Before it is
// this operation's, whoever dies in between, no other operation may answer for it.
// Where that cannot be recorded now it is before anything is sent to the Job.
func (op *operation) startedJob(r *run, name uint64, job duvo.Job) lifecycle.Event {
	err := op.another(job, job.ID)
	if err == nil {
		err = op.eng.ops.hold(op, job.ID)
		if errors.Is(err, outcome.ErrForeignJob) {
			op.logger("").Error("duvotool: a start was answered with a Job of another operation; nothing will be sent to it", "other_job", hitl.SafeLine(job.ID, 64))
		} else if err != nil {
			op.logger(job.ID).Error("duvotool: writing to the journal", "error", hitl.SafeLine(err.Error(), 500))
			err = nil
		}
	}
	if err != nil {
		r.note(lifecycle.CauseForeign, err)
		return lifecycle.Sent{Name: name, Reply: lifecycle.Elsewhere, Text: hitl.SafeLine(err.Error(), 300)}
	}
	return lifecycle.Sent{Name: name, Job: job.ID, Created: wallOf(job.CreatedAt), Build: job.BuildID, Status: string(job.Status), Ours: job.AssignmentID != ""}
}

// refusal is what a model is told where the server does not take this Assignment
// or input.
func (op *operation) refusal(err error) error {
	switch {
	case errors.Is(err, duvo.ErrNotFound):
		return &outcome.InputError{Tool: op.work.Name, Problem: "Duvo has no such Assignment any more, or does not show it to this program; use another tool", Gone: true}
	case errors.Is(err, duvo.ErrInvalid) && !isLocal(err):
		return &outcome.InputError{Tool: op.work.Name, Problem: "Duvo did not accept it: " + hitl.SafeLine(err.Error(), 300)}
	}
	return err
}

// respond sends a sealed response.
func (op *operation) respond(r *run, f lifecycle.Respond) {
	answer := func(err error) lifecycle.Sent {
		if err != nil {
			op.requestLogger(f.Job, f.Request).Warn("duvotool: sending a response", "error", hitl.SafeLine(err.Error(), 500))
			r.note(lifecycle.CauseResponse, err)
			r.note(lifecycle.CauseFailed, err)
			r.note(lifecycle.CauseTooLate, err)
		}
		e := answerTo(f.Name, err)
		if errors.Is(err, duvo.ErrConflict) {
			e.Reply = lifecycle.Refusal // it was read, and not taken
		}
		return e
	}
	op.do(func() lifecycle.Event {
		var body duvo.Response
		if err := json.Unmarshal(f.Body, &body); err != nil {
			return answer(err)
		}
		err := op.begin(r, f.Window, op.eng.closing.sending, func(ctx context.Context) error {
			return op.eng.backend.Respond(duvo.WithPriority(ctx, duvo.Urgent), body)
		})
		e := answer(err)
		op.sentTo(r, e, e.Reply == lifecycle.OK)
		return e
	}, func(err error) lifecycle.Event {
		e := answer(err)
		e.Reply, e.Broken = lifecycle.Doubt, true
		return e
	})
}

// sentTo lets the reads of a Job go by what was sent to it: soon again, or, where
// nobody knows what became of that, not before its effect must have landed.
func (op *operation) sentTo(r *run, e lifecycle.Sent, answered bool) {
	w := r.watching()
	if w == nil || e.Reply == lifecycle.TooLate {
		return
	}
	w.Alive(answered)
	if e.Reply == lifecycle.Doubt {
		w.Slow(op.eng.optionsOf(op.work).SettleAfter(e))
	}
}

// postMessage posts a message. A follow-up is first noted where every operation on
// the Job finds it.
func (op *operation) postMessage(r *run, s *lifecycle.State, f lifecycle.Post) {
	answer := func(err error) lifecycle.Sent {
		if err != nil {
			op.logger(f.Job).Warn("duvotool: posting a message", "error", hitl.SafeLine(err.Error(), 500))
			r.note(lifecycle.CauseFailed, err)
			r.note(lifecycle.CauseRefused, err)
			r.note(lifecycle.CauseTooLate, err)
		}
		return answerTo(f.Name, err)
	}
	broken := func(err error) lifecycle.Event { return answer(err) }
	m, ok := op.eng.backend.(messenger)
	if !ok {
		err := fmt.Errorf("the backend %T cannot post messages", op.eng.backend)
		r.note(lifecycle.CauseRefused, err)
		op.do(func() lifecycle.Event {
			return lifecycle.Sent{Name: f.Name, Reply: lifecycle.CannotAct, Text: err.Error()}
		}, broken)
		return
	}
	op.do(func() lifecycle.Event {
		if s.Record.Message().Kind == lifecycle.FollowUpMessage {
			if err := op.say(&s.Record); err != nil {
				r.note(lifecycle.CauseRefused, err)
				r.note(lifecycle.CauseFailed, err)
				var tooMuch *outcome.InputError
				if errors.As(err, &tooMuch) {
					return lifecycle.Sent{Name: f.Name, Reply: lifecycle.Refusal, Text: tooMuch.Problem}
				}
				return lifecycle.Sent{Name: f.Name, Reply: lifecycle.Nothing, Text: hitl.SafeLine(err.Error(), 300)}
			}
		}
		allowed := op.eng.closing.sending
		if s.Record.Message().Kind == lifecycle.FollowUpMessage {
			allowed = op.eng.closing.starting
		}
		err := op.begin(r, f.Window, allowed, func(ctx context.Context) error {
			_, err := m.PostMessage(ctx, f.Job, f.Text, f.Key)
			return err
		})
		e := answer(err)
		op.sentTo(r, e, false)
		return e
	}, broken)
}

// stopJob asks for the Job to be stopped.
func (op *operation) stopJob(r *run, f lifecycle.StopJob) {
	answer := func(err error) lifecycle.Event {
		if err != nil {
			op.logger(f.Job).Warn("duvotool: stopping a Job", "error", hitl.SafeLine(err.Error(), 500))
		}
		return answerTo(f.Name, err)
	}
	stop, ok := op.eng.backend.(stopper)
	op.do(func() lifecycle.Event {
		if !ok {
			return lifecycle.Sent{Name: f.Name, Reply: lifecycle.CannotAct}
		}
		// It may be wanted just because the callers have left.
		return answer(op.beginIn(r, r.Context(), f.Window, op.eng.closing.sending, func(ctx context.Context) error {
			return stop.StopJob(ctx, f.Job)
		}))
	}, answer)
}
