package property

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// checkPost is about one response on the wire.
func (l *life) checkPost(p *lifePost, fail failFunc) {
	a := l.askedBefore(p.jobID, p.request, p.began.seq)
	switch {
	case a == nil:
		fail("(a) a response to %.8s, about which nobody was asked", p.request)
		return
	case !a.valid() || a.end.seq > p.began.seq:
		fail("(a)(d) a response to %.8s without a valid decision", p.request)
		return
	case !sameJSON(a.body(), p.body):
		fail("(a) the response to %.8s is %s, and %s was decided", p.request, p.body, a.body())
	case p.key == "":
		fail("(b) a response to %.8s without a key", p.request)
	}
	before := a.end
	for _, o := range l.posts {
		if o.name != "respond" || o == p {
			continue
		}
		same := o.request == p.request && o.jobID == p.jobID
		if same && l.anew(p, o) {
			continue
		}
		if same != (o.key == p.key) || same && o.body != p.body {
			fail("(b) %.8s got %s with key %.20s, %.8s %s with key %.20s", o.request, o.body, o.key, p.request, p.body, p.key)
		}
		if same && o.began.seq < p.began.seq {
			if o.end.seq == 0 || o.end.seq > p.began.seq {
				fail("(b) two responses to %.8s at once", p.request)
			}
			before = o.end
			if unclear(o) && p.began.at.Sub(o.began.at) < l.plan.settle {
				fail("(b) %.8s was sent again %v after an attempt with an unclear fate", p.request, p.began.at.Sub(o.began.at))
			}
		}
	}
	r := l.readBefore(p, before)
	switch {
	case r == nil:
		fail("(c) a response to %.8s without a read just before", p.request)
	case r.request != p.request || r.digest != a.shown():
		fail("(c) a response to %.8s, decided on %.8s, and the read just before showed %.8s %.8s", p.request, a.digest, r.request, r.digest)
	}
}

// anew tells whether one of two responses to a request was decided once its text had
// changed, after the other had provably done nothing.
func (l *life) anew(p, o *lifePost) bool {
	if o.began.seq > p.began.seq {
		p, o = o, p
	}
	a, b := l.askedBefore(o.jobID, o.request, o.began.seq), l.askedBefore(p.jobID, p.request, p.began.seq)
	return nothing(o) && a != nil && b != nil && a.digest != b.digest
}

// nothing tells whether an attempt did nothing by the server's word, and may be made
// again.
func nothing(p *lifePost) bool {
	return p.status == http.StatusTooManyRequests || p.status == http.StatusUnauthorized || p.status == http.StatusForbidden
}

// checkStop is about one request to stop a Job.
func (l *life) checkStop(p *lifePost, fail failFunc) {
	for _, c := range l.plan.stopOn {
		switch c {
		case outcome.Cancelled:
			for _, k := range l.calls {
				if k.op == p.op && k.err != nil && !k.end.at.After(p.began.at) && l.callers(p.op, k.end) == 0 {
					return // the last one had left
				}
			}
		case outcome.TimedOut:
			if l.plan.timeout > 0 {
				return
			}
		case outcome.PolicyFailed, outcome.QuestionDenied:
			for _, a := range l.asks {
				denied := a.err == nil && !a.panicked && a.req.Kind == duvo.Question && (a.decision.Verdict == hitl.Denied || a.decision.Verdict == hitl.Passed)
				if a.req.JobID == p.jobID && a.end.seq > 0 && a.end.seq < p.began.seq && (c == outcome.QuestionDenied && denied || c == outcome.PolicyFailed && !denied && !a.valid()) {
					return
				}
			}
		}
	}
	fail("(d) op %d was stopped without a cause", p.op)
}

// checkHeld is about when something was sent: not while nobody waits, and not
// after the end.
func (l *life) checkHeld(p *lifePost, fail failFunc) {
	if p.name == "stop" {
		return
	}
	closed := l.closed
	if p.process == 1 && l.plan.down > 0 {
		closed = l.ended.at
	}
	if !closed.IsZero() && p.began.at.After(closed) {
		fail("(d) POST %s after Close", p.name)
	}
	for _, c := range l.calls {
		if c.op == p.op && c.process == p.process && !c.began.at.After(p.began.at) && !c.end.at.Before(p.began.at) {
			return
		}
	}
	if under, left := l.inFlight(p.op); p.process == 2 && (under || l.ended.at.Sub(left) <= 3*time.Minute) {
		return
	}
	if l.detached(p.op, p.process, p.began.seq) || p.process == 2 && l.detached(p.op, 1, p.began.seq) {
		return // what was put off goes on without callers
	}
	fail("(d) op %d: POST %s while nobody waited", p.op, p.name)
}

// checkJob is about what the emulator took.
func (l *life) checkJob(j duvotest.JobRecord, fail failFunc) {
	taken := map[string]int{}
	for _, q := range j.Requests {
		if q.Bypassed && !l.lateMessage() {
			fail("(d) a message walked past a request")
		}
		if q.Response == nil || q.Response.Elsewhere {
			continue
		}
		named := q.Response.RequestID
		if taken[named]++; taken[named] > 1 && !l.tooLate() && !l.twin(j.ID, named) {
			fail("(b) two responses to %.8s were taken", named)
		}
		approved := q.Response.Approved != nil && *q.Response.Approved
		made := func(a *lifeAsk) bool { // of this decision
			return approved == (a.decision.Verdict == hitl.Approved) && (a.decision.Verdict != hitl.Answered || maps.Equal(q.Response.Answers, a.decision.Answers))
		}
		var a *lifeAsk
		var r *lifeRead
		for _, p := range l.posts { // of a request that came twice, the one that was taken
			if p.name == "respond" && p.jobID == j.ID && p.request == named && (!nothing(p) || l.lies()) && !p.began.at.After(q.Response.At) {
				if last := l.askedBefore(j.ID, named, p.began.seq); last != nil && (a == nil || !made(a) && made(last)) {
					a, r = last, l.readBefore(p, last.end)
				}
			}
		}
		if a == nil || r == nil {
			fail("(a) a response to %.8s was taken without a decision", named)
			continue
		}
		if !made(a) {
			fail("(a) the response to %.8s was taken as another than was decided", named)
		}
		if named == q.ID && digestOf(j.ID, q.HumanRequest) == a.shown() {
			continue
		}
		// It was taken for what it was not made for. That nobody can help where
		// the Job was led on after the last read.
		led := l.tooLate()
		for _, x := range l.acts {
			led = led || x.jobID == j.ID && x.seq > r.began.seq && !x.at.After(q.Response.At)
		}
		for _, o := range j.Requests { // a response that came late
			led = led || o.Response != nil && o.Response.RequestID != named && o.Response.At.After(r.began.at) && !o.Response.At.After(q.Response.At) && l.lax()
		}
		if !led || named != q.ID && !l.lax() {
			fail("(c) the response to %.8s, decided on %.8s, was taken for %.8s %q", named, a.digest, q.ID, q.Title)
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
