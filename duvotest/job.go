package duvotest

import (
	"context"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Job is the hand with which a [Script] acts. Its methods end the script,
// by a panic that must not be recovered, once the Job is stopped or deleted or
// the [Duvo] is closed. They are for the script's goroutine only.
type Job struct {
	s   *job
	ctx context.Context // ends with the script
}

// ended is what the methods that end a script panic with.
type ended struct {
	status duvo.Status
	text   string
}

// ID returns the Job's ID.
func (j *Job) ID() string { return j.s.id }

// Input returns the message that the Job was started with.
func (j *Job) Input() string { return j.s.input }

// Files returns the files in the sandbox that the Job was started with, by their
// paths, as [Duvo.SandboxFiles] does; nil where it was started without.
func (j *Job) Files() (files map[string][]byte) {
	j.do(func(s *job) { files = s.box.copies() })
	return files
}

// Context ends when the Job is stopped, deleted or the Duvo is closed.
func (j *Job) Context() context.Context { return j.ctx }

// Say adds an assistant message.
func (j *Job) Say(text string) {
	j.do(func(s *job) { s.say("assistant", text) })
}

// Add adds a message of any kind, as a server tells it: thinking, say, or one of
// Duvo's own events. Its ID and time are filled in.
func (j *Job) Add(m duvo.Message) {
	j.do(func(s *job) { s.add(m) })
}

// CallTool adds a call of a tool and its result, which are encoded as JSON.
// The arguments must make a JSON object, or be nil for none; otherwise the Job
// fails.
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
// description does not know, such as "login": a quirk, see [Quirks]. It ends by
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
	case <-j.ctx.Done():
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
	if j.ctx.Err() != nil {
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
		s.aside(duvo.MessageHumanRequest, duvo.RoleAssistant, q.Title)
		s.set(duvo.StatusWaiting)
		s.notify("human_request", &p.record.HumanRequest)
	})
	select {
	case a := <-p.answer:
		return a
	case <-j.ctx.Done():
		panic(ended{})
	}
}
