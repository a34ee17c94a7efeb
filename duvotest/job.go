package duvotest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// job is the state of a Job. It is guarded by Duvo.mu.
type job struct {
	d       *Duvo
	a       *assignment
	id      string
	buildID string
	number  int
	input   string
	key     string // the Idempotency-Key it was started with
	sandbox string
	webhook string

	status    duvo.Status
	history   []duvo.Status
	created   time.Time
	updated   time.Time
	started   time.Time
	completed time.Time
	deleted   bool
	messages  []duvo.Message
	prompts   int
	requests  []*RequestRecord
	pending   *pending
	calls     int

	ctx    context.Context // ends with the script
	cancel context.CancelFunc
	events chan webhookEvent
}

type pending struct {
	record *RequestRecord
	answer chan answer // buffered: one answer
}

type answer struct {
	approved bool
	answers  map[string]string
}

// A Job is the hand with which a [Script] acts. Its methods that wait end the
// script when the Job is stopped or the [Duvo] is closed. They are for the
// script's goroutine only.
type Job struct{ s *job }

// ended is what the methods that end a script panic with.
type ended struct {
	status duvo.Status
	text   string
}

// ID returns the Job's ID.
func (j *Job) ID() string { return j.s.id }

// Input returns the message that the Job was started with.
func (j *Job) Input() string { return j.s.input }

// Context ends when the Job is stopped, deleted or the Duvo is closed.
func (j *Job) Context() context.Context { return j.s.ctx }

// Say adds an assistant message.
func (j *Job) Say(text string) {
	j.do(func(s *job) { s.say("assistant", text) })
}

// CallTool adds a call of a tool and its result, which are encoded as JSON.
func (j *Job) CallTool(name string, args, result any) {
	j.do(func(s *job) { s.tool(name, args, result, "") })
}

// CallToolError adds a call of a tool that failed.
func (j *Job) CallToolError(name string, args any, errText string) {
	j.do(func(s *job) { s.tool(name, args, nil, errText) })
}

// AskApproval lets the Job wait for an approval and returns what was decided.
// It returns true also where a posted message walked past the request, which
// the Job's record tells as Bypassed.
func (j *Job) AskApproval(title, description string) bool {
	return j.ask(duvo.HumanRequest{Type: duvo.Approval, Title: title, Description: description}).approved
}

// Ask lets the Job wait for answers and returns them by question. It returns
// nil where a posted message walked past the request.
func (j *Job) Ask(title, description string, questions ...duvo.QuestionItem) map[string]string {
	return j.ask(duvo.HumanRequest{Type: duvo.Question, Title: title, Description: description, Questions: questions}).answers
}

// AskUntyped lets the Job wait for a request of a kind that the published
// description does not know, such as "login". It ends by
// [Duvo.AnswerElsewhere].
func (j *Job) AskUntyped(kind, title string) {
	j.ask(duvo.HumanRequest{Type: duvo.RequestType(kind), Title: title})
}

// Sleep lets the Job work for a while.
func (j *Job) Sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-j.s.ctx.Done():
		panic(ended{})
	}
}

// Complete adds a last assistant message, if the text is not empty, and ends
// the Job as completed. It does not return.
func (j *Job) Complete(text string) { panic(ended{duvo.StatusCompleted, text}) }

// Fail is as Complete, and the Job has failed.
func (j *Job) Fail(text string) { panic(ended{duvo.StatusFailed, text}) }

// Interrupt is as Complete, and the Job was interrupted.
func (j *Job) Interrupt(text string) { panic(ended{duvo.StatusInterrupted, text}) }

// do changes the Job's state, unless the Job has ended meanwhile.
func (j *Job) do(f func(*job)) {
	j.s.d.mu.Lock()
	defer j.s.d.mu.Unlock()
	if j.s.ctx.Err() != nil {
		panic(ended{})
	}
	f(j.s)
}

func (j *Job) ask(q duvo.HumanRequest) answer {
	p := &pending{answer: make(chan answer, 1)}
	j.do(func(s *job) {
		q.ID = newUUID()
		q.CreatedAt = time.Now()
		p.record = &RequestRecord{HumanRequest: cloneRequest(q)}
		s.requests = append(s.requests, p.record)
		s.pending = p
		s.set(duvo.StatusWaiting)
		s.notify("human_request", &p.record.HumanRequest)
	})
	select {
	case a := <-p.answer:
		return a
	case <-j.s.ctx.Done():
		panic(ended{})
	}
}

// The methods below are called with Duvo.mu held.

func (s *job) set(status duvo.Status) {
	s.status = status
	s.history = append(s.history, status)
	s.touch()
}

func (s *job) touch() {
	now := time.Now()
	if !now.After(s.updated) {
		now = s.updated.Add(time.Microsecond) // it moves with every change
	}
	s.updated = now
}

func (s *job) say(role, text string) {
	s.messages = append(s.messages, duvo.Message{ID: newUUID(), Type: "message", Role: role, Timestamp: time.Now(), Text: text})
	s.touch()
}

func (s *job) tool(name string, args, result any, errText string) {
	s.calls++
	id := fmt.Sprintf("call_%d", s.calls)
	s.messages = append(s.messages,
		duvo.Message{ID: newUUID(), Type: "tool_call", Role: "assistant", Timestamp: time.Now(),
			ToolCall: &duvo.ToolCall{ID: id, Name: name, Arguments: encode(args)}},
		duvo.Message{ID: newUUID(), Type: "tool_result", Role: "tool", Timestamp: time.Now(),
			ToolResult: &duvo.ToolResult{CallID: id, Result: encode(result), Error: errText}})
	s.touch()
}

func encode(v any) json.RawMessage {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("duvotest: a tool's arguments or result: %v", err))
	}
	return b
}

// resolve answers what the Job waits for, and the Job runs on.
func (s *job) resolve(a answer, r *ResponseRecord) {
	p := s.pending
	s.pending = nil
	p.record.Response = r
	s.set(duvo.StatusRunning)
	p.answer <- a
}

// end ends the Job, whatever its script does.
func (s *job) end(status duvo.Status, text string) {
	if text != "" {
		s.say("assistant", text)
	}
	if s.d.cfg.quirks.ToolMessageLast {
		s.tool("cleanup", map[string]any{}, map[string]any{"ok": true}, "")
	}
	s.pending = nil
	s.completed = time.Now()
	s.set(status)
	s.cancel()
	switch status {
	case duvo.StatusCompleted, duvo.StatusFailed, duvo.StatusInterrupted:
		s.notify("run_"+string(status), nil)
	}
}

// launch runs a script for the Job.
func (s *job) launch(script Script) {
	s.ctx, s.cancel = context.WithCancel(s.d.ctx)
	ctx := s.ctx
	s.d.wg.Go(func() {
		end := ended{duvo.StatusFailed, "The worker failed: its goroutine ended."} // by runtime.Goexit
		defer func() {
			s.d.mu.Lock()
			defer s.d.mu.Unlock()
			if ctx.Err() == nil && s.ctx == ctx {
				s.end(end.status, end.text)
			}
		}()
		end = s.play(script)
	})
}

// play runs a script to its end and tells how it ended.
func (s *job) play(script Script) (end ended) {
	end.status = duvo.StatusCompleted
	defer func() {
		switch p := recover().(type) {
		case nil:
		case ended:
			end = p
		default:
			end = ended{duvo.StatusFailed, fmt.Sprintf("The worker failed: %v", p)}
		}
	}()
	j := &Job{s}
	for _, status := range []duvo.Status{duvo.StatusStarting, duvo.StatusRunning} {
		if s.d.cfg.pace > 0 {
			j.Sleep(s.d.cfg.pace)
		}
		j.do(func(s *job) {
			s.set(status)
			if status == duvo.StatusRunning && s.started.IsZero() {
				s.started = time.Now()
			}
		})
	}
	if s.d.cfg.pace > 0 {
		j.Sleep(s.d.cfg.pace)
	}
	if script != nil {
		script(j)
	}
	return end
}

// start makes a Job and lets it run. Called with Duvo.mu held.
func (d *Duvo) start(a *assignment, input, sandbox, webhook, key string) *job {
	now := time.Now()
	d.runs[a.ID]++
	s := &job{d: d, a: a, id: newUUID(), buildID: a.buildID, number: d.runs[a.ID], input: input, key: key,
		sandbox: sandbox, webhook: webhook, created: now, updated: now}
	s.set(duvo.StatusPending)
	for i := range d.cfg.quirks.ExtraMessages {
		s.say("assistant", fmt.Sprintf("Working on it (%d).", i+1))
	}
	if input != "" {
		s.say("user", input)
		s.prompts++
	}
	d.jobs[s.id] = s
	d.order = append(d.order, s)
	s.launch(a.Script)
	return s
}

// resume lets a Job run on after a message. Called with Duvo.mu held.
func (s *job) resume(message string) {
	s.say("user", message)
	s.prompts++
	switch {
	case s.status == duvo.StatusWaiting && s.pending != nil:
		s.pending.record.Bypassed = true
		s.resolve(answer{approved: true}, nil)
	case s.status == duvo.StatusCompleted || s.status == duvo.StatusInterrupted:
		s.completed = time.Time{}
		s.set(duvo.StatusPending)
		again := s.a.Resume
		if again == nil {
			again = func(j *Job, message string) { j.Complete("You said: " + message) }
		}
		s.launch(func(j *Job) { again(j, message) })
	}
}
