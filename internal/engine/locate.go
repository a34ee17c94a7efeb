package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// How the Job of a start is looked for whose answer was lost.
const (
	locateSkew = 5 * time.Minute // between Duvo's clock and ours
	locateRows = 1000            // of the list, at most
	locateKept = 16 * locateRows // Jobs whose sandboxes are remembered
)

var errTooMany = errors.New("too many Jobs have been started since")

// otherAtWork waits while the process that recorded a start may still be at it.
// It returns false if the run has ended or goes on from a newer record.
func (op *operation) otherAtWork() bool {
	s := &op.job
	if !s.doubtful || s.owner == "" {
		return true
	}
	for {
		left := time.Until(s.lastSent.Add(op.eng.cfg.PostTimeout + startDoubtPause))
		if left <= 0 {
			return true
		}
		t := time.NewTimer(min(left, startDoubtPause))
		select {
		case <-t.C:
		case <-op.run.ctx.Done():
			t.Stop()
		}
		if op.cancelled() {
			return false
		}
		rec, found, err := op.eng.ledger.get(op.run.ctx, op.record.key)
		if err == nil && found && rec.Revision != op.record.revision {
			op.adopt()
			return false
		}
	}
}

// locate looks for the Job that a start in doubt has made, by what only that Job
// can have: the token of its webhook, or its sandbox. Text tells no twins apart.
// A delivery is only a hint of which Job to look at: its signature does not cover
// the URL with the token. It returns an empty ID if there is none, or nothing to
// know it by.
func (op *operation) locate() (jobID string, err error) {
	s := &op.job
	if id := op.eng.tokens.get(tokenOf(s.webhook)); id != "" {
		switch ours, err := op.startedBySend(id); {
		case err != nil:
			return "", err
		case ours:
			return id, nil
		}
		// Another delivery may name the right one.
		op.eng.tokens.drop(tokenOf(s.webhook))
	}
	lister, ok := op.eng.backend.(watch.Lister)
	if s.sandbox == "" || !ok {
		return "", nil
	}
	ctx := duvo.WithPriority(op.run.ctx, duvo.Normal)
	var rows []duvo.Job
	var cut error
	for row, err := range op.eng.jobsSince(ctx, lister, op.work.Assignment.ID, s.firstSent.Add(-locateSkew)) {
		if err != nil && !errors.Is(err, errTooMany) {
			return "", err
		}
		if cut = err; err == nil {
			rows = append(rows, row)
		}
	}
	// It is probably one of those that were created when the start was sent.
	slices.SortStableFunc(rows, func(a, b duvo.Job) int {
		return cmp.Compare(a.CreatedAt.Sub(s.firstSent).Abs(), b.CreatedAt.Sub(s.firstSent).Abs())
	})
	known := op.eng.ops.byJob()
	for _, row := range rows {
		if known[strings.ToLower(row.ID)] != nil {
			continue
		}
		// A sandbox stays a Job's for good. What was read is not read again, so
		// that looking for many among many, with failures, comes to an end.
		box := op.eng.boxes.get(row.ID)
		if box == "" {
			job, err := op.eng.backend.Job(ctx, row.ID)
			if err != nil && !errors.Is(err, duvo.ErrNotFound) {
				return "", err
			}
			if err == nil && op.another(job, row.ID) != nil {
				continue // whatever it was told of, it is not this Job
			}
			box = job.SandboxID
			op.eng.boxes.note(row.ID, box)
		}
		if box == s.sandbox {
			return row.ID, nil
		}
	}
	return "", cut
}

// startedBySend reports whether the Job that a delivery told of can be that of the
// start in doubt: it runs our Assignment, was created when the start had been
// sent, belongs to no other operation, and was first told our input. What is not
// told counts against it.
func (op *operation) startedBySend(id string) (bool, error) {
	refuse := func(why string) (bool, error) {
		op.eng.log.Warn("duvotool: a webhook delivery told of a Job that is not the one of this start; it is not taken", "assignment", op.work.Assignment.ID,
			"operation", op.key, "job", hitl.SafeLine(id, 64), "why", why)
		return false, nil
	}
	if other := op.eng.ops.byJob()[strings.ToLower(id)]; other != nil && other != op {
		return refuse("it is another operation's")
	}
	ctx := duvo.WithPriority(op.run.ctx, duvo.Normal)
	job, err := op.eng.backend.Job(ctx, id)
	switch {
	case errors.Is(err, duvo.ErrNotFound):
		return refuse("there is no such Job")
	case err != nil:
		return false, err
	case op.another(job, id) != nil || job.AssignmentID == "":
		return refuse("it is not told to run this Assignment")
	case job.CreatedAt.Before(op.job.firstSent.Add(-locateSkew)): // the zero time too
		return refuse("it is not told to be created since the start was sent")
	}
	n := 0
	for m, err := range op.eng.backend.Messages(ctx, id) {
		if err != nil && !errors.Is(err, duvo.ErrNotFound) {
			return false, err
		}
		if n++; err != nil || n > op.work.Settings.MaxMessages {
			break
		}
		if m.Role == "user" {
			if strings.TrimSpace(m.Text) != strings.TrimSpace(op.inputNow()) {
				return refuse("it was started with another message")
			}
			return true, nil
		}
	}
	return refuse("its messages do not tell what it was started with")
}

// jobsSince lists the Jobs of an Assignment, the oldest first.
func (eng *Engine) jobsSince(ctx context.Context, lister watch.Lister, assignment string, since time.Time) func(func(duvo.Job, error) bool) {
	return func(yield func(duvo.Job, error) bool) {
		f := duvo.JobFilter{AssignmentID: assignment, Since: since, OldestFirst: true, PageSize: watch.PageRows}
		for {
			page, err := lister.JobPage(ctx, f)
			if err != nil {
				yield(duvo.Job{}, err)
				return
			}
			for _, row := range page.Jobs {
				// A server may not heed the filter.
				if row.AssignmentID != "" && !strings.EqualFold(row.AssignmentID, assignment) || !row.CreatedAt.IsZero() && row.CreatedAt.Before(since) {
					continue
				}
				if !yield(row, nil) {
					return
				}
			}
			f.Offset += len(page.Jobs)
			if len(page.Jobs) < watch.PageRows || f.Offset == page.Total {
				return
			}
			if f.Offset >= locateRows {
				yield(duvo.Job{}, errTooMany)
				return
			}
		}
	}
}

// tokenOf returns the token in a webhook URL; empty if there is none.
func tokenOf(webhook string) string {
	u, err := url.Parse(webhook)
	if webhook == "" || err != nil {
		return ""
	}
	return u.Query().Get(TokenParam)
}

// Candidates is Registry.Candidates of package duvotool.
func (eng *Engine) Candidates(ctx context.Context, unknown outcome.JobInfo) ([]duvo.Job, error) {
	op, sent, err := eng.unknown(ctx, unknown)
	if err != nil {
		return nil, err
	}
	lister, ok := eng.backend.(watch.Lister)
	if !ok {
		return nil, fmt.Errorf("duvotool: the backend %T cannot list Jobs", eng.backend)
	}
	out := []duvo.Job{} // [] in JSON, not null
	known := eng.ops.byJob()
	for row, err := range eng.jobsSince(ctx, lister, op.work.Assignment.ID, sent.Add(-locateSkew)) {
		if err != nil && errors.Is(err, errTooMany) && len(out) > 0 {
			break // those first started are the likelier ones
		}
		if err != nil {
			return nil, err
		}
		if known[strings.ToLower(row.ID)] == nil {
			out = append(out, clone.Job(row))
		}
	}
	return out, nil
}

// unknown finds an operation with an unknown outcome, and when its start was
// first sent.
func (eng *Engine) unknown(ctx context.Context, i outcome.JobInfo) (*operation, time.Time, error) {
	op, err := eng.ops.lookUp(ctx, i.Caller.Tenant, i.Key)
	if err != nil {
		return nil, time.Time{}, err
	}
	if op == nil {
		return nil, time.Time{}, outcome.ErrUnknownJob
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.result == nil || op.result.Outcome != outcome.OutcomeUnknown || op.run != nil {
		op.unkeyed = false // the error tells it
		return nil, time.Time{}, &outcome.JobError{Key: op.key, JobID: op.jobID, Assignment: op.work.Assignment.Name, Err: errors.New("the outcome is not unknown")}
	}
	// Nothing runs, so nobody owns the mail.
	if f := op.job.followUp; f != nil {
		return op, f.SentAt, nil
	}
	return op, op.job.firstSent, nil
}

// Reconcile is Registry.Reconcile of package duvotool.
func (eng *Engine) Reconcile(ctx context.Context, unknown outcome.JobInfo, jobID, by string) error {
	if hitl.PersonKey(by) == "" {
		return errors.New("duvotool: reconciling: it is not said who reconciles")
	}
	op, _, err := eng.unknown(ctx, unknown)
	if err != nil {
		return err
	}
	var job duvo.Job
	if jobID != "" {
		if job, err = eng.backend.Job(ctx, jobID); err != nil {
			return err
		}
		if err := op.another(job, jobID); err != nil {
			return errtext.Errorf("duvotool: reconciling: %w", err)
		}
		if job := op.after.jobID; job != "" && !strings.EqualFold(job, jobID) {
			return fmt.Errorf("duvotool: reconciling: the message was for Job %s", job)
		}
		if other := eng.ops.byJob()[strings.ToLower(jobID)]; other != nil && other != op {
			return fmt.Errorf("duvotool: reconciling: Job %s belongs to another operation", hitl.SafeLine(jobID, 64))
		}
	}
	if !eng.life.Enter() {
		return outcome.ErrClosed
	}
	run := newRun(WithCallerOf(ctx, op.caller))
	run.detached = true
	op.mu.Lock()
	if op.run != nil || op.result == nil || op.result.Outcome != outcome.OutcomeUnknown {
		op.unkeyed = false // the error tells it
		op.mu.Unlock()
		eng.life.Leave()
		return &outcome.JobError{Key: op.key, Assignment: op.work.Assignment.Name, Err: errors.New("it was reconciled meanwhile")}
	}
	op.result, op.run = nil, run
	reply := make(chan error, 1)
	op.postLocked(run, func(op *operation) { // the first of its run: whatever comes, there is a reply
		err := errors.New("duvotool: reconciling: it panicked")
		defer func() { reply <- err }()
		err = op.reconciled(job, by)
	})
	op.mu.Unlock()
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return context.Cause(ctx) // it is done all the same
	}
}

// reconciled takes in what a person has found out.
func (op *operation) reconciled(job duvo.Job, by string) error {
	s := &op.job
	before := *s
	if f := s.followUp; f != nil {
		c := *f
		s.followUp = &c
	}
	var err error
	if job.ID != "" && s.followUp == nil {
		if err = op.eng.ops.hold(op, job.ID); err != nil {
			op.unreconciled(before)
			return errtext.Errorf("duvotool: reconciling: %w", err)
		}
		s.held = true
	}
	err = op.audit(audit.Reconciled, func(r *audit.Record) { r.JobID, r.By = job.ID, by })
	s.note = ""
	switch f := s.followUp; {
	case f != nil && job.ID != "":
		f.Posted, f.Doubtful = true, false
		op.at(outcome.PhaseWatching, s.id)
	case f != nil:
		f.Doubtful, f.SentAt, s.parked = false, time.Time{}, true
		op.at(outcome.PhaseNew, s.id)
	case job.ID != "":
		s.id, s.buildID, s.status, s.created, s.startedAt, s.startState = job.ID, job.BuildID, job.Status, job.CreatedAt, time.Now(), nil
		op.at(outcome.PhaseWatching, s.id)
	default:
		s.startState, s.parked = &startState{webhook: op.eng.cfg.webhookURLFor()}, true
		op.at(outcome.PhaseNew, "")
	}
	if err == nil {
		err = op.save(nil)
	}
	if err == nil {
		err = op.eng.ops.bar(op, false)
	}
	if err != nil {
		_ = op.audit(audit.Failed, func(r *audit.Record) {
			r.JobID, r.By, r.Error = job.ID, by, "it is not known whether the reconciliation counts: "+hitl.SafeLine(err.Error(), 500)
		})
		op.unreconciled(before)
		return err
	}
	op.eng.ops.reconciled(op)
	if job.ID == "" {
		op.failAs(op.errorOf(errors.New("a person has found that no Job was started")))
		return nil
	}
	op.tell(outcome.Event{Kind: outcome.EventStarted, JobID: s.id, Status: s.status})
	op.begin()
	return nil
}

// unreconciled leaves the outcome unknown, as it was.
func (op *operation) unreconciled(before jobState) {
	op.job = before
	op.at(outcome.PhaseStarting, op.job.id)
	op.conclusion(op.resultSoFar(outcome.OutcomeUnknown), false)
}

func (op *operation) errorOf(cause error) *outcome.JobError {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.errorLocked(cause)
}

// reconciled lets the Assignment in again.
func (o *operations) reconciled(op *operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.letIn(op)
}
