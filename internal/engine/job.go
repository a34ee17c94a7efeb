package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// jobState is what an operation knows of its Job. It is owned by the mail of
// the operation: one goroutine at a time.
type jobState struct {
	*startState           // nil once the Job is known
	startedAt   time.Time // when the Job was known to exist
	followUp    *followUp // nil: this operation starts its Job

	id      string
	created time.Time // by Duvo's clock
	buildID string
	status  duvo.Status
	watch   *watch.Watch

	worked   time.Duration // the Job's own time, without people's
	lastLook time.Time
	live     *liveState // nil: nothing was told of messages

	ours      bool      // the start or a read has told that it runs our Assignment
	malformed time.Time // since when its reads are; zero: they are not

	requests map[string]*pendingState // nil until there is one, by request ID in lower case
	entries  []*hitl.DecisionEntry
	stuck    time.Time // since when the Job waits for something that nobody here answers
	note     string

	added    string // since its start by messages, of whichever operation
	heardFor string // the request for which that was asked last

	human     bool // at the last look the Job waited for a person
	told      bool // the reasons of denials were posted, or perhaps so
	held      bool // it is recorded that the Job is this operation's
	parked    bool // left by its callers: the next process does not take it up by itself
	stopping  bool // the Job is to be stopped
	stopAgain bool // restored while it was to be stopped
	dirty     bool // something is to be written to the journal

	answer *answerState // nil: nothing is known of a typed answer
}

// liveState is what the observer was told of a Job's messages.
type liveState struct {
	told int       // messages
	read time.Time // updated_at of the Job when they were last read
}

// startState is what an operation knows of the start of its Job, until it knows
// the Job.
type startState struct {
	webhook    string    // where Duvo reports progress; empty: nowhere
	sandbox    string    // that the Job is started with; empty: none, or none yet
	files      bool      // it is to be started with files
	firstSent  time.Time // zero: not yet
	lastSent   time.Time // the latest attempt
	doubtful   bool      // an attempt may have taken effect unseen
	credential string    // a print of what it was sent with
	owner      string    // of the record that it was restored from; empty: ours
}

// How the engine paces itself.
const (
	startDoubtPause = 2 * time.Second  // between an unclear start and the next attempt
	startDoubtMax   = 15 * time.Minute // after which an unclear start is not sent again
	startAttempts   = 6                // of a start that provably did nothing
	stuckGrace      = time.Minute      // before a wait that nobody here can end is reported
	malformedGrace  = 5 * time.Minute  // before reads that are malformed end a run
	acceptedGrace   = 15 * time.Minute // the same, where our response was accepted
	decisionMaxAge  = 15 * time.Minute // of a decision that was not sent; then the policy is asked again
	responseDoubts  = 5                // unclear attempts at one response, after which a refusal is believed
	staleRead       = 5 * time.Second  // the age from which a read no longer counts as "just before"
)

func (s *jobState) init(op *operation, follow *followUp) {
	if follow == nil {
		s.startState = &startState{webhook: op.eng.cfg.webhookURLFor()}
		return
	}
	s.followUp, s.id, s.startedAt = follow, follow.JobID, time.Now()
	op.jobID, op.message, op.added = follow.JobID, follow.Message, follow.Added
}

// start is what every attempt to start the Job sends.
func (op *operation) start() duvo.StartJob {
	return duvo.StartJob{
		AssignmentID: op.work.Assignment.ID, Message: op.inputNow(), SandboxID: op.job.sandbox, WebhookURL: op.job.webhook,
		// The same operation has the same key in every process that is given
		// the caller's key, and keys of ours are no use to anyone else.
		IdempotencyKey: "duvotool-" + digest.Of("start", op.caller.Tenant, op.key, strings.ToLower(op.work.Assignment.ID)),
	}
}

// rest ends what goes on for the Job: reads and questions to the policy.
func (s *jobState) rest(cause error) {
	if s.watch != nil {
		s.watch.Stop()
		s.watch = nil
	}
	if cause == nil {
		cause = hitl.ErrAnsweredElsewhere
	}
	for _, p := range s.requests {
		p.endAsking(cause)
		p.answerDeciders(cause)
		if p.stage == stageSuspended {
			p.stage = stageNew // asked again when the operation is taken up
		}
	}
}

// begin starts the Job, or takes it up again where it was left.
func (op *operation) begin() {
	if op.cancelled() {
		return
	}
	s := &op.job
	fresh := s.id == ""
	if op.record == nil || op.record.revision > 0 && !s.parked {
		op.isDurable() // as the registry is, or recorded before
	}
	if op.ticket == nil && op.limited() {
		r := op.run
		t := &ticket{assignment: strings.ToLower(op.work.Assignment.ID), limit: op.work.Settings.Limit}
		t.begin = func() { op.post(r, (*operation).begin) }
		op.ticket = t
		if before, in := op.eng.queue.enter(t, !fresh); !in {
			op.tell(outcome.Event{Kind: outcome.EventQueued, Before: before})
			if fresh {
				s.files = s.files || op.run.ctx.Value(filesKey{}) != nil
				s.parked = false
			}
			op.mustSave() // it may be detached while it waits
			return        // begin is called again when the turn has come
		}
	}
	parked := s.parked
	s.parked = false
	if fresh && !op.startJob() || op.cancelled() {
		return
	}
	s.stuck = time.Time{}
	if !fresh && parked {
		op.askAnew()
		if !op.mustSave() { // from now on it is taken up by itself
			return
		}
	}
	if s.followUp != nil && !op.postFollowUp() {
		return
	}
	op.at(outcome.PhaseWatching, s.id)
	op.attend(fresh)
}

// askAnew lets the policy be asked again about what it could ask nobody, now that
// somebody calls again: that was nobody's decision, and nothing was sent for it.
func (op *operation) askAnew() {
	for _, p := range op.job.requests {
		if p.stage == stageNobody && p.entry != nil && p.entry.NobodyAsked() {
			p.entry.Delivery = hitl.Superseded
			*p = pendingState{id: p.id, digest: p.digest, firstSeen: p.firstSeen, asking: p.asking}
		}
	}
}

// attend lets the watcher read the Job.
func (op *operation) attend(fresh bool) {
	s := &op.job
	s.lastLook = time.Now()
	r := op.run
	var w *watch.Watch
	known := duvo.Job{ID: s.id, Status: s.status, CreatedAt: s.created}
	if f := s.followUp; f != nil {
		known.UpdatedAt = f.Before // an older row is of its last end
	}
	w = op.eng.watcher.Watch(r.ctx, known, func(seen watch.Sighting) {
		if seen.Hint {
			op.post(r, func(op *operation) {
				if op.job.watch == w {
					op.heard(seen.Job.Status)
				}
			})
			return
		}
		op.deliver(r, func(op *operation) {
			if op.job.watch == w {
				op.look(seen)
			}
		})
	})
	s.watch = w
	if op.work.Settings.LiveMessages {
		s.watch.Alone()
	}
	early := op.eng.early.take(strings.ToLower(s.id), earlyAge)
	further := s.status.Terminal() || fresh && !watch.OnItsWay(s.status) // lists tell nothing new of it then
	if early || further || !fresh && !r.calm {
		s.watch.Now() // a webhook was faster, or it is taken up again
		return
	}
	s.watch.Schedule(op.timeLeft())
}

// limited reports whether Jobs in flight are counted for this one.
func (op *operation) limited() bool { return op.eng.queue.limit > 0 || op.work.Settings.Limit > 0 }

// cancelled parks the operation if its run has been cancelled. Nothing may be
// sent after it returned true.
func (op *operation) cancelled() bool {
	if op.run != nil && op.run.ctx.Err() == nil {
		return false
	}
	op.park()
	return true
}

// park ends the run because its callers left or the registry closes.
func (op *operation) park() {
	if op.run == nil || op.run.ctx.Err() == nil {
		return
	}
	cause := context.Cause(op.run.ctx)
	if op.job.id != "" && op.work.Settings.StopOn[outcome.Cancelled] && !errors.Is(cause, outcome.ErrClosed) {
		op.stopJob()
	}
	op.fail(cause)
}

// send runs one request that changes something. Until it begins it can be too
// late for it, because the run is cancelled or by has passed: then nothing was
// sent, and the error matches duvo.ErrTooLate. One that has begun ends by our own
// deadline, not by the caller's.
func (op *operation) send(by time.Time, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(op.run.ctx), op.eng.cfg.PostTimeout)
	defer cancel()
	return f(duvo.NotAfter(duvo.WithoutResend(ctx), by, op.run.ctx))
}

// wasTooLate reports a request that was not sent, because what it rested on had
// become old before it could begin, or the run had ended.
func wasTooLate(err error) bool {
	return errors.Is(err, duvo.ErrTooLate) && !duvo.MayHaveTakenEffect(err)
}

// look takes in one read of the Job. It is the only place that decides what
// comes next.
func (op *operation) look(seen watch.Sighting) {
	if op.cancelled() {
		return
	}
	s := &op.job
	if seen.Err != nil {
		op.unread(seen.Err)
		return
	}
	job := seen.Job
	told := s.ours
	if err := op.vouch(job, s.id); err != nil {
		op.fail(err)
		return
	}
	s.dirty = s.dirty || !told && s.ours
	s.malformed = time.Time{}
	if s.followUp.stale(job) {
		s.watch.Schedule(2 * time.Second)
		return
	}
	op.clock(job)
	if job.Status != s.status {
		s.status = job.Status
		op.tell(outcome.Event{Kind: outcome.EventStatus, JobID: s.id, Status: s.status})
	}
	if job.BuildID != "" {
		s.buildID = job.BuildID
	}
	if job.Status.Terminal() {
		op.conclude(job)
		return
	}
	if s.stopAgain {
		s.stopAgain = false
		if job := op.stopJob(); job != nil && job.Status.Terminal() {
			op.conclude(*job)
			return
		}
	}
	if op.liveMessages(job) {
		return
	}
	if job.Status == duvo.StatusWaiting && job.Pending != nil {
		if op.waiting(seen) {
			return
		}
	} else {
		op.nothingPending()
		if job.Status == duvo.StatusWaiting {
			// It waits, and the API does not show for what.
			if op.stuckFor(stuckGrace, "the Job waits for something that Duvo's API does not show") {
				return
			}
		} else {
			s.stuck = time.Time{}
		}
	}
	if s.dirty && !op.maySave() || op.expired() {
		return
	}
	s.dirty = false
	s.watch.Schedule(op.timeLeft())
}

// heard takes in that a list shows the Job on its way. That is progress to tell
// of, and nothing to go by.
func (op *operation) heard(status duvo.Status) {
	s := &op.job
	if !op.cancelled() && watch.OnItsWay(s.status) && status != s.status {
		s.status = status
		op.tell(outcome.Event{Kind: outcome.EventStatus, JobID: s.id, Status: status})
	}
}

// unread is a read that failed.
func (op *operation) unread(err error) {
	s := &op.job
	switch {
	case errors.Is(err, duvo.ErrNotFound):
		op.eng.log.Warn("duvotool: a Job no longer exists", "job", s.id)
		op.nothingPending()
		op.settle(outcome.OutcomeGone, nil)
	case op.readAgain(err):
		op.eng.log.Warn("duvotool: reading a Job", "job", s.id, "error", hitl.SafeLine(err.Error(), 500))
		s.watch.Retry()
	default:
		op.fail(err)
	}
}

// readAgain reports whether a failed read of the Job or its messages is worth
// another, later: a malformed one for some minutes.
func (op *operation) readAgain(err error) bool {
	s := &op.job
	if !errors.Is(err, duvo.ErrMalformed) {
		return duvo.Temporary(err)
	}
	if s.malformed.IsZero() {
		s.malformed = time.Now()
	}
	return time.Since(s.malformed) < malformedGrace
}

// clock adds to the Job's own time what has passed since the last look, unless
// the Job waited for a person.
func (op *operation) clock(job duvo.Job) {
	s := &op.job
	now := time.Now()
	if !s.human {
		s.worked += now.Sub(s.lastLook)
	}
	s.lastLook = now
	s.human = waitsForPerson(job.Status)
}

// waitsForPerson reports whether a Job in this status spends a person's time.
func waitsForPerson(s duvo.Status) bool {
	return s == duvo.StatusWaiting || s == duvo.StatusNeedsAttention
}

// timeLeft returns how much of its own time the Job has left; zero: unbounded,
// or not running out now.
func (op *operation) timeLeft() time.Duration {
	limit := op.work.Settings.JobTimeout
	if limit == 0 || op.job.human {
		return 0
	}
	return max(limit-op.job.worked, time.Millisecond)
}

// expired ends the run when the Job's own time is over.
func (op *operation) expired() bool {
	s := &op.job
	limit := op.work.Settings.JobTimeout
	if limit == 0 || s.human || s.worked < limit {
		return false
	}
	note := fmt.Sprintf("the time limit of %v is over", limit)
	if op.work.Settings.StopOn[outcome.TimedOut] {
		if job := op.stopJob(); job != nil && job.Status.Terminal() {
			op.addNote(note)
			op.conclude(*job)
			return true
		}
	}
	op.endCall(outcome.OutcomeExpired, note)
	return true
}

// stuckFor reports whether the Job has waited long enough for what nobody here
// can give, and then ends the run.
func (op *operation) stuckFor(grace time.Duration, why string) bool {
	s := &op.job
	if s.stuck.IsZero() {
		s.stuck = time.Now()
	}
	if left := grace - time.Since(s.stuck); left > 0 {
		s.watch.Schedule(left)
		return false
	}
	op.endCall(outcome.OutcomePending, why+"; somebody must look in Duvo")
	return true
}

// endCall ends the run, and not the operation: a later call goes on with it, and
// then the note need not be true any more.
func (op *operation) endCall(o outcome.Outcome, note string) {
	res := op.resultSoFar(o)
	res.Note = joinNotes(res.Note, note)
	op.finish(res)
}
