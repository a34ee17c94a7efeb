package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// viaRegistry begins the path of what was decided by Registry.Decide.
const viaRegistry = "Registry.Decide"

// decideLater takes in a decision for a suspended request.
func (op *operation) decideLater(req hitl.Request, d hitl.Decision, reply chan error) {
	if op.cancelled() {
		return
	}
	p, as := op.job.known(req.ID)
	req.ID, req.JobID = as, op.job.id // they may be written in another case
	switch {
	case p == nil:
		reply <- outcome.ErrNotPending
		return
	case p.digest != req.Digest(), p.stage == stageSuspended && p.request.ContentDigest() != req.ContentDigest():
		// What was shown is more than the digest holds: the Build, the Assignment
		// and the input too.
		reply <- hitl.ErrRequestChanged
		return
	case p.stage != stageSuspended && p.entry != nil:
		reply <- &outcome.DecidedError{Entry: p.entry.Clone()}
		return
	case p.stage != stageSuspended:
		reply <- outcome.ErrNotPending
		return
	}
	if err := d.Check(p.request); err != nil {
		reply <- err
		return
	}
	if d.Source == "" {
		d.Source = hitl.SourcePerson
	}
	p.replies = append(p.replies, reply)
	op.settleDecision(p, d.Via(viaRegistry))
}

// suspend releases the callers with a pending result. The run goes on without
// them.
func (op *operation) suspend(p *pendingState) {
	s := &op.job
	p.stage = stageSuspended
	res := op.resultSoFar(outcome.OutcomePending)
	res.Note = joinNotes(res.Note, fmt.Sprintf("the decision about %q was put off; a person will decide", hitl.SafeLine(p.request.Title, 200)))
	if op.eng.cfg.OffersCheck {
		res.Handle = op.detach(op.run)
	}
	op.mu.Lock()
	if op.suspended == nil {
		op.suspended = map[string]hitl.Request{}
	}
	listed, shown := p.request.Clone(), p.request.Clone()
	op.suspended[p.id] = listed
	op.news.request = &shown
	r := op.run
	r.detached = true
	if r.interim == nil {
		close(r.told)
	}
	r.interim = res
	op.mu.Unlock()
	told := p.request.Clone()
	op.tell(outcome.Event{Kind: outcome.EventSuspended, JobID: s.id, Status: s.status, Request: &told})
	op.eng.log.Info("duvotool: a request was suspended", "job", s.id, "request", p.id)
}

// throughRegistry reports whether the request was decided by Registry.Decide.
func (p *pendingState) throughRegistry() bool {
	return p.entry != nil && (p.entry.Path == viaRegistry || strings.HasPrefix(p.entry.Path, viaRegistry+" > "))
}

// takeBack makes a decision that could not be recorded none. A request that was
// suspended stays so, here and for the next process: whoever decided it is told
// why it does not count, and can decide again. For all others the run ends.
func (op *operation) takeBack(p *pendingState, err error) {
	p.entry, p.sealed, p.why, p.unrecorded = nil, nil, "", false
	if !op.isSuspended(p.id) {
		p.stage = stageNew
		op.fail(err)
		return
	}
	p.stage = stageSuspended
	op.job.dirty = true // the next save finds out whether the journal holds it all the same
	p.answerDeciders(err)
}

// holdBack keeps a decision that somebody made by Registry.Decide, where what has to
// be written before it is sent cannot be: it is tried again with later reads. It
// returns false if the decision is not of that kind.
func (op *operation) holdBack(p *pendingState, err error) bool {
	if op.run == nil || op.run.ctx.Err() != nil || !p.throughRegistry() {
		return false
	}
	op.eng.log.Error("duvotool: a decision was not sent yet", "job", op.job.id, "request", p.id, "error", hitl.SafeLine(err.Error(), 500))
	p.answerDeciders(fmt.Errorf("duvotool: the decision counts, and was not sent yet: %w", err))
	op.job.watch.Schedule(holdBackPause)
	return true
}

// holdBackPause is how long a decision waits that could not be sent for want of a
// record.
const holdBackPause = 30 * time.Second

func (op *operation) isSuspended(requestID string) bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	_, ok := op.suspended[requestID]
	return ok
}

// awaitOutcome notes that a suspended request is no longer waiting: callers
// wait for the Job again.
func (op *operation) awaitOutcome(requestID string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if _, ok := op.suspended[requestID]; !ok {
		return
	}
	delete(op.suspended, requestID)
	op.news.request = nil
	if r := op.run; r != nil && len(op.suspended) == 0 && r.interim != nil {
		r.interim = nil
		r.told = make(chan struct{})
	}
}

// answerDeciders tells those who decided through the registry what became of
// it.
func (p *pendingState) answerDeciders(err error) {
	for _, c := range p.replies {
		c <- err // buffered, and told once
	}
	p.replies = nil
}

func deliveryError(d hitl.Delivery) error {
	switch d {
	case hitl.Refused:
		return errors.New("duvotool: Duvo refused the response")
	case hitl.Superseded:
		return fmt.Errorf("%w: it was answered elsewhere or changed meanwhile", outcome.ErrNotPending)
	}
	return nil
}

func (op *operation) resultSoFar(o outcome.Outcome) *outcome.Result {
	s := &op.job
	return &outcome.Result{
		Outcome: o, JobID: s.id, Status: s.status, Decisions: s.decisions(), Assignment: op.work.Assignment, BuildID: s.buildID,
		Input: op.inputNow(), FollowUp: op.job.addedSoFar(), Caller: op.caller, Key: op.key, Note: s.note, StartedAt: s.startedAt, EndedAt: time.Now(),
	}
}

// Pending is Registry.Pending of package duvotool.
func (eng *Engine) Pending() []hitl.Request {
	out := []hitl.Request{} // [] in JSON, not null
	eng.ops.each(func(op *operation) {
		op.mu.Lock()
		defer op.mu.Unlock()
		for _, q := range op.suspended {
			out = append(out, q.Clone())
		}
	})
	slices.SortFunc(out, func(a, b hitl.Request) int {
		if c := a.FirstSeen.Compare(b.FirstSeen); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Decide is Registry.Decide of package duvotool.
func (eng *Engine) Decide(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	if err := d.Check(req); err != nil {
		return err
	}
	if !d.HasOpinion() || d.Verdict == hitl.Suspended {
		return fmt.Errorf("%w: %s decides nothing", hitl.ErrInvalidDecision, d.Verdict)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var found *operation
	var current *run
	eng.ops.each(func(op *operation) {
		op.mu.Lock()
		defer op.mu.Unlock()
		if !strings.EqualFold(op.jobID, req.JobID) || req.JobID == "" || op.run == nil {
			return
		}
		// A Job that is continued may be in the hands of several operations.
		if found == nil || op.key == req.Key && op.caller.Tenant == req.Caller.Tenant {
			found, current = op, op.run
		}
	})
	if found == nil {
		return outcome.ErrNotPending
	}
	req, d = req.Clone(), d.Clone() // ctx may end before they are looked at
	reply := make(chan error, 1)
	found.post(current, func(op *operation) { op.decideLater(req, d, reply) })
	select {
	case err := <-reply:
		return err
	case <-current.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-reply:
		return err
	default:
		return outcome.ErrNotPending
	}
}
