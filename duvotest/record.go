package duvotest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Request is one HTTP request that the Duvo received, for tests to assert
// on. Of those that show neither the key nor an upload URL of this Duvo the first
// thousand are kept, with 1 KiB of the body; the others are only counted.
type Request struct {
	Op     string // the operationId; empty for a path that the API does not have
	Method string
	Path   string
	Query  url.Values
	Header http.Header // Authorization reads "Bearer <valid>" or "Bearer <invalid>"
	Body   []byte      // of an upload the first 64 KiB only; see [Duvo.SandboxFiles]
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

// Count returns how many requests of an operation were received, those that
// faults hit among them; of the empty operation, those with a path that the
// API does not have.
func (d *Duvo) Count(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[op]
}

// CountStatus returns how many requests were answered with an HTTP status.
func (d *Duvo) CountStatus(status int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.statuses[status]
}

// trim drops the oldest once there are twice as many as are kept; keep zero
// drops nothing.
func trim[T any](all []T, keep int) []T {
	if keep == 0 || len(all) < 2*keep {
		return all
	}
	return slices.Clone(all[len(all)-keep:])
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
	Deleted        bool      // by DeleteJob; its status is the last it had
	Messages       []duvo.Message
	Requests       []RequestRecord // the human requests it made, in order
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

// Job returns one Job, and false if there is none with this ID.
func (d *Duvo) Job(id string) (JobRecord, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.jobs[strings.ToLower(id)]
	if s == nil {
		return JobRecord{}, false
	}
	return s.record(), true
}

func (s *job) record() JobRecord {
	r := JobRecord{ID: s.id, AssignmentID: s.a.ID, AssignmentName: s.a.Name, Input: s.input, Status: s.status,
		History: slices.Clone(s.history), IdempotencyKey: s.key, SandboxID: s.sandbox, WebhookURL: s.webhook,
		CreatedAt: s.created, CompletedAt: s.completed, Deleted: s.deleted, Messages: slices.Clone(s.messages)}
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
