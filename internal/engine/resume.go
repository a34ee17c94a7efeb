package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// restore makes the operation that a record tells of. Nothing runs for it yet.
func (eng *Engine) restore(rec journal.Record) (*operation, error) {
	var e entry
	if err := eng.ledger.open(rec, &e); err != nil {
		return nil, err
	}
	if e.Key == "" || e.Assignment.ID == "" || e.Result != nil && e.Result.Key != e.Key {
		return nil, fmt.Errorf("%w: the record %s makes no sense", journal.ErrFailed, rec.Key)
	}
	w, err := eng.catalog.WorkFor(e.Assignment, e.Folder)
	if err != nil {
		return nil, err
	}
	op := &operation{eng: eng, work: w, key: e.Key, unkeyed: e.Unkeyed, scope: e.Scope, caller: e.Caller, after: e.FollowUp.of()}
	if e.Own != "" {
		op.moreLocked().own = e.Own // nobody else has it yet
	}
	return op, op.take(rec, e)
}

// take puts the operation into the state that a record tells of.
func (op *operation) take(rec journal.Record, e entry) error {
	if f := e.FollowUp; f != nil && f.Message == "" {
		// An earlier version took the message for the input; what that was it did
		// not keep.
		f.Message, f.Added, e.Input = e.Input, e.Input, ""
	}
	e.endedCall()
	if err := op.job.restore(op, e); err != nil {
		return err
	}
	if op.record == nil {
		op.record = &recordRef{key: rec.Key}
	}
	op.record.revision = rec.Revision
	op.mu.Lock()
	defer op.mu.Unlock()
	op.input, op.phase, op.jobID, op.handle = e.Input, e.Phase, e.JobID, e.Handle
	op.unkeyed = op.unkeyed && e.Unkeyed // what was told here or there stays told
	if f := e.FollowUp; f != nil {
		op.message, op.added = f.Message, f.Added
	}
	op.result = e.Result
	op.ended = rec.At.UnixNano()
	op.news.status, op.news.started, op.news.decisions = e.Status, e.StartedAt, op.job.decisions()
	return nil
}

// adopt goes on from what somebody else has put in the journal about this
// operation. Called by who owns the mail.
func (op *operation) adopt() {
	if op.run != nil && op.run.ctx.Err() != nil {
		op.auditAdopted(entry{}, context.Cause(op.run.ctx))
	}
	if op.cancelled() {
		return
	}
	l := op.eng.ledger
	var e entry
	rec, found, err := l.get(context.Background(), op.record.key)
	if b := op.job.startState; err == nil && !found && b != nil && !b.doubtful {
		// Nothing was started, and that was forgotten in time.
		op.record.revision = 0
		op.post(op.run, (*operation).begin)
		return
	}
	if err == nil && !found {
		err = fmt.Errorf("%w: the record of the operation is gone", journal.ErrFailed)
	}
	if b := op.job.startState; err == nil && rec.Revision < op.record.revision && (b == nil || b.doubtful) {
		err = wentBack(rec.Key, op.record.revision, rec.Revision)
	}
	if err == nil {
		err = l.open(rec, &e)
	}
	if err == nil && (e.Key != op.key || e.Caller.Tenant != op.caller.Tenant) {
		err = fmt.Errorf("%w: the record is of another operation", journal.ErrFailed)
	}
	if err == nil && (!strings.EqualFold(e.Assignment.ID, op.work.Assignment.ID) || e.said() != op.said() && !op.work.Settings.OncePerScope) {
		err = fmt.Errorf("%w: it stands for another input or Assignment (%q)", outcome.ErrKeyReused, hitl.SafeLine(e.Assignment.Name, 80))
	}
	ours := op.auditAdopted(e, err)
	if err != nil {
		op.fail(err)
		return
	}
	op.eng.log.Info("duvotool: an operation was recorded by another process; going on from there", "operation", op.key, "job", e.JobID)
	deciders := map[string][]chan error{}
	for id, p := range op.job.requests {
		deciders[id], p.replies = p.replies, nil
	}
	op.job.rest(hitl.ErrRequestChanged)
	for id := range op.job.requests {
		op.awaitOutcome(id)
		op.waitsNoLonger(id)
	}
	e.endedCall()
	result := e.Result
	e.Result = nil // conclusion sets it
	e.Parked = false
	err = op.take(rec, e)
	for id, replies := range deciders {
		p := op.job.requests[id]
		if err == nil && p != nil && ours[id] {
			p.replies = replies // told once it has reached Duvo
			if p.stage == stageDone || p.stage == stageNobody {
				p.answerDeciders(deliveryError(p.entry.Delivery))
			}
			continue
		}
		for _, c := range replies {
			switch {
			case err == nil && p != nil && p.entry != nil:
				c <- &outcome.DecidedError{Entry: p.entry.Clone()}
			default:
				c <- hitl.ErrRequestChanged
			}
		}
	}
	if err != nil {
		op.fail(err)
		return
	}
	if result != nil {
		op.conclusion(result, true)
		return
	}
	op.post(op.run, (*operation).begin)
}

// auditAdopted tells the audit log of each decision of ours that was to be
// recorded just now what becomes of it, and returns the requests whose decisions
// count: they are in what the journal holds, for a save that failed or came second
// may have been carried out all the same. err is why that could not be read.
func (op *operation) auditAdopted(e entry, err error) (ours map[string]bool) {
	ours = map[string]bool{}
	for id, p := range op.job.requests {
		if !p.unrecorded || p.entry == nil {
			continue
		}
		counts := err == nil && slices.ContainsFunc(e.Decisions, p.entry.Same)
		switch {
		case counts:
			ours[id] = true
		case err != nil:
			op.doesNotCount(p, "it is not known whether the decision counts, because another process has the operation in hand, and what it recorded cannot be used: "+hitl.SafeLine(err.Error(), 500))
		default:
			op.doesNotCount(p, "the decision does not count: another process has the operation in hand")
		}
	}
	return ours
}

// said returns what the operation tells its Job: the start's input, or the
// message of a follow-up.
func (op *operation) said() string {
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.message != "" {
		return op.message
	}
	return op.input
}

// inputNow returns what the Job was started with.
func (op *operation) inputNow() string {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.input
}

// TakeUp restores what the journal holds unfinished, and begins to work on it.
func (eng *Engine) TakeUp(ctx context.Context) error {
	l := eng.ledger
	if l == nil {
		return nil
	}
	if err := l.identify(ctx); err != nil {
		return errtext.Errorf("duvotool: reading the journal: %w", err)
	}
	var resumed []*operation
	for rec, err := range l.unfinished(ctx) {
		if err != nil {
			return errtext.Errorf("duvotool: reading the journal: %w", err)
		}
		op, err := eng.restore(rec)
		if err != nil {
			return err
		}
		switch {
		case op.result != nil:
			if op, there := eng.ops.insert(op); !there {
				eng.ops.settled(op, op.result.Outcome, false, true)
			}
		case op.job.parked || eng.cfg.NoResume:
		default:
			if op, there := eng.ops.insert(op); !there {
				resumed = append(resumed, op)
			}
		}
	}
	calm := len(resumed) > 2*watch.MaxReads // lists tell what has changed
	for _, op := range resumed {
		op.resume(calm)
	}
	if len(resumed) > 0 {
		eng.log.InfoContext(ctx, "duvotool: took up the Jobs of the journal", "jobs", len(resumed))
	}
	return nil
}

// resume begins to work on a restored operation, without callers.
func (op *operation) resume(calm bool) {
	if !op.eng.life.Enter() { // left by finish or fail
		return
	}
	r := newRun(WithCallerOf(context.Background(), op.caller))
	r.detached, r.calm = true, calm
	op.mu.Lock()
	if op.run != nil || op.result != nil { // somebody was faster
		op.mu.Unlock()
		op.eng.life.Leave()
		return
	}
	op.run, op.resumed = r, true
	started := op.jobID != ""
	e := outcome.Event{Kind: outcome.EventResumed, JobID: op.jobID, Status: op.news.status}
	op.mu.Unlock()
	op.tellIn(r.ctx, e)
	if started {
		op.deliver(r, (*operation).begin) // takes no time
		return
	}
	op.post(r, (*operation).begin)
}

// Jobs is Registry.Jobs of package duvotool.
func (eng *Engine) Jobs() []outcome.JobInfo {
	out := []outcome.JobInfo{} // [] in JSON, not null
	eng.ops.each(func(op *operation) {
		if i, ok := op.info(); ok {
			out = append(out, i)
		}
	})
	slices.SortFunc(out, func(a, b outcome.JobInfo) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.Key, b.Key))
	})
	return out
}

// Resumed is Registry.Resumed of package duvotool.
func (eng *Engine) Resumed() []outcome.JobInfo {
	return slices.DeleteFunc(eng.Jobs(), func(i outcome.JobInfo) bool { return !i.Resumed })
}

func (op *operation) info() (i outcome.JobInfo, ok bool) {
	op.mu.Lock()
	defer op.mu.Unlock()
	unknown := op.result != nil && op.result.Outcome == outcome.OutcomeUnknown
	i = outcome.JobInfo{Key: op.key, Caller: op.caller, JobID: op.jobID, Assignment: clone.Assignment(op.work.Assignment), Input: op.input, FollowUp: op.added, Phase: op.phase,
		Status: op.news.status, StartedAt: op.news.started, Resumed: op.resumed, Unknown: unknown}
	if q := op.news.request; q != nil {
		c := q.Clone()
		i.Request = &c
	}
	return i, op.run != nil || unknown
}

// Resume is Registry.Resume of package duvotool.
func (eng *Engine) Resume(ctx context.Context, jobID string) (*outcome.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	op, err := eng.byJobID(ctx, jobID)
	if err != nil {
		return nil, err
	}
	res, err := op.wait(ctx)
	if err != nil {
		return nil, err
	}
	res = op.resultFor(ctx, res)
	res.Repeated = true
	res.ShowAtMost(op.work.Settings.MaxObservation)
	return res, nil
}

// byJobID finds the operation of a Job, here or in the journal.
func (eng *Engine) byJobID(ctx context.Context, jobID string) (*operation, error) {
	if jobID == "" {
		return nil, outcome.ErrUnknownJob
	}
	if op := eng.ops.byJob()[strings.ToLower(jobID)]; op != nil {
		return op, nil
	}
	if eng.ledger == nil {
		return nil, outcome.ErrUnknownJob
	}
	for rec, err := range eng.ledger.unfinished(ctx) {
		if err != nil {
			return nil, err
		}
		op, err := eng.restore(rec)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(op.jobID, jobID) {
			op, _ = eng.ops.insert(op)
			return op, nil
		}
	}
	return nil, outcome.ErrUnknownJob
}

// Wait is Registry.Wait of package duvotool.
func (eng *Engine) Wait(ctx context.Context) error {
	for {
		var run *run
		eng.ops.each(func(op *operation) {
			op.mu.Lock()
			defer op.mu.Unlock()
			if op.run != nil {
				run = op.run
			}
		})
		if run == nil {
			return nil
		}
		select {
		case <-run.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Stop is Registry.Stop of package duvotool.
func (eng *Engine) Stop(ctx context.Context, jobID, by string) (*outcome.Result, error) {
	if _, ok := eng.backend.(stopper); !ok {
		return nil, fmt.Errorf("duvotool: the backend %T cannot stop Jobs", eng.backend)
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	op, err := eng.byJobID(ctx, jobID)
	if err != nil {
		return nil, err
	}
	op.mu.Lock()
	if op.run == nil && op.result == nil {
		op.mu.Unlock()
		op.resume(false)
		op.mu.Lock()
	}
	run := op.run
	op.mu.Unlock()
	if run == nil {
		res, err := op.wait(ctx) // it has ended, or the registry is closed
		if err != nil {
			return nil, err
		}
		return res.Clone(), nil
	}
	over := make(chan struct{})
	op.post(run, func(op *operation) {
		defer close(over)
		op.stopFor(by)
	})
	select {
	case <-over:
	case <-run.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	if op.result != nil {
		return op.result.Clone(), nil
	}
	return nil, op.errorLocked(errors.New("stopping the Job was asked for, and it has not ended"))
}

// stopFor stops the Job for somebody.
func (op *operation) stopFor(by string) {
	if op.cancelled() || op.job.id == "" || op.job.watch == nil {
		return
	}
	op.addNote("stopping it was asked for by " + hitl.SafeLine(by, 100))
	if job := op.stopJob(); job != nil && job.Status.Terminal() {
		op.conclude(*job)
		return
	}
	op.job.watch.Schedule(op.timeLeft())
}

// forget deletes what the journal need not hold any more. What belongs to an
// operation that is not done is first put anew, also what would be old enough a
// while from now.
func (l *ledger) forget(before time.Time, slack time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l.witness.forget(before)
	err := l.keepAll(ctx, before.Add(slack))
	if err == nil {
		err = l.safely(func() error {
			_, err := l.journal.Forget(ctx, before)
			return err
		})
	}
	if err != nil {
		log.Error("duvotool: forgetting old records of the journal", "error", hitl.SafeLine(err.Error(), 500))
	}
}
