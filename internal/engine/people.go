package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// Pending is Registry.Pending of package duvotool.
func (eng *Engine) Pending() []hitl.Request {
	out := []hitl.Request{} // [] in JSON, not null
	eng.ops.each(func(op *operation) {
		s := op.latest()
		for i := range s.Live.Asks {
			a := &s.Live.Asks[i]
			if waits := a.Suspended || s.Record.Waits(s.Record.Request(a.ID)); waits && a.Ticket != nil && a.Ticket.Shown != nil {
				out = append(out, shownAt(a.Ticket, firstSeen(s, a.ID)))
			}
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
	if !eng.life.Enter() {
		return outcome.ErrClosed
	}
	defer eng.life.Leave()
	op, shown, err := eng.decidable(ctx, &req, &d, true)
	if err != nil {
		return err
	}
	e := lifecycle.Decide{Request: shown.ID, Digest: req.Digest(), Build: shown.Build, Decision: sealed(shown, d.Clone().Via(viaRegistry)), Reply: rand.Text()}
	told := op.awaitReply(e.Reply)
	op.post(e)
	select {
	case f, ok := <-told:
		if !ok {
			return outcome.ErrNotPending // the run is over
		}
		return op.fateError(f, shown.ID)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// CheckDecision is Registry.CheckDecision of package duvotool.
func (eng *Engine) CheckDecision(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	if !eng.life.Enter() {
		return outcome.ErrClosed
	}
	defer eng.life.Leave()
	_, _, err := eng.decidable(ctx, &req, &d, false)
	return err
}

// decides refuses what is no decision about the request.
func decides(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	if err := d.Check(req); err != nil {
		return err
	}
	if !d.HasOpinion() || d.Verdict == hitl.Suspended {
		return fmt.Errorf("%w: %s decides nothing", hitl.ErrInvalidDecision, d.Verdict)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// decidable finds the operation whose request a decision is about, with what its
// decider is shown, and checks the decision; where a restart left the request unread it
// may wait for that. It writes the request's names as the operation does, and the
// decision's source where there was none.
func (eng *Engine) decidable(ctx context.Context, req *hitl.Request, d *hitl.Decision, wait bool) (*operation, *lifecycle.Ticket, error) {
	no := func(err error) (*operation, *lifecycle.Ticket, error) { return nil, nil, err }
	if err := decides(ctx, *req, *d); err != nil {
		return no(err)
	}
	op := eng.decidedBy(*req)
	if op == nil {
		return no(outcome.ErrNotPending)
	}
	if wait {
		if err := op.awaitShown(ctx, req.ID); err != nil {
			return no(err)
		}
	}
	t, err := op.decidable(ctx, req, d)
	return op, t, err
}

// decidable is what an operation's part of Engine.decidable is.
func (op *operation) decidable(ctx context.Context, req *hitl.Request, d *hitl.Decision) (*lifecycle.Ticket, error) {
	no := func(err error) (*lifecycle.Ticket, error) { return nil, err }
	s := op.latest()
	p := s.Record.Request(req.ID)
	if p == nil {
		return no(outcome.ErrNotPending)
	}
	req.ID, req.JobID = p.ID, s.Record.Job // they may be written in another case
	a, _ := s.Live.Ask(p.ID)
	if a.Ticket == nil || a.Ticket.Shown == nil {
		return no(undecidable(p))
	}
	shown := shownAt(a.Ticket, p.FirstSeen)
	if (a.Suspended || s.Record.Waits(p)) && (shown.Digest() != req.Digest() || shown.ContentDigest() != req.ContentDigest()) {
		// What was shown is more than the digest holds: the Build, the Assignment
		// and the input too.
		return no(hitl.ErrRequestChanged)
	}
	if err := d.Check(shown); err != nil {
		return no(err)
	}
	if d.Source == "" {
		d.Source = hitl.SourcePerson
	}
	if err := op.checkDecision(ctx, shown, *d); err != nil {
		if p.Decision != nil {
			return no(undecidable(p)) // somebody was faster, which tells more
		}
		return no(err)
	}
	return a.Ticket, nil
}

// askedAnew is how long a policy that is asked again after a restart may take to put
// the decision off once more, before whoever decides meanwhile is told that it is not
// pending.
const askedAnew = 5 * time.Second

// awaitShown waits, where a request was open when the process began, until its Job was
// read and its policy asked again: what the request says is not recorded.
func (op *operation) awaitShown(ctx context.Context, id string) error {
	undecided := func(s *lifecycle.State) bool {
		p := s.Record.Request(id)
		return s.Live.Running && !s.Live.Closed && p != nil && p.Decision == nil && p.Stage == lifecycle.Unasked && !p.Gone
	}
	unread := func(s *lifecycle.State) bool {
		a, _ := s.Live.Ask(id)
		return undecided(s) && a.Ticket == nil
	}
	if !op.resumed || !unread(op.latest()) { // resumed was set before the run began
		return nil
	}
	op.eng.readNow(op.latest().Record.Job)
	if err := op.await(ctx, func(s *lifecycle.State) bool { return !unread(s) }); err != nil {
		return errtext.Errorf("duvotool: the Job could not be read since this process began: %w", err)
	}
	soon, cancel := context.WithTimeout(ctx, askedAnew)
	defer cancel()
	_ = op.await(soon, func(s *lifecycle.State) bool {
		a, _ := s.Live.Ask(id)
		return !undecided(s) || a.Suspended
	})
	return nil
}

func undecidable(p *lifecycle.Request) error {
	if p.Decision != nil {
		return &outcome.DecidedError{Entry: entryOf(p)}
	}
	return outcome.ErrNotPending
}

// decidedBy finds the operation whose request a decision is about. A Job that is
// continued may be in the hands of several.
func (eng *Engine) decidedBy(req hitl.Request) (found *operation) {
	if req.JobID == "" {
		return nil
	}
	eng.ops.each(func(op *operation) {
		op.mu.Lock()
		defer op.mu.Unlock()
		elsewhere := eng.replicas != nil && op.state.Record.Result == nil
		if op.run == nil && !elsewhere || !strings.EqualFold(op.state.Record.Job, req.JobID) {
			return
		}
		if found == nil || op.order.Key == req.Key && op.order.Caller.Tenant == req.Caller.Tenant {
			found = op
		}
	})
	return found
}

// awaitReply returns what a decision with this name is told by. It is closed at the
// end of the run: the present one, or the one that the decision begins.
func (op *operation) awaitReply(name string) <-chan fate {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.run != nil {
		return op.run.awaitReply(name)
	}
	told, more := make(chan fate, 1), op.moreLocked()
	if more.replies == nil {
		more.replies = map[string]chan fate{}
	}
	more.replies[name] = told
	return told
}

// reply tells who has decided what came of it.
func (op *operation) reply(r *run, name string, f fate) {
	op.mu.Lock()
	told := op.extrasLocked().replies[name]
	if told != nil {
		told <- f // it has room
		delete(op.more.replies, name)
	}
	op.mu.Unlock()
	r.reply(name, f)
}

// awaitReply is awaitReply of a run.
func (r *run) awaitReply(name string) <-chan fate {
	told := make(chan fate, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		close(told)
		return told
	}
	more := r.moreLocked()
	if more.replies == nil {
		more.replies = map[string]chan fate{}
	}
	more.replies[name] = told
	return told
}

func (r *run) reply(name string, f fate) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	replies := r.extrasLocked().replies
	if told := replies[name]; told != nil {
		told <- f // it has room
		delete(replies, name)
	}
}

// fateError is what somebody is told who has decided a request.
func (op *operation) fateError(f fate, request string) error {
	p, r := f.s.Record.Request(request), f.r
	var theirs hitl.DecisionEntry
	other := false
	if r != nil {
		r.mu.Lock()
		theirs, other = r.extrasLocked().theirs[strings.ToLower(request)]
		r.mu.Unlock()
	}
	switch f.fate {
	case lifecycle.FateTaken, lifecycle.FateInDoubt:
		return nil
	case lifecycle.FateChanged: // what was decided about is not pending any more
		return errtext.Errorf("%w: %w", outcome.ErrNotPending, hitl.ErrRequestChanged)
	case lifecycle.FateDecided:
		switch {
		case other:
			return &outcome.DecidedError{Entry: theirs}
		case p != nil && p.Decision != nil:
			return &outcome.DecidedError{Entry: entryOf(p)}
		}
		return outcome.ErrNotPending
	case lifecycle.FateRefused:
		return errors.New("duvotool: Duvo refused the response")
	case lifecycle.FateClosed:
		return outcome.ErrClosed
	case lifecycle.FateUnrecorded:
		return fmt.Errorf("whether the decision counts is not known: %w", r.noted(lifecycle.CauseJournal))
	case lifecycle.FateHeld:
		return fmt.Errorf("duvotool: the decision counts, and was not sent yet: %w", r.noted(lifecycle.CauseJournal))
	}
	if p != nil && p.Delivery == lifecycle.Superseded {
		return fmt.Errorf("%w: it was answered elsewhere or changed meanwhile", outcome.ErrNotPending)
	}
	return outcome.ErrNotPending
}
