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
	"github.com/duvotool/duvotool/outcome"
)

// A followUp is what an operation that continues a Job knows of its message.
type followUp struct {
	JobID    string    `json:"job_id"`
	Turn     string    `json:"turn"`               // the operation key that it follows
	Message  string    `json:"message,omitempty"`  // what is said
	Added    string    `json:"added,omitempty"`    // all that messages have added to the Job, this one too
	Known    string    `json:"known,omitempty"`    // what messages have added, as the Result tells that is continued
	After    int       `json:"after,omitempty"`    // how many messages stand before it
	Before   time.Time `json:"before,omitzero"`    // updated_at of the Job, just before it was posted
	FirstAt  time.Time `json:"first_at,omitzero"`  // the first attempt; zero: none
	SentAt   time.Time `json:"sent_at,omitzero"`   // the latest attempt; zero: none
	Doubtful bool      `json:"doubtful,omitempty"` // an attempt may have taken effect unseen
	Posted   bool      `json:"posted,omitempty"`   // it is there
	Late     bool      `json:"-"`                  // the latest attempt may be on its way still

	start string // that the Job was started with, for the operation that is made
}

// added returns what messages have added to the Job; empty for an operation
// that starts its Job.
func (f *followUp) added() string {
	if f == nil {
		return ""
	}
	return f.Added
}

// gather takes in the texts of the Job's messages from users, as it tells them:
// the Result that is continued may be of an earlier turn, and what was said
// since must not be lost on those who decide. What only the Result knows stays.
func (f *followUp) gather(start string, users []string) {
	if len(users) > 0 && strings.TrimSpace(users[0]) == strings.TrimSpace(start) {
		users = users[1:]
	}
	all := strings.Join(users, turnBreak)
	if known := f.Known; known != "" && !strings.Contains(all, known) {
		all = strings.TrimSuffix(known+turnBreak+all, turnBreak)
	}
	f.Added = strings.TrimPrefix(all+turnBreak+f.Message, turnBreak)
}

// turnBreak stands between what one message has added and the next.
const turnBreak = "\n\n"

// A turnOf is the Job that a message continues, and the key of the operation that
// it follows.
type turnOf struct{ jobID, turn string }

func (f *followUp) of() turnOf {
	if f == nil {
		return turnOf{}
	}
	return turnOf{f.JobID, f.Turn}
}

func (t turnOf) same(u turnOf) bool {
	return strings.EqualFold(t.jobID, u.jobID) && t.turn == u.turn
}

// stale reports whether a read does not show yet that the message was posted.
func (f *followUp) stale(job duvo.Job) bool {
	return f != nil && !f.Before.IsZero() && !job.UpdatedAt.After(f.Before) && time.Since(f.SentAt) < followUpLag
}

// followUpLag is how long reads may take to show a message that was posted.
const followUpLag = 30 * time.Second

// postFollowUp posts the message, once. It returns false if the run has ended or
// goes on from another's record.
func (op *operation) postFollowUp() bool {
	s := &op.job
	f := s.followUp
	if !op.eng.ops.converse(op, true) {
		op.talkedTo()
		return false
	}
	if f.Posted {
		return true
	}
	f.Late = f.Doubtful // whoever sent it
	messenger, ok := op.eng.backend.(messenger)
	if !ok {
		op.fail(fmt.Errorf("the backend %T cannot post messages", op.eng.backend))
		return false
	}
	op.at(outcome.PhaseStarting, s.id)
	if !op.openTurn() {
		return false
	}
	for attempt := 1; ; attempt++ {
		if f.Doubtful {
			if !op.settleFollowUp() {
				return false
			}
			if f.Posted {
				return op.maySave()
			}
			if time.Since(f.FirstAt) > startDoubtMax {
				op.unknown("its message was sent, and no answer told whether it was taken")
				return false
			}
		}
		count, users, err := op.countMessages()
		read := time.Now()
		var job duvo.Job
		if err == nil && !op.cancelled() {
			job, err = op.readJob(op.run.ctx, s.id) // the read just before
		}
		switch {
		case op.cancelled():
			return false
		case err != nil:
			if !op.againAfter(err, attempt) {
				return false
			}
			continue
		case !takesMessages(job.Status) && f.Doubtful:
			// Perhaps it is our message that it works on. It will show.
			if !op.pause(nil, attempt, true) {
				return false
			}
			continue
		case !takesMessages(job.Status):
			op.failAs(&outcome.InputError{Tool: op.work.Name, Problem: fmt.Sprintf("Job %s is %s, so nothing was said to it; it can go on once it has ended", hitl.SafeLine(s.id, 64), hitl.SafeLine(string(job.Status), 40))})
			return false
		}
		if !f.Doubtful && !op.gather(count, users) {
			return false
		}
		if !op.say() {
			return false
		}
		sentAt, doubtful := f.SentAt, f.Doubtful
		if !doubtful {
			f.FirstAt = time.Now()
		}
		f.Before, f.SentAt, f.Doubtful, f.Late = job.UpdatedAt, time.Now(), true, true
		if err := op.save(nil); err != nil || op.run.ctx.Err() != nil {
			f.SentAt, f.Doubtful = sentAt, doubtful
			return op.intentFailed(err)
		}
		read, ok := op.takesStill(read, takesMessages)
		if !ok {
			f.SentAt, f.Doubtful = sentAt, doubtful
			if !op.pause(nil, attempt, doubtful) {
				return false
			}
			continue
		}
		err = op.send(read.Add(staleRead), func(ctx context.Context) error {
			_, err := messenger.PostMessage(ctx, s.id, f.Message, "duvotool-"+digest.Of("message", op.caller.Tenant, op.key, s.id))
			return err
		})
		if err == nil {
			f.Posted, f.Doubtful = true, false
			s.status = duvo.StatusPending
			return op.maySave()
		}
		inDoubt := duvo.MayHaveTakenEffect(err)
		f.Doubtful, f.Late = doubtful || inDoubt, inDoubt && isLocal(err)
		op.eng.log.Warn("duvotool: posting a message", "job", s.id, "operation", op.key, "error", hitl.SafeLine(err.Error(), 500))
		if !inDoubt && !op.againAfter(err, attempt) {
			return false
		}
	}
}

// gather notes what the Job has been told up to now. It returns false if the run
// has ended, because with the message it would be more than anybody can check.
func (op *operation) gather(count int, users []string) bool {
	f := op.job.followUp
	f.After = count
	f.gather(op.inputNow(), users)
	if limit := op.work.Settings.MaxInput; len(f.Added) > limit {
		op.failAs(&outcome.InputError{Tool: op.work.Name, Problem: fmt.Sprintf("with this message %d bytes would have been added to Job %s since its start, and at most %d are allowed; start a new Job",
			len(f.Added), hitl.SafeLine(op.job.id, 64), limit)})
		return false
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	op.added = f.Added
	return true
}

// takesStill reads the Job again where its last read is no longer just before,
// because recording what is to be sent took long. It returns when the last read
// began, and whether the Job may be sent a message.
func (op *operation) takesStill(read time.Time, takes func(duvo.Status) bool) (time.Time, bool) {
	if time.Since(read) <= staleRead {
		return read, op.run.ctx.Err() == nil
	}
	read = time.Now()
	job, err := op.readJob(op.run.ctx, op.job.id)
	return read, err == nil && op.run.ctx.Err() == nil && takes(job.Status)
}

// errTakesNothing is a message that was not posted, because the Job takes none any
// more, or that cannot be read.
var errTakesNothing = unsent{errors.New("the Job takes no messages now")}

type unsent struct{ error }

func (unsent) NoEffect() bool { return true }

// postTo posts a message to the Job of the operation, which takes one as it was
// read. What does not begin in time is tried again from another read, some times.
func (op *operation) postTo(m messenger, read time.Time, takes func(duvo.Status) bool, text, key string) error {
	for attempt := 1; ; attempt++ {
		var ok bool
		if read, ok = op.takesStill(read, takes); !ok {
			return errTakesNothing
		}
		err := op.send(read.Add(staleRead), func(ctx context.Context) error {
			_, err := m.PostMessage(ctx, op.job.id, text, key)
			return err
		})
		if !wasTooLate(err) || attempt == startAttempts {
			return err
		}
	}
}

// againAfter waits after an attempt that did nothing, or ends the run if another
// is of no use.
func (op *operation) againAfter(err error, attempt int) bool {
	s := &op.job
	switch {
	case errors.Is(err, duvo.ErrNotFound):
		op.settle(outcome.OutcomeGone, nil)
	case s.followUp.Doubtful && time.Since(s.followUp.FirstAt) > startDoubtMax:
		op.unknown("its message was sent, and no answer told whether it was taken")
	case !duvo.Temporary(err), attempt >= startAttempts && !s.followUp.Doubtful:
		op.fail(err)
	default:
		return op.pause(err, attempt, false)
	}
	return false
}

// settleFollowUp waits until an attempt in doubt must have taken effect, if it
// ever does, and looks whether it has. It returns false if the run has ended.
func (op *operation) settleFollowUp() bool {
	f := op.job.followUp
	settle := op.eng.cfg.Settle
	if f.Late {
		settle += op.eng.cfg.PostTimeout
	}
	t := time.NewTimer(max(0, time.Until(f.SentAt.Add(settle))))
	select {
	case <-t.C:
	case <-op.run.ctx.Done():
		t.Stop()
	}
	for attempt := 1; ; attempt++ {
		n := 0
		var failed error
		for m, err := range op.eng.backend.Messages(op.run.ctx, op.job.id) {
			if failed = err; err != nil || op.run.ctx.Err() != nil {
				break
			}
			if n++; n > f.After && m.Role == "user" && m.Text == f.Message {
				f.Posted, f.Doubtful = true, false
				break
			}
		}
		switch {
		case op.cancelled():
			return false
		case failed == nil:
			return true
		case !op.againAfter(failed, attempt):
			return false
		}
	}
}

// countMessages counts the Job's messages and returns the texts of those from
// users, as far as they can still be too many.
func (op *operation) countMessages() (n int, users []string, err error) {
	size := 0
	for m, err := range op.eng.backend.Messages(op.run.ctx, op.job.id) {
		if err != nil {
			return 0, nil, err
		}
		if n++; n > op.work.Settings.MaxMessages {
			return 0, nil, fmt.Errorf("the Job has more than %d messages", op.work.Settings.MaxMessages)
		}
		if m.Role == "user" && m.Text != "" && size <= 2*op.work.Settings.MaxInput {
			users, size = append(users, m.Text), size+len(m.Text)
		}
	}
	return n, users, nil
}
