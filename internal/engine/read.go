package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// beginWatch lets the watcher read the Job.
func (op *operation) beginWatch(r *run, s *lifecycle.State, f lifecycle.Watch) {
	rec := &s.Record
	known := duvo.Job{ID: f.Job, Status: duvo.Status(rec.Status), CreatedAt: timeOf(rec.Created), UpdatedAt: timeOf(rec.Message().Before)}
	w := op.eng.watcher.Watch(known, r)
	r.mu.Lock()
	r.watch = w
	r.mu.Unlock()
	if op.work.Settings.LiveMessages {
		w.Alone()
	}
	early := op.eng.early.take(strings.ToLower(f.Job), earlyAge)
	further := rec.Status != "" && !watch.OnItsWay(known.Status) // lists tell nothing new of it then
	if early || further {
		w.Now() // a webhook was faster
		return
	}
	w.Schedule(0)
}

func (op *operation) endWatch(r *run) {
	r.mu.Lock()
	w := r.watch
	r.watch = nil
	r.mu.Unlock()
	if w != nil {
		w.Stop()
	}
}

// Sighted takes in what the watcher tells. It implements watch.Sighter.
func (r *run) Sighted(w *watch.Watch, seen watch.Sighting) (then func()) {
	op := r.op
	if r.watching() != w {
		return nil
	}
	if seen.Hint {
		op.post(lifecycle.Progress{Status: string(seen.Job.Status)})
		return nil
	}
	e := lifecycle.Read{Began: op.eng.momentOf(seen.Began)}
	err := seen.Err
	if err == nil {
		err = op.another(seen.Job, op.known().Job)
	}
	if err != nil {
		e.Failed = classOf(err)
		r.note(lifecycle.CauseGivenUp, err)
		r.note(lifecycle.CauseForeign, err)
		op.logger(op.known().Job).Warn("duvotool: reading a Job", "error", hitl.SafeLine(err.Error(), 500))
		w.Retry()
		op.post(e)
		return nil
	}
	w.Schedule(0)
	job := seen.Job
	e.Status, e.Human, e.Updated = string(job.Status), waitsForPerson(job.Status), wallOf(job.UpdatedAt)
	e.Build, e.Ours = job.BuildID, job.AssignmentID != ""
	if rec := op.known(); rec.Build == e.Build {
		e.Build = rec.Build // one text for all reads
	}
	if job.Status.Terminal() {
		e.End = lifecycle.Outcome(outcomeOf(job.Status))
	}
	op.tellLive(r, job)
	if job.Status != duvo.StatusWaiting || job.Pending == nil {
		return op.postThen(e).all
	}
	op.postRequest(r, e, *job.Pending)
	return nil
}

// postRequest is the rest of sighted for a Job that waits for a request: what was
// said to the Job belongs to what is decided about.
func (op *operation) postRequest(r *run, e lifecycle.Read, q duvo.HumanRequest) {
	if q.ID == "" || q.Type != duvo.Approval && q.Type != duvo.Question {
		e.Pending = &lifecycle.Ticket{ID: q.ID, Kind: hitl.SafeLine(string(q.Type), 40)}
		op.post(e)
		return
	}
	if added, known := op.saidBefore(r, q); known {
		e.Pending = op.ticket(e, q, added)
		op.post(e)
		return
	}
	op.doApart(func() lifecycle.Event {
		added, err := op.lookUpSaid(r, q.ID)
		if err != nil {
			r.note(lifecycle.CauseGivenUp, fmt.Errorf("what was said to the Job since its start is not known, so nothing is decided about it: %w", err))
			op.logger(op.known().Job).Warn("duvotool: reading what was said to a Job", "error", hitl.SafeLine(err.Error(), 500))
			if w := r.watching(); w != nil {
				w.Retry()
			}
			failed := lifecycle.Down
			if errors.Is(err, duvo.ErrTooLarge) {
				failed = lifecycle.Odd
			}
			return lifecycle.Read{Began: e.Began, Failed: failed}
		}
		e.Pending = op.ticket(e, q, added)
		return e
	}, func(err error) lifecycle.Event {
		return lifecycle.Read{Began: e.Began, Failed: lifecycle.Down}
	})
}

// ticket makes of a human request what the lifecycle must know of it. IDs in
// another case are the same IDs: digests, claims and responses are about the one
// that was told first.
func (op *operation) ticket(e lifecycle.Read, q duvo.HumanRequest, added string) *lifecycle.Ticket {
	rec := op.known()
	if p := rec.Request(q.ID); p != nil {
		q.ID = p.ID
	}
	build := e.Build
	if build == "" {
		build = rec.Build
	}
	shown := &hitl.Request{
		JobID: rec.Job, ID: q.ID, Kind: q.Type, Title: q.Title, Description: q.Description, Questions: clone.Questions(q.Questions),
		Assignment: clone.Assignment(op.work.Assignment), BuildID: build, Input: rec.Order.Input, FollowUp: added, Caller: op.order.Caller, Key: op.order.Key,
		CreatedAt: q.CreatedAt, Folder: op.work.Folder,
	}
	return &lifecycle.Ticket{ID: q.ID, Digest: hitl.Digest(rec.Job, added, q), Kind: string(q.Type), Title: q.Title, Build: build, Added: added,
		Known: true, Question: q.Type == duvo.Question, Shown: shown}
}

// waitsForPerson reports whether a Job in this status spends a person's time.
func waitsForPerson(s duvo.Status) bool {
	return s == duvo.StatusWaiting || s == duvo.StatusNeedsAttention
}

// another refuses what is told of another Job than the one with this ID, or of
// another Assignment than the operation's. An Assignment that is not told proves
// nothing either way.
func (op *operation) another(job duvo.Job, id string) error {
	switch ours := op.work.Assignment.ID; {
	case !strings.EqualFold(job.ID, id):
		return fmt.Errorf("%w: it was asked for Job %s, and told of %q", outcome.ErrOtherJob, hitl.SafeLine(id, 64), hitl.SafeLine(job.ID, 64))
	case job.AssignmentID != "" && !strings.EqualFold(job.AssignmentID, ours):
		return fmt.Errorf("%w: Job %s should run the Assignment %s, and is said to run %s", outcome.ErrOtherJob, hitl.SafeLine(id, 64), ours, hitl.SafeLine(job.AssignmentID, 64))
	}
	return nil
}
