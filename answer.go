package duvotool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safetext"
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
	s, want := &op.job, op.work.cfg.output
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
		a.data, _ = want.find(lastWords(messages[min(f.After, len(messages)):]))
		return false
	}
	var problem string
	if a.data, problem = want.find(lastWords(messages)); a.data != nil {
		return false
	}
	if !a.Corrected.IsZero() {
		silent := len(messages) <= a.Seen || lastWords(messages[a.Seen:]) == ""
		if left := op.eng.cfg.settle - time.Since(a.Corrected); silent && left > 0 {
			s.watch.Schedule(left) // it may not have begun to answer
			return true
		}
		op.addNote("its answer is not what was asked for, also after it was asked to correct it: " + problem)
		return false
	}
	if op.work.cfg.correct && op.correct(problem, len(messages)) {
		return true
	}
	op.addNote("its answer is not what was asked for: " + problem)
	return false
}

// correct posts a message that asks for an answer in the right form, once. It
// returns false if it was not sent, and the run goes on.
func (op *operation) correct(problem string, seen int) bool {
	s := &op.job
	messenger, ok := op.eng.backend.(JobMessenger)
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
	if !op.takesStill(read, func(s duvo.Status) bool { return s == duvo.StatusCompleted }) {
		op.addNote("it could not be asked to correct its answer")
		return op.cancelled()
	}
	text := correction(problem, op.work.cfg.output.schema)
	err = op.send(func(ctx context.Context) error {
		_, err := messenger.PostMessage(ctx, s.id, text, "duvotool-"+hash("correct", s.id))
		return err
	})
	if err != nil {
		op.eng.log.Warn("duvotool: asking a Job to correct its answer", "job", s.id, "error", hitl.SafeLine(err.Error(), 500))
		if !duvo.MayHaveTakenEffect(err) {
			op.addNote("it could not be asked to correct its answer")
			return false
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

// codeBlock is a fenced block anywhere in a text.
var codeBlock = regexp.MustCompile("(?s)```[a-zA-Z0-9]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```")

// find returns the JSON in a Job's answer that fits: the whole answer, a fenced
// block, or the last object or list in it. If there is none it tells why, in
// words that hold nothing of the Job's but names.
func (o *outputSpec) find(answer string) (data json.RawMessage, problem string) {
	try := func(text string) bool {
		v, err := schema.Decode([]byte(text))
		if err != nil {
			return false
		}
		v = o.schema.Tidy(v, false)
		wrong := o.schema.Check(v, "the answer", false)
		if wrong == "" {
			canonical := schema.Canonical(v)
			if err := o.decodes(canonical); err != nil {
				wrong = err.Error()
			} else {
				data = canonical
				return true
			}
		}
		if problem == "" {
			problem = wrong // of the likeliest candidate
		}
		return false
	}
	answer = strings.ToValidUTF8(strings.TrimSpace(answer), "\ufffd")
	if answer == "" {
		return nil, "there is none"
	}
	if len(answer) <= maxWhole && try(answer) {
		return data, ""
	}
	if len(answer) > maxSearched {
		answer = strings.ToValidUTF8(answer[len(answer)-maxSearched:], "\ufffd")
	}
	blocks := codeBlock.FindAllStringSubmatch(answer, -1)
	for i := len(blocks) - 1; i >= 0; i-- {
		if try(blocks[i][1]) {
			return data, ""
		}
	}
	last := lastJSON(answer)
	for i := len(last) - 1; i >= 0; i-- {
		if try(last[i]) {
			return data, ""
		}
	}
	if problem == "" {
		problem = "it holds no JSON"
	}
	return nil, safetext.OneLine(problem, maxProblem)
}

// decodes reports why JSON that fits the schema does not decode, if so.
func (o *outputSpec) decodes(data []byte) error {
	return guard.Run(errRenderPanic, func() error { return o.check(data) })
}

// lastJSON returns the last few objects and lists in a text, outermost ones
// only.
func lastJSON(text string) []string {
	var found []string
	for at, budget := 0, maxTried; budget > 0; {
		i := strings.IndexAny(text[at:], "{[")
		if i < 0 {
			break
		}
		at += i
		var raw json.RawMessage
		dec := json.NewDecoder(strings.NewReader(text[at:]))
		err := dec.Decode(&raw)
		if err == nil {
			found = append(found, string(bytes.TrimSpace(raw)))
			if len(found) > 8 {
				found = found[1:]
			}
			at += int(dec.InputOffset())
			continue
		}
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax):
			budget -= int(syntax.Offset) + 64
		case errors.Is(err, io.ErrUnexpectedEOF):
			budget -= len(text) - at
		default:
			return found
		}
		at++
	}
	return found
}
