package duvotest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// What other people do in Duvo's own app, while the code under test works.

// find returns a Job that exists. Called with mu held.
func (d *Duvo) find(jobID string) (*job, error) {
	s := d.jobs[strings.ToLower(jobID)]
	if s == nil || s.deleted {
		return nil, fmt.Errorf("duvotest: there is no Job %s", jobID)
	}
	return s, nil
}

// findWaiting returns a Job that waits for a person. Called with mu held.
func (d *Duvo) findWaiting(jobID string) (*job, error) {
	s, err := d.find(jobID)
	if err == nil && s.pending == nil {
		err = fmt.Errorf("duvotest: the Job %s waits for nothing", jobID)
	}
	return s, err
}

// Pending returns the request that a Job waits for, nil if it waits for none.
func (d *Duvo) Pending(jobID string) *duvo.HumanRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.findWaiting(jobID)
	if err != nil {
		return nil
	}
	q := cloneRequest(s.pending.record.HumanRequest)
	return &q
}

// AnswerElsewhere answers what a Job waits for as a reviewer in Duvo's own
// inbox does, not through the API. An empty RequestID stands for whatever it
// waits for. The response must fit the request; one that [Job.AskUntyped] made
// is ended by any. It is an error if the Job waits for nothing, or for another
// request.
func (d *Duvo) AnswerElsewhere(jobID string, r duvo.Response) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.findWaiting(jobID)
	if err != nil {
		return err
	}
	q := s.pending.record
	switch {
	case r.RequestID != "" && !strings.EqualFold(r.RequestID, q.ID):
		return errors.New("duvotest: the Job waits for another request")
	case q.Type == duvo.Approval && r.Approved == nil, q.Type == duvo.Question && r.Answers == nil:
		return fmt.Errorf("duvotest: the response does not fit a request of type %s", q.Type)
	}
	s.answer(r.Approved, r.Answers, q.ID, true)
	return nil
}

// answer is called with mu held, for a Job that waits.
func (s *job) answer(approved *bool, answers map[string]string, named string, elsewhere bool) {
	a := answer{answers: maps.Clone(answers)}
	if approved != nil {
		a.approved = *approved
		approved = &a.approved // the caller's may change
	}
	s.resolve(a, &ResponseRecord{RequestID: named, Approved: approved, Answers: maps.Clone(answers), At: time.Now(), Elsewhere: elsewhere})
}

// ChangeRequest changes what a Job waits for while it waits: its text, or its
// ID, which makes it another request, with a record of its own. The function
// must not call the Duvo. It is an error if the Job waits for nothing, or if
// the new ID is no UUID.
func (d *Duvo) ChangeRequest(jobID string, change func(*duvo.HumanRequest)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.findWaiting(jobID)
	if err != nil {
		return err
	}
	next := cloneRequest(s.pending.record.HumanRequest) // what readers hold stays as it is
	change(&next)
	next = cloneRequest(next)
	switch {
	case !isUUID(next.ID):
		return fmt.Errorf("duvotest: the request ID %q is no UUID", next.ID)
	case next.ID == s.pending.record.ID:
		s.pending.record.HumanRequest = next
	default:
		s.pending.record = &RequestRecord{HumanRequest: next}
		s.requests = append(s.requests, s.pending.record)
	}
	s.touch()
	return nil
}

// StartElsewhere starts a Job as somebody in Duvo's own app does, and returns its
// ID: one more of the team's Jobs that is not of the code under test.
func (d *Duvo) StartElsewhere(assignmentID, message string) (jobID string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.assignment(assignmentID)
	switch {
	case d.closed:
		return "", errors.New("duvotest: the Duvo is closed")
	case a == nil:
		return "", fmt.Errorf("duvotest: there is no Assignment %s", assignmentID)
	case a.NoBuild:
		return "", fmt.Errorf("duvotest: the Assignment %s has no Build", assignmentID)
	}
	return d.start(a, message, "", "", "").id, nil
}

// SetRateLimit changes the limit of [WithRateLimit], from now on; zero is none.
func (d *Duvo) SetRateLimit(perMinute int) {
	if perMinute < 0 {
		panic(fmt.Sprintf("duvotest: a limit of %d requests makes no sense", perMinute))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg.rate = perMinute
	d.window = rateWindow{}
}

// StopJob stops a Job as somebody in Duvo's own app does, also while it waits
// and whatever the [Profile]. A Job that has ended stays as it is.
func (d *Duvo) StopJob(jobID string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.find(jobID)
	if err == nil && !s.status.Terminal() {
		s.end(duvo.StatusStopped, "")
	}
	return err
}

// DeleteJob lets a Job no longer exist: reading it gives a null run, its
// messages 404, and lists leave it out. Its script ends.
func (d *Duvo) DeleteJob(jobID string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.find(jobID)
	if err == nil {
		s.deleted, s.pending = true, nil
		s.cancel()
	}
	return err
}
