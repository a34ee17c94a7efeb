package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/outcome"
)

// slowAtEnd is for how long a Job that has ended is read at the usual pace while its
// messages are: it seldom goes on.
const slowAtEnd = time.Minute

// collect reads the messages of the Job: of one that has ended, or to find out what
// was said to it up to now.
func (op *operation) collect(r *run, s *lifecycle.State, f lifecycle.Collect) {
	failed := func(err error) lifecycle.Event {
		if r.abandoned() == nil { // else we have cut it short
			op.logger(f.Job).Warn("duvotool: reading the messages of a Job", "error", hitl.SafeLine(err.Error(), 500))
		}
		r.note(lifecycle.CauseGivenUp, err)
		return lifecycle.Collected{Name: f.Name, Failed: classOf(err)}
	}
	if w := r.watching(); w != nil && s.Record.Stage != lifecycle.Posting {
		w.Slow(slowAtEnd)
	}
	op.do(func() lifecycle.Event {
		if s.Record.Stage == lifecycle.Posting {
			return op.searchMessages(r, s, f, failed)
		}
		messages, full, err := op.readMessages(r, f.Job)
		large := errors.Is(err, duvo.ErrTooLarge) // by itself, and the next time too: smaller pages were tried
		if err != nil && !large {
			return failed(err)
		}
		after := min(f.After, len(messages))
		e := lifecycle.Collected{Name: f.Name, Count: len(messages) - after, Output: duvo.LastAnswer(messages[after:])}
		e.Part = transcriptOf(messages[after:])
		op.checkAnswer(&e, &s.Record, messages)
		if large {
			op.logger(f.Job).Warn("duvotool: a message of a Job is larger than is taken", "after", len(messages))
			e.Note = "one of its messages is larger than this program takes; neither it nor what follows was read, so the output may not be its last word"
			e.Problem, e.Correct, e.Data = "", "", nil
		}
		if full {
			e.Note = "it has more messages than are read; the output may not be its last word"
		}
		if statusOf(s) == duvo.StatusFailed {
			if why := duvo.FailureReason(messages[after:]); why != "" {
				e.Note = joinNotes(e.Note, "Duvo tells why: "+hitl.SafeLine(why, 500))
			}
		}
		return e
	}, failed)
}

// readMessages reads all messages of a Job, as far as the bounds allow.
func (op *operation) readMessages(r *run, job string) (messages []duvo.Message, full bool, err error) {
	u := r.undertake()
	defer r.done(u)
	var size int64
	for m, err := range op.eng.backend.Messages(duvo.WithPriority(u.ctx, duvo.Background), job) {
		if err != nil {
			return messages, false, err
		}
		size += m.Size()
		if len(messages) >= op.work.Settings.MaxMessages || size > op.work.Settings.MaxOutput {
			return messages, true, nil
		}
		if messages == nil {
			messages = make([]duvo.Message, 0, 24) // most Jobs say more than a few words
		}
		messages = append(messages, clone.Message(m))
		op.tellMessage(r, len(messages), m)
	}
	return messages, false, nil
}

// searchMessages counts the messages that stand before one that is to be posted, or
// looks for it.
func (op *operation) searchMessages(r *run, s *lifecycle.State, f lifecycle.Collect, failed func(error) lifecycle.Event) lifecycle.Event {
	u := r.undertake()
	defer r.done(u)
	n, size := 0, 0
	var users []string
	for m, err := range op.eng.backend.Messages(u.ctx, f.Job) {
		if err != nil {
			return failed(err)
		}
		if n++; n > op.work.Settings.MaxMessages {
			return failed(fmt.Errorf("the Job has more than %d messages", op.work.Settings.MaxMessages))
		}
		if m.Role != "user" || m.Text == "" {
			continue
		}
		if f.Find != "" && n > f.After && m.Text == f.Find {
			return lifecycle.Collected{Name: f.Name, Count: max(n-f.After, 0), Found: true}
		}
		if size <= 2*op.work.Settings.MaxInput {
			users, size = append(users, m.Text), size+len(m.Text)
		}
	}
	e := lifecycle.Collected{Name: f.Name, Count: max(n-f.After, 0)}
	if o := s.Record.Order; o.After != nil && f.Find == "" {
		e.Added = gathered(o, users)
		if limit := op.work.Settings.MaxInput; len(e.Added) > limit {
			e.Problem = tooMuchSaid(op.continues(), len(e.Added), limit)
			r.note(lifecycle.CauseRefused, &outcome.InputError{Tool: op.work.Name, Problem: e.Problem})
		}
	}
	return e
}

func tooMuchSaid(job string, n, limit int) string {
	return fmt.Sprintf("with this message %d bytes would have been added to Job %s since its start, and at most %d are allowed; start a new Job",
		n, hitl.SafeLine(job, 64), limit)
}

// gathered is what messages will have added to a Job with a follow-up, as the texts
// of its users tell: the Result that is continued may be of an earlier turn, and
// what was said since must not be lost on those who decide. What only the Result
// knows stays.
func gathered(o *lifecycle.Order, users []string) string {
	if len(users) > 0 && strings.TrimSpace(users[0]) == strings.TrimSpace(o.Input) {
		users = users[1:]
	}
	all := strings.Join(users, turnBreak)
	if known := o.After.Known; known != "" && !strings.Contains(all, known) {
		all = strings.TrimSuffix(known+turnBreak+all, turnBreak)
	}
	return strings.TrimPrefix(all+turnBreak+o.After.Text, turnBreak)
}

// turnBreak stands between what one message has added and the next.
const turnBreak = "\n\n"

// checkAnswer looks for what OutputOf asks for in the last words of a Job that has
// ended.
func (op *operation) checkAnswer(e *lifecycle.Collected, rec *lifecycle.Record, messages []duvo.Message) {
	want := op.work.Settings.Output
	if want == nil || duvo.Status(rec.Status) != duvo.StatusCompleted {
		return
	}
	after := 0
	if rec.Order.After != nil { // talk goes on as people do: what fits is taken, and nothing is asked for
		after = rec.Earlier
	}
	data, problem := want.Find(duvo.LastAnswer(messages[min(after, len(messages)):]))
	e.Data = data
	if data != nil || rec.Order.After != nil {
		return
	}
	e.Problem, e.Correct = problem, correction(problem, want.Schema)
	if m := rec.Message(); m.Kind == lifecycle.CorrectMessage {
		e.Silent = len(messages) <= m.After || duvo.LastAnswer(messages[m.After:]) == ""
	}
}

func correction(problem string, s *schema.Schema) string {
	return "Your work is done; only the form of your last answer cannot be used: " + problem + ".\n" +
		"Do no work again and start nothing new. Give the same answer once more, as one JSON value and no other words, " +
		"fitting this JSON Schema:\n" + string(s.JSON())
}

// outcomeOf maps a terminal status.
func outcomeOf(s duvo.Status) outcome.Outcome {
	switch s {
	case duvo.StatusCompleted:
		return outcome.OutcomeCompleted
	case duvo.StatusFailed:
		return outcome.OutcomeFailed
	case duvo.StatusInterrupted:
		return outcome.OutcomeInterrupted
	}
	return outcome.OutcomeStopped
}

// tellLive tells the observer what the Job has said since the last time.
func (op *operation) tellLive(r *run, job duvo.Job) {
	if !op.work.Settings.LiveMessages || job.Status.Terminal() {
		return
	}
	r.mu.Lock()
	live := &r.moreLocked().live
	skip := live.reading || !job.UpdatedAt.IsZero() && !job.UpdatedAt.After(live.read)
	live.reading = live.reading || !skip
	r.mu.Unlock()
	if skip {
		return
	}
	done := func() lifecycle.Event {
		r.mu.Lock()
		defer r.mu.Unlock()
		live.reading = false
		return nil
	}
	op.doApart(func() lifecycle.Event {
		defer done()
		_, _, err := op.readMessages(r, job.ID)
		if err != nil { // it is only progress
			op.logger(job.ID).Warn("duvotool: reading the messages of a Job", "error", hitl.SafeLine(err.Error(), 500))
			return nil
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		live.read = job.UpdatedAt
		return nil
	}, func(error) lifecycle.Event { return nil })
}

// tellMessage tells the observer of the nth message, once.
func (op *operation) tellMessage(r *run, n int, m duvo.Message) {
	if !op.work.Settings.LiveMessages {
		return
	}
	r.mu.Lock()
	live := &r.moreLocked().live
	fresh := n > live.told
	if fresh {
		live.told = n
	}
	r.mu.Unlock()
	if fresh {
		shown := clone.Message(m)
		s := op.latest()
		op.tell(r, outcome.Event{Kind: outcome.EventMessage, JobID: s.Record.Job, Status: statusOf(s), Message: &shown})
	}
}
