package engine

import (
	"encoding/json"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/schema"
)

// answerState is what is known of a Job's typed answer. The exported fields
// outlast the process.
type answerState struct {
	data      json.RawMessage // what fits OutputOf; nil: nothing does
	Corrected time.Time       `json:"corrected,omitzero"` // when the correction was posted, or perhaps so; zero: not
	Seen      int             `json:"seen,omitempty"`     // messages that the Job had then
}

// checkAnswer looks for what OutputOf asks for in the last words of a Job that
// has ended, and asks once for a correction if that is wished for. It returns
// true if the Job runs on, or the run has ended.
func (op *operation) checkAnswer(status duvo.Status, messages []duvo.Message) bool {
	s, want := &op.job, op.work.Settings.Output
	if want == nil {
		return false
	}
	if s.answer == nil {
		s.answer = &answerState{}
	}
	a := s.answer
	a.data = nil
	if status != duvo.StatusCompleted {
		if !a.Corrected.IsZero() {
			op.addNote("it had completed, and ended so after it was asked to correct the form of its answer")
		}
		return false
	}
	if f := s.followUp; f != nil { // talk goes on as people do: what fits is taken, and nothing is asked for
		a.data, _ = want.Find(lastWords(messages[min(f.After, len(messages)):]))
		return false
	}
	var problem string
	if a.data, problem = want.Find(lastWords(messages)); a.data != nil {
		return false
	}
	if !a.Corrected.IsZero() {
		silent := len(messages) <= a.Seen || lastWords(messages[a.Seen:]) == ""
		if left := op.eng.cfg.Settle - time.Since(a.Corrected); silent && left > 0 {
			s.watch.Schedule(left) // it may not have begun to answer
			return true
		}
		op.addNote("its answer is not what was asked for, also after it was asked to correct it: " + problem)
		return false
	}
	if op.work.Settings.Correct && op.correct(problem, len(messages)) {
		return true
	}
	op.addNote("its answer is not what was asked for: " + problem)
	return false
}

// correct posts a message that asks for an answer in the right form, once. It
// returns false if it was not sent, and the run goes on.
func (op *operation) correct(problem string, seen int) bool {
	s := &op.job
	messenger, ok := op.eng.backend.(messenger)
	if !ok {
		return false
	}
	// A message resumes whatever waits, so the Job is read just before.
	read := time.Now()
	job, err := op.readJob(op.run.ctx, s.id)
	if op.cancelled() {
		return true
	}
	if err != nil || job.Status != duvo.StatusCompleted {
		op.addNote("it could not be asked to correct its answer")
		return false
	}
	a := s.answer
	a.Corrected, a.Seen = time.Now(), seen
	if !op.mustSave() || op.cancelled() {
		a.Corrected = time.Time{} // as far as this process goes
		return true
	}
	text := correction(problem, op.work.Settings.Output.Schema)
	err = op.postTo(messenger, read, func(s duvo.Status) bool { return s == duvo.StatusCompleted }, text, "duvotool-"+digest.Of("correct", s.id))
	if err != nil {
		op.eng.log.Warn("duvotool: asking a Job to correct its answer", "job", s.id, "error", hitl.SafeLine(err.Error(), 500))
		if !duvo.MayHaveTakenEffect(err) {
			op.addNote("it could not be asked to correct its answer")
			return op.cancelled()
		}
	}
	s.watch.Alive(false)
	s.watch.Schedule(op.timeLeft())
	return true
}

func correction(problem string, s *schema.Schema) string {
	return "Your work is done; only the form of your last answer cannot be used: " + problem + ".\n" +
		"Do no work again and start nothing new. Give the same answer once more, as one JSON value and no other words, " +
		"fitting this JSON Schema:\n" + string(s.JSON())
}

// How much of an answer is read as JSON, in bytes.
const (
	maxWhole    = 8 << 20  // of an answer that is nothing but JSON
	maxSearched = 1 << 20  // at the end of one that has JSON in it
	maxTried    = 16 << 20 // for what proves not to be JSON
)
