package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
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

func (f *followUp) same(g *followUp) bool {
	if f == nil || g == nil {
		return f == g
	}
	return strings.EqualFold(f.JobID, g.JobID) && f.Turn == g.Turn
}

// stale reports whether a read does not show yet that the message was posted.
func (f *followUp) stale(job duvo.Job) bool {
	return f != nil && !f.Before.IsZero() && !job.UpdatedAt.After(f.Before) && time.Since(f.SentAt) < followUpLag
}

// followUpLag is how long reads may take to show a message that was posted.
const followUpLag = 30 * time.Second

// Continue posts a message to the Job of a Result, which must have completed or
// been interrupted, and waits for its next end; the new Result tells what was
// said since. A Job that waits for a person or runs is sent nothing: a message
// would walk past what it waits for. It needs a backend that is a
// [JobMessenger].
//
// It is an operation like a call: it has an operation key, by the context or
// fresh, the message is posted once, and the policy is asked about what the Job
// wants to know. With [WithOperationScope] the same message after the same Result
// is the same operation. [OncePerScope] does not count it.
//
// What the Job was started with stays [hitl.Request.Input]; the message is in
// [hitl.Request.FollowUp], with those before it. Rules and grants hold for such
// requests only where they say so, see [hitl.Rule.AfterFollowUps]. A tool that takes
// arguments, see [InputOf], takes only such arguments as messages too, checked
// and rendered as those of a call; all else is an [*outcome.InputError]. So is a message
// by which more would be added to the Job than [WithMaxInput] lets a call have.
func (r *Registry) Continue(ctx context.Context, after *outcome.Result, message string) (*outcome.Result, error) {
	if after == nil || after.JobID == "" || after.Assignment.ID == "" {
		return nil, fmt.Errorf("%w: there is no Job to go on with", duvo.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return nil, &outcome.JobError{Phase: outcome.PhaseNew, JobID: after.JobID, Assignment: after.Assignment.Name, Err: context.Cause(ctx)}
	}
	t, err := r.toolFor(after.Assignment, "")
	if err != nil {
		return nil, err
	}
	if _, ok := r.eng.backend.(JobMessenger); !ok {
		return nil, fmt.Errorf("duvotool: the backend %T cannot post messages", r.eng.backend)
	}
	if after.Outcome != outcome.OutcomeCompleted && after.Outcome != outcome.OutcomeInterrupted {
		return nil, &outcome.InputError{Tool: t.work.name, Problem: fmt.Sprintf("Job %s has not ended so that it could go on: its outcome is %s", hitl.SafeLine(after.JobID, 64), after.Outcome)}
	}
	if message, err = t.followUpMessage(message); err != nil {
		return nil, err
	}
	if err := t.checkInput(message); err != nil {
		return nil, err
	}
	return r.eng.run(ctx, t.work, message, &followUp{JobID: after.JobID, Turn: after.Key, Message: message, start: after.Input, Known: after.FollowUp})
}

// followUpMessage turns what is to be said to a Job into the message. To a typed
// tool's Jobs only arguments can be said: what was checked at the start would
// else be undone by what follows.
func (t *Tool) followUpMessage(text string) (string, error) {
	message, err := t.inputMessage(text)
	var bad *outcome.InputError
	if t.input != nil && errors.As(err, &bad) {
		return "", &outcome.InputError{Tool: t.work.name, Problem: "what follows on a call of this tool must be arguments like those of the call, as JSON and with nothing beside it: " + bad.Problem}
	}
	return message, err
}

// postFollowUp posts the message, once. It returns false if the run has ended or
// goes on from another's record.
func (op *operation) postFollowUp() bool {
	s := &op.job
	f := s.followUp
	if !op.eng.ops.converse(op, true) {
		op.failAs(&outcome.InputError{Tool: op.work.name, Problem: fmt.Sprintf("Job %s is being talked to by another call; wait for its end", hitl.SafeLine(s.id, 64))})
		return false
	}
	if f.Posted {
		return true
	}
	f.Late = f.Doubtful // whoever sent it
	messenger, ok := op.eng.backend.(JobMessenger)
	if !ok {
		op.fail(fmt.Errorf("the backend %T cannot post messages", op.eng.backend))
		return false
	}
	op.at(outcome.PhaseStarting, s.id)
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
			op.failAs(&outcome.InputError{Tool: op.work.name, Problem: fmt.Sprintf("Job %s is %s, so nothing was said to it; it can go on once it has ended", hitl.SafeLine(s.id, 64), hitl.SafeLine(string(job.Status), 40))})
			return false
		}
		if !f.Doubtful && !op.gather(count, users) {
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
		if !op.takesStill(read, takesMessages) {
			f.SentAt, f.Doubtful = sentAt, doubtful
			if !op.pause(nil, attempt, doubtful) {
				return false
			}
			continue
		}
		err = op.send(func(ctx context.Context) error {
			_, err := messenger.PostMessage(ctx, s.id, f.Message, "duvotool-"+hash("message", op.caller.Tenant, op.key, s.id))
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
	if limit := op.work.cfg.maxInput; len(f.Added) > limit {
		op.failAs(&outcome.InputError{Tool: op.work.name, Problem: fmt.Sprintf("with this message %d bytes would have been added to Job %s since its start, and at most %d are allowed; start a new Job",
			len(f.Added), hitl.SafeLine(op.job.id, 64), limit)})
		return false
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	op.added = f.Added
	return true
}

// takesStill reads the Job again where its last read is no longer just before,
// because recording what is to be sent took long. It reports whether the Job may
// be sent a message.
func (op *operation) takesStill(read time.Time, takes func(duvo.Status) bool) bool {
	if time.Since(read) <= staleRead {
		return true
	}
	job, err := op.readJob(op.run.ctx, op.job.id)
	return err == nil && op.run.ctx.Err() == nil && takes(job.Status)
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
	settle := op.eng.cfg.settle
	if f.Late {
		settle += op.eng.cfg.postTimeout
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
		if n++; n > op.work.cfg.maxMessages {
			return 0, nil, fmt.Errorf("the Job has more than %d messages", op.work.cfg.maxMessages)
		}
		if m.Role == "user" && m.Text != "" && size <= 2*op.work.cfg.maxInput {
			users, size = append(users, m.Text), size+len(m.Text)
		}
	}
	return n, users, nil
}

// ContinueTool returns the tool continue_job, with which the model goes on with
// a Job that has ended; see [WithFollowUps]. It is among [Registry.Tools] if any
// tool has that option. Like check_job it knows the handles that the same
// tenant, user and operation scope were given, and no Job IDs.
func (r *Registry) ContinueTool() tools.Tool { return &continueTool{r} }

// handleAnyCase finds a handle as a model may write it, and where it stands.
var handleAnyCase = regexp.MustCompile(`(?i)job-[a-z2-7]{26}`)

type continueTool struct{ reg *Registry }

func (c *continueTool) Name() string { return outcome.ContinueTool }

func (c *continueTool) Description() string {
	return "Goes on with a Job that has ended: says something to its worker, who remembers what was done, and waits for the answer. The input is the handle that the Job's tool gave, such as job-abcdefghijklmnopqrstuvwxyz, then a space and the message. " + typedFollowUps
}

// typedFollowUps tells a model what it may say to the Jobs of typed tools.
const typedFollowUps = "To a Job of a tool that takes arguments, the message is such arguments again, as JSON and with nothing beside it."

// FunctionDescription is Description for agents that offer the Schema.
func (c *continueTool) FunctionDescription() string {
	return "Goes on with a Job that has ended: says something to its worker, who remembers what was done, and waits for the answer. " + typedFollowUps
}

// Schema is the JSON Schema of the arguments, for agents that show it.
func (c *continueTool) Schema() json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{"handle":{"type":"string","description":"The handle that the Job's tool gave"},"message":{"type":"string","description":"What to say to the worker: plain words, or, where the Job's tool takes arguments, such arguments as JSON"}},"required":["handle","message"],"additionalProperties":false}`)
}

// CallArguments is Call with the arguments of Schema.
func (c *continueTool) CallArguments(ctx context.Context, args json.RawMessage) (string, error) {
	var in struct{ Handle, Message string }
	if err := json.Unmarshal(args, &in); err != nil {
		return `The arguments must be an object with the texts "handle" and "message".`, nil
	}
	if !handleAnyCase.MatchString(in.Handle) {
		return c.say(ctx, in.Handle) // a handle in the message may be a Job's words
	}
	return c.say(ctx, in.Handle+" "+in.Message)
}

func (c *continueTool) Call(ctx context.Context, input string) (string, error) {
	return c.say(ctx, react.Input(input))
}

func (c *continueTool) say(ctx context.Context, input string) (string, error) {
	end := c.reg.callbackStart(ctx, input)
	out, err := c.call(ctx, input)
	end(out, err)
	return out, err
}

func (c *continueTool) call(ctx context.Context, text string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", &outcome.JobError{Phase: outcome.PhaseNew, Err: context.Cause(ctx)}
	}
	if c.reg.eng.life.IsClosed() {
		return "", &outcome.JobError{Phase: outcome.PhaseNew, Err: outcome.ErrClosed}
	}
	at := handleAnyCase.FindStringIndex(text)
	if at == nil {
		return "The input holds no handle. Give the handle that the Job's tool gave, such as job-abcdefghijklmnopqrstuvwxyz, and then the message.", nil
	}
	handle, message := strings.ToLower(text[at[0]:at[1]]), strings.TrimLeft(text[at[1]:], " \t\r\n:,-")
	op, err := c.reg.eng.ops.byBearer(ctx, handle)
	if err != nil {
		return "", &outcome.JobError{Phase: outcome.PhaseNew, Err: err}
	}
	if op == nil || !op.work.cfg.followUps {
		return fmt.Sprintf("There is no Job with the handle %s in this conversation that could go on.", handle), nil
	}
	op.mu.Lock()
	after := op.result
	op.mu.Unlock()
	if after == nil {
		return "Nothing was said to the Job: it has not ended.", nil
	}
	res, err := c.reg.Continue(ctx, after, message)
	var bad *outcome.InputError
	switch {
	case errors.As(err, &bad):
		return "Nothing was said to the Job: " + bad.Problem + ".", nil
	case err != nil:
		return "", err
	}
	return res.Observation(), nil
}
