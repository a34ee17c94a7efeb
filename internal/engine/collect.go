package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/outcome"
)

// liveMessages tells the observer what the Job has said since the last time. It
// returns true if the run has ended.
func (op *operation) liveMessages(job duvo.Job) bool {
	s := &op.job
	if !op.work.Settings.LiveMessages {
		return false
	}
	if s.live == nil {
		s.live = &liveState{}
	}
	if !job.UpdatedAt.IsZero() && !job.UpdatedAt.After(s.live.read) {
		return false
	}
	n := 0
	for m, err := range op.eng.backend.Messages(duvo.WithPriority(op.run.ctx, duvo.Background), s.id) {
		if op.cancelled() {
			return true
		}
		if err != nil {
			op.eng.log.Warn("duvotool: reading the messages of a Job", "job", s.id, "error", hitl.SafeLine(err.Error(), 500))
			return false // it is only progress
		}
		if n++; n > op.work.Settings.MaxMessages {
			break
		}
		op.tellMessage(n, m)
	}
	s.live.read = job.UpdatedAt
	return op.cancelled()
}

// tellMessage tells the observer of the nth message, once.
func (op *operation) tellMessage(n int, m duvo.Message) {
	s := &op.job
	if !op.work.Settings.LiveMessages {
		return
	}
	if s.live == nil {
		s.live = &liveState{}
	}
	if n > s.live.told {
		s.live.told = n
		m = clone.Message(m)
		op.tell(outcome.Event{Kind: outcome.EventMessage, JobID: s.id, Status: s.status, Message: &m})
	}
}

// conclude reads all messages of a Job that has ended.
func (op *operation) conclude(job duvo.Job) {
	s := &op.job
	op.at(outcome.PhaseCollecting, s.id)
	op.nothingPending()
	var messages []duvo.Message
	var size int64
	for m, err := range op.eng.backend.Messages(duvo.WithPriority(op.run.ctx, duvo.Background), s.id) {
		if op.cancelled() {
			return
		}
		if errors.Is(err, duvo.ErrNotFound) {
			op.addNote("its messages are no longer there")
			break
		}
		if err != nil && op.readAgain(err) {
			op.eng.log.Warn("duvotool: reading the messages of a Job", "job", s.id, "error", hitl.SafeLine(err.Error(), 500))
			s.watch.Retry()
			return
		}
		if err != nil {
			op.fail(err)
			return
		}
		size += int64(len(m.Text))
		if m.ToolCall != nil {
			size += int64(len(m.ToolCall.Arguments))
		}
		if m.ToolResult != nil {
			size += int64(len(m.ToolResult.Result))
		}
		if len(messages) >= op.work.Settings.MaxMessages || size > op.work.Settings.MaxOutput {
			op.addNote("it has more messages than are read; the output may not be its last word")
			break
		}
		messages = append(messages, clone.Message(m))
		op.tellMessage(len(messages), m)
	}
	if op.cancelled() || op.tellReasons(job.Status) || op.checkAnswer(job.Status, messages) {
		return
	}
	op.settle(outcomeOf(job.Status), messages)
}

// tellReasons posts the reasons of denials to a Job that has ended, once, if
// that is wished for. It returns true if the Job runs on, or the run has ended.
func (op *operation) tellReasons(status duvo.Status) bool {
	s := &op.job
	text := s.reasons()
	messenger, ok := op.eng.backend.(messenger)
	if !op.work.Settings.TellReason || s.told || !ok || text == "" || !takesMessages(status) {
		return false
	}
	// A message resumes whatever waits, so the Job is read just before.
	read := time.Now()
	job, err := op.readJob(op.run.ctx, s.id)
	if op.cancelled() {
		return true
	}
	if err != nil || !takesMessages(job.Status) {
		op.addNote("the reasons of denials were not told to the Job")
		return false
	}
	s.told = true
	if !op.mustSave() || op.cancelled() {
		return true
	}
	err = op.postTo(messenger, read, takesMessages, text, "duvotool-"+digest.Of("reasons", s.id))
	if err != nil {
		op.eng.log.Warn("duvotool: telling a Job the reasons of denials", "job", s.id, "error", hitl.SafeLine(err.Error(), 500))
		if !duvo.MayHaveTakenEffect(err) {
			op.addNote("the reasons of denials could not be told to the Job")
			return op.cancelled()
		}
		op.addNote("whether the Job was told the reasons of denials is not known")
	}
	s.watch.Alive(false)
	s.watch.Schedule(op.timeLeft())
	return true
}

// takesMessages reports whether a message to a Job in this status walks past
// nothing.
func takesMessages(s duvo.Status) bool {
	return s == duvo.StatusCompleted || s == duvo.StatusInterrupted
}

// reasons returns the reasons of the denials that reached the Job.
func (s *jobState) reasons() string {
	var b strings.Builder
	for _, e := range s.entries {
		if e.Verdict == hitl.Denied && e.Reason != "" && (e.Delivery == hitl.Accepted || e.Delivery == hitl.Unconfirmed) {
			what := "denied"
			if e.Source == hitl.SourceTimeout {
				what = "not approved in time"
			}
			fmt.Fprintf(&b, "The request %q was %s: %s\n", hitl.SafeLine(e.Title, 200), what, hitl.SafeLine(e.Reason, 1000))
		}
	}
	return strings.TrimSpace(b.String())
}

// unknown ends the run because nobody can tell whether a Job was started.
func (op *operation) unknown(why string) {
	op.addNote(why)
	op.eng.log.Error("duvotool: cannot tell whether a Job was started; a person must look", "assignment", op.work.Assignment.ID, "operation", op.key)
	op.settle(outcome.OutcomeUnknown, nil)
}

// settle ends the run with an outcome.
func (op *operation) settle(o outcome.Outcome, messages []duvo.Message) {
	res := op.resultSoFar(o)
	if f := op.job.followUp; f != nil {
		messages = messages[min(f.After, len(messages)):] // since then
	}
	res.Messages, res.Output = messages, lastWords(messages)
	if a := op.job.answer; a != nil {
		res.Data = a.data
	}
	if op.work.Settings.FollowUps && (o == outcome.OutcomeCompleted || o == outcome.OutcomeInterrupted) {
		res.Handle = op.detach(op.run)
	}
	op.finish(res)
}

func (s *jobState) decisions() []hitl.DecisionEntry {
	var out []hitl.DecisionEntry
	for _, e := range s.entries {
		out = append(out, e.Clone())
	}
	return out
}

func (op *operation) addNote(note string) { op.job.note = joinNotes(op.job.note, note) }

func joinNotes(a, b string) string {
	switch {
	case a == "":
		return b
	case strings.Contains("; "+a+"; ", "; "+b+"; "): // so calls that come back do not lengthen it
		return a
	}
	return a + "; " + b
}

// stopJob asks for the Job to be stopped and reads what came of it: a success
// proves nothing, and a Job that completed meanwhile has completed. It returns
// the last read, nil if there was none.
func (op *operation) stopJob() *duvo.Job {
	stopper, ok := op.eng.backend.(stopper)
	if !ok {
		return nil
	}
	s := &op.job
	if s.stopping = true; op.save(nil) != nil {
		op.addNote("that it is to be stopped could not be recorded")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(op.run.ctx), op.eng.cfg.PostTimeout)
	defer cancel()
	if err := stopper.StopJob(ctx, s.id); err != nil {
		op.eng.log.Warn("duvotool: stopping a Job", "job", s.id, "error", hitl.SafeLine(err.Error(), 500))
	}
	var last *duvo.Job
	for pause := 100 * time.Millisecond; ; pause *= 2 {
		job, err := op.readJob(ctx, s.id)
		if err == nil {
			last, s.status = &job, job.Status
			if job.Status.Terminal() {
				return last
			}
		}
		if pause > 2*time.Second || ctx.Err() != nil {
			break
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
	op.addNote("stopping the Job was asked for, but it has not ended")
	return last
}
