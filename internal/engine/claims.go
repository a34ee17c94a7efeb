package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// A holder says which operation started a Job.
type holder struct {
	Operation string `json:"operation"`
}

// hold makes a Job this operation's, unless another operation holds it: then the
// error matches ErrForeignJob.
func (o *operations) hold(op *operation, jobID string) error {
	if op.hosted != nil {
		return op.hosted.Hold(jobID)
	}
	id := strings.ToLower(jobID)
	o.mu.Lock()
	other := o.holders[id]
	former := o.formers.others(id, op.name())
	if other == nil && !former {
		o.holdLocked(op, id)
	}
	o.mu.Unlock()
	foreign := func() error { return fmt.Errorf("%w: Job %s", outcome.ErrForeignJob, hitl.SafeLine(jobID, 64)) }
	if other != nil && other.slot() != op.slot() || other == nil && former {
		return foreign()
	}
	if o.eng.ledger == nil {
		return nil
	}
	h := holder{op.name()}
	_, err := o.eng.ledger.once(&h, holderRecord, id)
	if err == nil && h.Operation != op.name() {
		err = foreign()
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
	if theirs := o.formers.decided(name, mine.Operation); theirs != nil {
		return theirs, nil
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

// claim makes the Job, or a request of it, this operation's.
func (op *operation) claim(r *run, s *lifecycle.State, f lifecycle.Claim) {
	failed := func(err error) lifecycle.Event {
		r.note(lifecycle.CauseJournal, err)
		op.logger(f.Job).Error("duvotool: writing to the journal", "error", hitl.SafeLine(err.Error(), 500))
		return lifecycle.Claimed{Name: f.Name, Failed: true}
	}
	op.do(func() lifecycle.Event {
		if op.continues() != "" && f.Request == "" {
			return op.takeTurn(r, f, failed)
		}
		if op.continues() == "" {
			err := op.eng.ops.hold(op, f.Job)
			switch {
			case errors.Is(err, outcome.ErrForeignJob) && f.Request == "":
				return lifecycle.Claimed{Name: f.Name, TakenBy: "another operation"}
			case errors.Is(err, outcome.ErrForeignJob):
				// Nobody has decided: it was never our Job.
				r.note(lifecycle.CauseForeign, err)
				op.post(lifecycle.Read{Began: op.eng.clock(), Failed: lifecycle.Foreign})
				return lifecycle.Claimed{Name: f.Name, Failed: true}
			case err != nil:
				return failed(err)
			}
		}
		if f.Request == "" {
			return lifecycle.Claimed{Name: f.Name}
		}
		theirs, err := op.eng.ops.claim(op, f.Job, entryOf(s.Record.Request(f.Request)))
		switch {
		case err != nil:
			return failed(err)
		case theirs != nil:
			op.requestLogger(f.Job, f.Request).Warn("duvotool: another operation has decided the request")
			r.noteTheirs(f.Request, theirs.Decision)
			return lifecycle.Claimed{Name: f.Name, TakenBy: fmt.Sprintf("%s by %s", theirs.Decision.Verdict, hitl.Decider(theirs.Decision.By))}
		}
		return lifecycle.Claimed{Name: f.Name}
	}, failed)
}

// noteTheirs remembers what another operation has decided.
func (r *run) noteTheirs(request string, d hitl.DecisionEntry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	more := r.moreLocked()
	if more.theirs == nil {
		more.theirs = map[string]hitl.DecisionEntry{}
	}
	more.theirs[strings.ToLower(request)] = d
}
