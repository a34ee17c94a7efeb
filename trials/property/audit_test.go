package property

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
)

// checkAudit holds the audit against what the wire saw and the policy said: (f)
// every response was preceded by a record of the very decision that it carries
// and by one of its sending, and what was accepted is told as accepted.
func (l *life) checkAudit(fail failFunc) {
	type request struct{ job, id string }
	decided, sent, accepted, posts := map[request]audit.Record{}, map[request]int{}, map[request]int{}, map[request]int{}
	for _, r := range l.audit {
		q := request{r.JobID, r.RequestID}
		switch r.Event {
		case audit.Decided:
			decided[q] = r
			if !slices.ContainsFunc(l.asks, func(a *lifeAsk) bool { return a.digest == r.Digest && a.end.seq > 0 && a.err == nil }) {
				fail("(f) the audit tells of a decision on %.8s that the policy did not make", r.RequestID)
			}
		case audit.Sent:
			if d, ok := decided[q]; !ok || d.Digest != r.Digest || d.Verdict != r.Verdict {
				fail("(f) the audit tells of a response to %.8s, %s, without that decision before", r.RequestID, r.Verdict)
			}
			sent[q]++
		case audit.Delivered:
			if r.Delivery == hitl.Accepted {
				accepted[q]++
			}
		}
	}
	for _, p := range l.posts {
		if p.name != "respond" {
			continue
		}
		q := request{p.jobID, p.request}
		posts[q]++
		var body struct {
			Approved *bool
			Answers  map[string]string
		}
		_ = json.Unmarshal([]byte(p.body), &body)
		want := hitl.Answered
		if body.Approved != nil {
			want = hitl.Denied
			if *body.Approved {
				want = hitl.Approved
			}
		}
		if said := l.saidBefore(p); said.Verdict != want.String() {
			fail("(f) %.8s got %s, and the audit tells that %q was sent", p.request, p.body, said.Verdict)
		}
	}
	for q, n := range posts {
		if n > sent[q] {
			fail("(f) %.8s was sent %d responses, and the audit tells of %d", q.id, n, sent[q])
		}
	}
	for q, n := range accepted {
		if n != 1 || !slices.ContainsFunc(l.posts, func(p *lifePost) bool { return p.jobID == q.job && p.request == q.id && p.status == http.StatusOK }) {
			fail("(f) the audit tells %d times that the response to %.8s was accepted", n, q.id)
		}
	}
}

// saidBefore is the latest record of a response to this request before one was sent. An
// ID may come back with another text, and gets a response of its own.
func (l *life) saidBefore(p *lifePost) (said audit.Record) {
	for _, r := range l.audit {
		if r.Event == audit.Sent && r.JobID == p.jobID && r.RequestID == p.request && !r.At.After(p.began.at) {
			said = r
		}
	}
	return said
}
