package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// A claim says which operation answers a human request. It is made before a
// response is sent, by compare-and-set, and is there for as long as its operation
// is remembered: so a request gets one decision, whoever holds its Job.
type claim struct {
	Operation string             `json:"operation"` // the key of its record; without a journal, its slot
	Decision  hitl.DecisionEntry `json:"decision"`  // what was sealed, and who decided so
}

// A holder says which operation started a Job.
type holder struct {
	Operation string `json:"operation"`
}

// name returns what claims and the like call the operation by.
func (op *operation) name() string {
	if op.record != nil {
		return op.record.key
	}
	return op.slot()
}

// claimOf names a claim. IDs in other case are the same IDs.
func claimOf(jobID, requestID string) []string {
	return []string{strings.ToLower(jobID), strings.ToLower(requestID)}
}

// spelledClaimOf names a claim as it was named when the case of a request's ID
// still counted; nil if that makes no difference.
func spelledClaimOf(jobID, requestID string) []string {
	if strings.ToLower(requestID) == requestID {
		return nil
	}
	return []string{strings.ToLower(jobID), requestID}
}

// hold makes a Job this operation's, unless another operation holds it: then the
// error matches ErrForeignJob.
func (o *operations) hold(op *operation, jobID string) error {
	id := strings.ToLower(jobID)
	o.mu.Lock()
	other := o.holders[id]
	if other == nil {
		o.holdLocked(op, id)
	}
	o.mu.Unlock()
	foreign := fmt.Errorf("%w: Job %s", outcome.ErrForeignJob, hitl.SafeLine(jobID, 64))
	if other != nil && other.slot() != op.slot() {
		return foreign
	}
	if o.eng.ledger == nil {
		return nil
	}
	h := holder{op.name()}
	_, err := o.eng.ledger.once(&h, holderRecord, id)
	if err == nil && h.Operation != op.name() {
		err = foreign
	}
	if errors.Is(err, outcome.ErrForeignJob) {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.holders[id] == op {
			delete(o.holders, id)
		}
	}
	return err
}

func (o *operations) holdLocked(op *operation, id string) {
	if o.holders == nil {
		o.holders = map[string]*operation{}
	}
	o.holders[id] = op
}

// claim makes a request an operation's to answer. It returns the claim of
// another operation that was first, or nil.
func (o *operations) claim(op *operation, jobID string, e hitl.DecisionEntry) (theirs *claim, err error) {
	mine := claim{op.name(), e.Clone()}
	if o.eng.ledger != nil {
		if about := spelledClaimOf(jobID, e.RequestID); about != nil {
			var before claim
			switch rec, found, err := o.eng.ledger.find(context.Background(), claimRecord, about...); {
			case err != nil:
				return nil, err
			case found:
				if err := o.eng.ledger.open(rec, &before); err != nil {
					return nil, err
				}
				if before.Operation != mine.Operation {
					return &before, nil
				}
			}
		}
		return o.eng.ledger.claim(mine, claimOf(jobID, e.RequestID))
	}
	name := strings.Join(claimOf(jobID, e.RequestID), " ")
	o.mu.Lock()
	defer o.mu.Unlock()
	if now, ok := o.claims[name]; ok && now.Operation != mine.Operation {
		return &now, nil
	}
	if o.claims == nil {
		o.claims, o.claimed = map[string]claim{}, map[*operation][]string{}
	}
	o.claims[name] = mine
	if !slices.Contains(o.claimed[op], name) {
		o.claimed[op] = append(o.claimed[op], name)
	}
	return nil, nil
}

// claim is operations.claim in the journal. A claim of the same operation's is
// its own: of the process that it was in before, or of a decision that it never
// sent.
func (l *ledger) claim(mine claim, about []string) (theirs *claim, err error) {
	for range 5 { // the same operation may be at it in another process
		now := mine
		rec, err := l.once(&now, claimRecord, about...)
		switch {
		case err != nil:
			return nil, err
		case now.Operation != mine.Operation:
			return &now, nil
		case rec.Revision == 0 || now.Decision.DecidedAt.Equal(mine.Decision.DecidedAt) && now.Decision.Digest == mine.Decision.Digest:
			return nil, nil
		}
		if rec.Data, err = l.close(mine); err == nil {
			_, err = l.put(rec)
		}
		if !errors.Is(err, journal.ErrConflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: a claim changes all the time", journal.ErrFailed)
}

// claim makes a request that was decided this operation's to answer. It returns
// false if another operation was first, which is then recorded, or if the run has
// ended. Nothing is sent before.
func (op *operation) claim(p *pendingState) bool {
	s := &op.job
	if p.claimed {
		return true
	}
	if !s.held && s.followUp == nil {
		if err := op.eng.ops.hold(op, s.id); err != nil {
			if errors.Is(err, outcome.ErrForeignJob) || !op.holdBack(p, err) {
				op.fail(err)
			}
			return false
		}
		s.held = true
	}
	theirs, err := op.eng.ops.claim(op, s.id, *p.entry)
	switch {
	case err != nil:
		if !op.holdBack(p, err) {
			op.fail(err)
		}
		return false
	case theirs != nil:
		op.outrun(p, *theirs)
		return false
	}
	p.claimed = true
	return true
}

// outrun takes in that another operation has decided the request.
func (op *operation) outrun(p *pendingState, theirs claim) {
	s := &op.job
	lost := &outcome.DecidedError{Entry: theirs.Decision}
	op.eng.log.Warn("duvotool: another operation has decided the request", "operation", op.key, "job", s.id, "request", p.id)
	_ = op.audit(audit.Failed, func(r *audit.Record) {
		p.about(r)
		r.Error = "the decision does not count: " + hitl.SafeLine(lost.Error(), 300)
	})
	_ = op.audit(audit.Elsewhere, func(r *audit.Record) {
		p.about(r)
		r.Verdict, r.By, r.Reason, r.Path, r.Answers, r.People = "", "", "", "", nil, nil
		r.Source, r.Delivery = hitl.SourceElsewhere, ""
	})
	op.addNote(fmt.Sprintf("the request %q was decided by another operation on the same Job: %s by %s",
		hitl.SafeLine(p.request.Title, 100), lost.Entry.Verdict, hitl.Decider(lost.Entry.By)))
	p.answerDeciders(lost)
	p.sealed, p.stage, p.outrun = nil, stageDone, true
	op.delivered(p, p.fate())
	s.dirty = true
	op.at(outcome.PhaseWatching, s.id)
	s.watch.Schedule(time.Second)
}

// once puts a record about a thing, unless there is one: then it reads that into
// v and returns it. One that was put has the revision zero. It is done: what it is
// about is remembered elsewhere, see keep.
func (l *ledger) once(v any, kind string, parts ...string) (journal.Record, error) {
	for range 5 {
		rec, found, err := l.find(context.Background(), kind, parts...)
		if err != nil {
			return journal.Record{}, err
		}
		if found {
			return rec, l.open(rec, v)
		}
		rec = journal.Record{Key: l.names(kind, parts...)[0], Done: true}
		if rec.Data, err = l.close(v); err == nil {
			_, err = l.put(rec)
		}
		if !errors.Is(err, journal.ErrConflict) { // else somebody was faster: look what it is
			return rec, err
		}
	}
	return journal.Record{}, fmt.Errorf("%w: the record of %s comes and goes", journal.ErrFailed, kind)
}

// keepAll keeps what belongs to operations that are not done from being forgotten
// before them.
func (l *ledger) keepAll(ctx context.Context, before time.Time) error {
	for rec, err := range l.unfinished(ctx) {
		if err != nil {
			return err
		}
		var e entry
		if err = l.open(rec, &e); err == nil {
			err = l.keep(ctx, e, before)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep puts anew what belongs to an operation, where it was put before a time.
func (l *ledger) keep(ctx context.Context, e entry, before time.Time) error {
	touch := func(kind string, parts ...string) error {
		rec, found, err := l.find(ctx, kind, parts...)
		if err != nil || !found || !rec.At.Before(before) {
			return err
		}
		if _, err = l.put(rec); errors.Is(err, journal.ErrConflict) {
			return nil // somebody else does the same
		}
		return err
	}
	var errs []error
	if e.JobID != "" && e.FollowUp == nil {
		errs = append(errs, touch(holderRecord, strings.ToLower(e.JobID)))
	}
	if e.JobID != "" {
		errs = append(errs, touch(saidRecord, strings.ToLower(e.JobID)))
	}
	if e.Own != "" {
		errs = append(errs, touch(aliasRecord, e.Caller.Tenant, e.Own))
	}
	if e.Handle != "" {
		errs = append(errs, touch(handleRecord, e.Handle))
	}
	for _, q := range e.Requests {
		errs = append(errs, touch(claimRecord, claimOf(e.JobID, q.ID)...))
		if about := spelledClaimOf(e.JobID, q.ID); about != nil {
			errs = append(errs, touch(claimRecord, about...))
		}
	}
	return errors.Join(errs...)
}

// keepBelongings keeps what belongs to an operation that ends now for as long as
// its outcome. It is there already, and new enough, unless the Job took long.
func (op *operation) keepBelongings() {
	l := op.eng.ledger
	if l == nil {
		return
	}
	slack := op.eng.cfg.Retention / 10
	if op.job.startedAt.IsZero() || time.Since(op.job.startedAt) < slack {
		return
	}
	if err := l.keep(context.Background(), op.entry(), time.Now().Add(-slack)); err != nil {
		op.eng.log.Error("duvotool: writing to the journal", "operation", op.key, "job", op.job.id, "error", hitl.SafeLine(err.Error(), 500))
	}
}

// foreign ends the run because the server answered the start with a Job that
// another operation holds.
func (op *operation) foreign(job duvo.Job, err error) {
	op.eng.log.Error("duvotool: a start was answered with a Job of another operation; nothing will be sent to it", "assignment", op.work.Assignment.ID,
		"operation", op.key, "job", hitl.SafeLine(job.ID, 64))
	op.fail(err)
}
