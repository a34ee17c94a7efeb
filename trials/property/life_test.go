package property

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A life is what a plan came to.
type life struct {
	plan plan
	duvo *duvotest.Duvo
	t0   time.Time

	mu     sync.Mutex
	seq    int // orders all of the below
	lines  []string
	asks   []*lifeAsk
	reads  []*lifeRead
	posts  []*lifePost
	calls  []*lifeCall
	acts   []lifeAct
	laters []*lifeLater
	lists  []*lifeList
	looks  []*lifeLook
	events map[string]int // how many there were, by operation and name
	opOf   map[string]int // by Job ID
	bad    []string
	closed time.Time

	ticks  int    // steps of the first process
	dead   moment // when it died; zero: it did not
	ended  moment // when the first process died or was closed; zero: it is the only one so far
	second moment // when the second one began
	died   chan struct{}

	jobs     []duvotest.JobRecord
	requests []duvotest.Request
	audit    []audit.Record
}

// A moment is a point in time, and in the order of all that happens.
type moment struct {
	seq int
	at  time.Time
}

type lifeAsk struct {
	op         int
	req        hitl.Request
	digest     string
	began, end moment // end is zero while the policy thinks
	decision   hitl.Decision
	err        error
	panicked   bool
	process    int
	later      *lifeLater // it was decided through the registry; nil: by the policy
}

type lifeRead struct {
	op         int
	kind       duvo.RequestType
	jobID      string
	began, end moment
	status     duvo.Status
	request    string // empty: it waited for none
	digest     string
	process    int
}

type lifePost struct {
	op         int
	name       string // the operation of the API
	jobID      string
	request    string
	body, key  string
	began, end moment
	status     int // zero: no answer came, or none that can be read
	process    int
}

type lifeCall struct {
	op         int
	began, end moment
	deadline   time.Time
	res        *outcome.Result
	text       string
	err        error
	asModel    bool
	start      bool   // it did not wait
	putOff     bool   // it returned because a decision was
	collects   bool   // it came when all was quiet, for what became of it
	said       string // a follow-up; empty: it is none
	saidTo     string // its Job
	process    int
}

type lifeAct struct {
	moment
	op    int
	jobID string
	what  string
}

func (l *life) now() moment { l.seq++; return moment{l.seq, time.Now()} }

func (l *life) say(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf("%4d %12v  ", l.seq, time.Since(l.t0))+fmt.Sprintf(format, args...))
}

// log calls f with the time of what happens.
func (l *life) log(f func(moment)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.now())
}

func (l *life) story() string { return strings.Join(l.lines, "\n") }

func lifeInput(op int) string { return "order-" + strconv.Itoa(op) }

// ofJob returns the operation of a Job, -1 for none.
func (l *life) ofJob(id string) int {
	l.mu.Lock()
	op, ok := l.opOf[id]
	l.mu.Unlock()
	if ok {
		return op
	}
	op = -1
	if j, ok := l.duvo.Job(id); ok {
		op, _ = strconv.Atoi(strings.TrimPrefix(j.Input, "order-"))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opOf[id] = op
	return op
}

func digestOf(jobID string, q duvo.HumanRequest) string {
	return hitl.Request{JobID: jobID, ID: q.ID, Kind: q.Type, Title: q.Title, Description: q.Description, Questions: q.Questions}.Digest()
}

// unheard tells whether a call did not return before its process died.
func (l *life) unheard(c *lifeCall) bool {
	return c.process == 1 && l.dead.seq > 0 && (c.end.seq == 0 || c.end.seq > l.dead.seq)
}

// inFlight tells whether calls of an operation were under way when the first
// process ended, or else, when the last one had left it. What begins at that instant may
// be under way before Close knows of it.
func (l *life) inFlight(op int) (yes bool, left time.Time) {
	for _, c := range l.calls {
		if c.op != op || c.process != 1 || c.began.at.After(l.ended.at) {
			continue
		}
		if c.end.seq == 0 || c.end.seq > l.ended.seq {
			yes = true
		} else if c.end.at.After(left) {
			left = c.end.at
		}
	}
	return yes, left
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// askedBefore returns the latest question to the policy about a request before a
// moment.
func (l *life) askedBefore(jobID, request string, seq int) *lifeAsk {
	var last *lifeAsk
	for _, a := range l.asks {
		if a.req.JobID == jobID && a.req.ID == request && a.began.seq < seq {
			last = a
		}
	}
	return last
}

// shown is the digest of what the wire showed of the request: a read does not tell
// what was said to the Job before.
func (a *lifeAsk) shown() string {
	r := a.req
	r.FollowUp = ""
	return r.Digest()
}

// valid tells whether a decision may be sent at all.
func (a *lifeAsk) valid() bool {
	if a.end.seq == 0 || a.err != nil || a.panicked {
		return false
	}
	switch d := a.decision; d.Verdict {
	case hitl.Denied, hitl.Passed:
		return a.req.Kind == duvo.Approval
	case hitl.Approved:
		return a.req.Kind == duvo.Approval && d.By != "" && len(d.Answers) == 0
	case hitl.Answered:
		return a.req.Kind == duvo.Question && d.By != "" && a.req.CheckAnswers(d.Answers) == nil
	}
	return false
}

// body returns what must be sent for a decision.
func (a *lifeAsk) body() string {
	var b any = map[string]any{"approved": a.decision.Verdict == hitl.Approved}
	if a.decision.Verdict == hitl.Answered {
		b = map[string]any{"answers": a.decision.Answers}
	}
	out, _ := json.Marshal(b)
	return string(out)
}

// readBefore returns the latest read that a response could go by: it began
// after the decision and any earlier attempt, and it is fresh.
func (l *life) readBefore(p *lifePost, after moment) *lifeRead {
	var last *lifeRead
	for _, r := range l.reads {
		if r.jobID == p.jobID && r.process == p.process && !r.began.at.Before(after.at) && r.end.seq < p.began.seq && p.began.at.Sub(r.began.at) <= 5*time.Second {
			if last == nil || r.began.seq > last.began.seq {
				last = r
			}
		}
	}
	return last
}

// unclear tells whether an attempt may have taken effect unseen.
func unclear(p *lifePost) bool {
	return p.status == 0 || p.status == 408 || p.status >= 500 || p.status >= 300 && p.status < 400
}

// callers counts the calls of an operation that wait beyond a moment.
func (l *life) callers(op int, m moment) int {
	n := 0
	for _, c := range l.calls {
		if c.op == op && c.began.at.Before(m.at) && c.end.at.After(m.at) {
			n++
		}
	}
	return n
}
