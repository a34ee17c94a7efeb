package duvotest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Request is one HTTP request that the Duvo received, for tests to assert
// on.
type Request struct {
	Op     string // the operationId; empty for a path that the API does not have
	Method string
	Path   string
	Query  url.Values
	Header http.Header // Authorization reads "Bearer <valid>" or "Bearer <invalid>"
	Body   []byte
	At     time.Time
	Status int    // of the answer; zero if none was sent, or not yet
	Fault  string // the fault that hit it
	Effect bool   // it changed something, at once or later
	Replay bool   // it was answered with an earlier request's answer
}

// Requests returns what was received, in order.
func (d *Duvo) Requests() []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Request, len(d.requests))
	for i, r := range d.requests {
		out[i] = *r
		out[i].Header = r.Header.Clone()
		out[i].Query = maps.Clone(r.Query)
		out[i].Body = slices.Clone(r.Body)
	}
	return out
}

// Count returns how many requests of an operation were received.
func (d *Duvo) Count(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, r := range d.requests {
		if r.Op == op {
			n++
		}
	}
	return n
}

// A JobRecord is what became of a Job.
type JobRecord struct {
	ID             string
	AssignmentID   string
	AssignmentName string
	Input          string
	Status         duvo.Status
	History        []duvo.Status // every status it had, in order
	IdempotencyKey string        // of its start
	SandboxID      string
	WebhookURL     string
	CreatedAt      time.Time
	CompletedAt    time.Time // zero while it has not ended
	Messages       []duvo.Message
	Requests       []RequestRecord
}

// A RequestRecord is a human request, and what became of it.
type RequestRecord struct {
	duvo.HumanRequest
	Response *ResponseRecord // nil: none
	Bypassed bool            // a posted message walked past it
}

// A ResponseRecord is a response that was taken.
type ResponseRecord struct {
	RequestID string // the one that the response named; not always the one it was taken for, see [Profile]
	Approved  *bool
	Answers   map[string]string
	At        time.Time
	Elsewhere bool // by AnswerElsewhere, not through the API
}

// Jobs returns all Jobs, oldest first.
func (d *Duvo) Jobs() []JobRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]JobRecord, len(d.order))
	for i, s := range d.order {
		out[i] = s.record()
	}
	return out
}

// Job returns one Job.
func (d *Duvo) Job(id string) (JobRecord, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.jobs[id]
	if s == nil {
		return JobRecord{}, false
	}
	return s.record(), true
}

func (s *job) record() JobRecord {
	r := JobRecord{ID: s.id, AssignmentID: s.a.ID, AssignmentName: s.a.Name, Input: s.input, Status: s.status,
		History: slices.Clone(s.history), IdempotencyKey: s.key, SandboxID: s.sandbox, WebhookURL: s.webhook,
		CreatedAt: s.created, CompletedAt: s.completed, Messages: slices.Clone(s.messages)}
	for _, q := range s.requests {
		c := *q
		c.HumanRequest = cloneRequest(q.HumanRequest)
		if q.Response != nil {
			own := *q.Response
			own.Answers = maps.Clone(own.Answers)
			c.Response = &own
		}
		r.Requests = append(r.Requests, c)
	}
	return r
}

// Pending returns the request that a Job waits for, nil if it waits for none.
func (d *Duvo) Pending(jobID string) *duvo.HumanRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.jobs[jobID]
	if s == nil || s.pending == nil {
		return nil
	}
	q := cloneRequest(s.pending.record.HumanRequest)
	return &q
}

// cloneRequest copies a request down to its options.
func cloneRequest(q duvo.HumanRequest) duvo.HumanRequest {
	q.Questions = slices.Clone(q.Questions)
	for i := range q.Questions {
		q.Questions[i].Options = slices.Clone(q.Questions[i].Options)
	}
	return q
}

// AnswerElsewhere answers what a Job waits for as a reviewer in Duvo's own
// inbox does, not through the API. An empty RequestID stands for whatever it
// waits for.
func (d *Duvo) AnswerElsewhere(jobID string, r duvo.Response) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.jobs[jobID]
	switch {
	case s == nil:
		return fmt.Errorf("duvotest: there is no Job %s", jobID)
	case s.pending == nil:
		return errors.New("duvotest: the Job waits for nothing")
	case r.RequestID != "" && !strings.EqualFold(r.RequestID, s.pending.record.ID):
		return errors.New("duvotest: the Job waits for another request")
	}
	s.answer(r.Approved, r.Answers, s.pending.record.ID, true)
	return nil
}

func (s *job) answer(approved *bool, answers map[string]string, named string, elsewhere bool) {
	a := answer{answers: maps.Clone(answers)}
	if approved != nil {
		a.approved = *approved
		approved = &a.approved // a copy, which nobody else changes
	}
	s.resolve(a, &ResponseRecord{RequestID: named, Approved: approved, Answers: maps.Clone(answers), At: time.Now(), Elsewhere: elsewhere})
}

// ChangeRequest changes what a Job waits for while it waits: its text, or its
// ID, which makes it another request. The function must not call the Duvo.
func (d *Duvo) ChangeRequest(jobID string, change func(*duvo.HumanRequest)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.jobs[jobID]
	if s == nil || s.pending == nil {
		return errors.New("duvotest: the Job waits for nothing")
	}
	next := &RequestRecord{HumanRequest: cloneRequest(s.pending.record.HumanRequest)}
	change(&next.HumanRequest)
	if next.ID == s.pending.record.ID {
		s.pending.record.HumanRequest = next.HumanRequest
	} else {
		s.requests = append(s.requests, next)
		s.pending.record = next
	}
	s.touch()
	return nil
}

// StopJob stops a Job as somebody in Duvo's own app does, also while it waits.
func (d *Duvo) StopJob(jobID string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.jobs[jobID]
	if s == nil {
		return fmt.Errorf("duvotest: there is no Job %s", jobID)
	}
	if !s.status.Terminal() && !s.deleted {
		s.end(duvo.StatusStopped, "")
	}
	return nil
}

// DeleteJob lets a Job no longer exist: reading it gives a null run, and its
// script ends.
func (d *Duvo) DeleteJob(jobID string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.jobs[jobID]
	if s == nil {
		return fmt.Errorf("duvotest: there is no Job %s", jobID)
	}
	s.deleted = true
	s.pending = nil
	s.cancel()
	return nil
}
