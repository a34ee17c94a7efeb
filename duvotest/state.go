package duvotest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
	box     *sandbox // nil without one
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
	cancel    context.CancelFunc // ends the script

	hooks   []webhookEvent // to be sent, in this order
	held    []webhookEvent // to be sent after the next one
	sending bool           // a goroutine sends hooks
}

type pending struct {
	record *RequestRecord
	answer chan answer // buffered: one answer
}

type answer struct {
	approved bool
	answers  map[string]string
}

// The methods below are called with Duvo.mu held.

func (s *job) set(status duvo.Status) {
	s.status = status
	s.history = append(s.history, status)
	s.touch()
}

func (s *job) touch() {
	// It moves with every change, also as it is written, in microseconds.
	now := time.Now().Truncate(time.Microsecond)
	if !now.After(s.updated) {
		now = s.updated.Add(time.Microsecond)
	}
	s.updated = now
}

func (s *job) say(role, text string) {
	s.add(duvo.Message{Type: duvo.MessageText, Role: role, Text: text})
}

// add adds a message of any kind.
func (s *job) add(m duvo.Message) {
	m.ID, m.Timestamp = newUUID(), time.Now()
	s.messages = append(s.messages, m)
	s.touch()
}

// aside adds a message that is no answer, where such are wished for.
func (s *job) aside(kind, role, text string) {
	if s.d.cfg.quirks.OtherMessages {
		s.add(duvo.Message{Type: kind, Role: role, Text: text})
	}
}

// event adds what Duvo itself tells of the Job, where that is wished for.
func (s *job) event(kind, reason string) {
	if s.d.cfg.quirks.OtherMessages {
		s.add(duvo.Message{Type: kind, Role: duvo.RoleDuvo, Error: reason})
	}
}

// lastAsides adds what servers say after a Job's last answer.
func (s *job) lastAsides(status duvo.Status, text string) {
	s.aside(duvo.MessageThinking, duvo.RoleAssistant, "Is there anything else? No.")
	s.aside(duvo.MessageSystem, duvo.RoleAssistant, "The session is being closed.")
	switch status {
	case duvo.StatusCompleted:
		s.event(duvo.MessageSessionCompleted, "")
	case duvo.StatusInterrupted:
		s.event(duvo.MessageSessionInterrupted, "")
	case duvo.StatusFailed:
		s.event(duvo.MessageSessionError, text)
	}
}

func (s *job) tool(name string, args, result any, errText string) {
	arguments, output := encodeObject(args), encode(result)
	s.calls++
	id := fmt.Sprintf("call_%d", s.calls)
	s.messages = append(s.messages,
		duvo.Message{ID: newUUID(), Type: "tool_call", Role: "assistant", Timestamp: time.Now(),
			ToolCall: &duvo.ToolCall{ID: id, Name: name, Arguments: arguments}},
		duvo.Message{ID: newUUID(), Type: "tool_result", Role: "tool", Timestamp: time.Now(),
			ToolResult: &duvo.ToolResult{CallID: id, Result: output, Error: errText}})
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

func encodeObject(v any) json.RawMessage {
	b := encode(v)
	if b != nil && b[0] != '{' {
		panic(fmt.Sprintf("duvotest: a tool's arguments are no JSON object: %.80s", b))
	}
	return b
}

// cloneRequest copies a request down to its options.
func cloneRequest(q duvo.HumanRequest) duvo.HumanRequest {
	q.Questions = slices.Clone(q.Questions)
	for i := range q.Questions {
		q.Questions[i].Options = slices.Clone(q.Questions[i].Options)
	}
	return q
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
	if text != "" && !(status == duvo.StatusFailed && s.d.cfg.quirks.OtherMessages) { // its event tells it
		s.say("assistant", text)
	}
	s.lastAsides(status, text)
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
	ctx, cancel := context.WithCancel(s.d.ctx)
	s.cancel = cancel
	s.d.wg.Go(func() {
		// What stays if the script leaves its goroutine, as t.FailNow does.
		end := ended{duvo.StatusFailed, "The worker failed: its script left its goroutine."}
		defer func() {
			s.d.mu.Lock()
			defer s.d.mu.Unlock()
			if ctx.Err() == nil {
				s.end(end.status, end.text)
			}
		}()
		end = s.play(&Job{s, ctx}, script)
	})
}

// play runs a script to its end and tells how it ended.
func (s *job) play(j *Job, script Script) (end ended) {
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
	for _, status := range []duvo.Status{duvo.StatusStarting, duvo.StatusRunning} {
		if s.d.cfg.pace > 0 {
			j.Sleep(s.d.cfg.pace)
		}
		j.do(func(s *job) {
			s.set(status)
			if status == duvo.StatusRunning {
				s.event(duvo.MessageSessionStarted, "")
			}
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
	a.jobs++
	a.lastJob = now
	s := &job{d: d, a: a, id: newUUID(), buildID: a.buildID, number: a.jobs, input: input, key: key,
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
