package property

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// checkOperation is about all calls of an operation together.
func (l *life) checkOperation(op int, fail failFunc) {
	jobs := 0
	for _, j := range l.jobs {
		if j.Input == lifeInput(op) {
			jobs++
		}
	}
	var first *outcome.Result
	var text string
	var starts []*lifePost
	for _, c := range l.calls {
		if c.op != op || c.said != "" || c.err != nil || l.unheard(c) || c.putOff || c.endedAlone() {
			continue // no outcome yet
		}
		if c.res == nil {
			if strings.Contains(c.text, "No Job was started:") {
				continue
			}
			own := strings.TrimSpace(strings.ReplaceAll(c.text+"\n", "This call repeats an earlier one. No new Job was started.\n", ""))
			if text != "" && own != text {
				fail("(e) one call read %q, another %q", text, own)
			}
			text = own
			continue
		}
		res := *c.res
		res.Repeated = false
		if first == nil {
			first = &res
		}
		if !alike(*first, res) { // by its meaning: one may come from the journal
			fail("(e) one call got %+v, another %+v", *first, res)
		}
	}
	for _, p := range l.posts {
		if p.op == op && p.name == "runs" {
			starts = append(starts, p)
			if p.body != starts[0].body || p.key != starts[0].key || p.key == "" {
				fail("(e) op %d was started with %q and %q", op, starts[0].key, p.key)
			}
		}
	}
	most := 1
	if l.plan.profile.Idempotency == duvotest.KeysIgnored {
		for _, p := range starts {
			if p.status != http.StatusCreated || p.process == 1 && l.dead.seq > 0 {
				most++
			}
		}
	}
	if jobs > most {
		fail("(e) op %d has %d Jobs", op, jobs)
	}
}

// checkCall is about how a call ended.
func (l *life) checkCall(c *lifeCall, fail failFunc) {
	if c.end.seq == 0 {
		fail("(g) a call of op %d did not return", c.op)
		return
	}
	if c.end.at.After(c.deadline) {
		fail("(g) a call of op %d returned %v after its deadline", c.op, c.end.at.Sub(c.deadline))
	}
	var je *outcome.JobError
	var ie *outcome.InputError
	if c.err != nil && !errors.As(c.err, &je) && !errors.As(c.err, &ie) {
		fail("(g) a call ended with %v", c.err)
	}
	if c.putOff {
		l.checkPutOff(c, fail)
	}
	if c.collects {
		l.checkCollected(c, fail)
	}
	if c.res != nil && !(c.start && c.res.Outcome == outcome.OutcomePending) {
		l.checkResult(c.res, fail)
	}
	if je != nil && c.end.at.Equal(c.deadline) && je.JobID != "" {
		l.checkForgotten(c, je.JobID, fail)
	}
}

// endedAlone reports whether the call ended and its operation did not: the next
// one goes on with it, and may come to something else.
func (c *lifeCall) endedAlone() bool {
	if c.res != nil {
		return c.res.Outcome == outcome.OutcomePending || c.res.Outcome == outcome.OutcomeExpired
	}
	return strings.Contains(c.text, "has not ended: do not start it again") || strings.Contains(c.text, "took longer than allowed")
}

// checkForgotten is about a call that waited to its last moment: not for a
// request that nobody was asked about.
func (l *life) checkForgotten(c *lifeCall, jobID string, fail failFunc) {
	var last *lifeRead
	since := time.Time{} // that the same request was read
	for _, r := range l.reads {
		if r.jobID != jobID || !r.began.at.After(c.began.at) || r.end.seq > c.end.seq {
			continue
		}
		if last == nil || r.digest != last.digest {
			since = r.end.at
		}
		last = r
	}
	if last == nil || last.kind != duvo.Approval && last.kind != duvo.Question || last.end.at.Sub(since) < time.Minute {
		return
	}
	for _, a := range l.asks {
		if a.shown() == last.digest && a.began.seq < c.end.seq && (a.end.seq == 0 || !a.end.at.Before(c.end.at) || a.err == nil && a.decision.Verdict == hitl.Left) {
			return
		}
	}
	for _, p := range l.posts {
		if p.name == "respond" && p.request == last.request {
			return
		}
	}
	fail("(g) a call of op %d waited for %.8s in vain", c.op, last.request)
}

// checkResult is about what a Result tells.
func (l *life) checkResult(res *outcome.Result, fail failFunc) {
	if res.Outcome == outcome.OutcomeUnknown {
		return
	}
	at := slices.IndexFunc(l.jobs, func(j duvotest.JobRecord) bool { return j.ID == res.JobID })
	if at < 0 {
		fail("(f) the Result names the Job %q", res.JobID)
		return
	}
	job := l.jobs[at]
	wrong := false
	switch res.Outcome {
	case outcome.OutcomeCompleted, outcome.OutcomeFailed, outcome.OutcomeInterrupted, outcome.OutcomeStopped:
		wrong = string(res.Outcome) != string(job.Status)
	case outcome.OutcomeGone:
		wrong = !job.Deleted && !slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool { return f.Op == "getRun" && f.Status == 404 })
	}
	if wrong && !l.followedUp(job.ID) {
		fail("(f) the outcome is %s, and the Job has %s", res.Outcome, job.Status)
	}
	for i := range res.Decisions {
		l.checkEntry(job, res, i, fail)
	}
}

func (l *life) checkEntry(job duvotest.JobRecord, res *outcome.Result, i int, fail failFunc) {
	d := res.Decisions[i]
	var worst []string
	for _, a := range l.asks {
		if a.req.JobID == job.ID && a.req.ID == d.RequestID && a.digest == d.Digest && a.end.seq > 0 && d.DecidedAt.Sub(a.end.at).Abs() < time.Microsecond {
			// Two at one time look the same: one of them must fit.
			worst = nil
			l.checkStory(job, d, a, func(format string, args ...any) { worst = append(worst, fmt.Sprintf(format, args...)) })
			if worst == nil {
				return
			}
		}
	}
	if worst == nil {
		fail("(f) the Result tells of a decision on %.8s that was not made", d.RequestID)
	}
	l.bad = append(l.bad, worst...)
}

// checkStory compares what a Result tells of a decision with what happened.
func (l *life) checkStory(job duvotest.JobRecord, d hitl.DecisionEntry, a *lifeAsk, fail failFunc) {
	verdict := a.decision.Verdict
	if verdict == hitl.Passed {
		verdict = hitl.Denied
	} else if d.By != a.decision.By || d.Reason != a.decision.Reason {
		fail("(f) %q decided, and the Result tells %q", a.decision.By, d.By)
	}
	if d.Verdict != verdict || !maps.Equal(d.Answers, a.decision.Answers) {
		fail("(f) %v was decided, and the Result tells %v", verdict, d.Verdict)
	}
	if mine := strings.HasPrefix(d.Path, "Registry.Decide"); mine != (a.later != nil) || mine && d.Source != hitl.SourcePerson {
		fail("(f) %q decided, and the Result tells of %s by way of %q", a.decision.By, d.Source, d.Path)
	}
	var posts []*lifePost // for this decision
	for _, p := range l.posts {
		if p.name == "respond" && p.jobID == job.ID && p.request == d.RequestID && l.askedBefore(job.ID, p.request, p.began.seq) == a {
			posts = append(posts, p)
		}
	}
	sent := slices.ContainsFunc(posts, func(p *lifePost) bool { return !nothing(p) || l.lies() })
	taken, proper, astray := false, false, false // astray: the server took it for another request, and said so unless that came late
	for _, q := range job.Requests {
		proper = proper || q.Response != nil && !q.Response.Elsewhere && q.Response.RequestID == d.RequestID && q.ID == d.RequestID
		astray = astray || q.Response != nil && !q.Response.Elsewhere && q.Response.RequestID == d.RequestID && q.ID != d.RequestID
		taken = taken || q.Response != nil && !q.Response.Elsewhere && q.Response.RequestID == d.RequestID && sent
	}
	toSend := verdict == hitl.Approved || verdict == hitl.Answered || verdict == hitl.Denied && d.Kind == duvo.Approval
	switch d.Delivery {
	case hitl.NotSent:
		if len(posts) > 0 || toSend {
			fail("(f) %v of %.8s is told as not sent; it was sent %d times", verdict, d.RequestID, len(posts))
		}
	case hitl.Accepted:
		if !taken || astray && !proper || posts[len(posts)-1].status != http.StatusOK {
			fail("(f) %v of %.8s is told as accepted, and was not taken", verdict, d.RequestID)
		}
	case hitl.Superseded:
		if taken && !l.lies() {
			fail("(f) %v of %.8s is told as superseded, and was taken", verdict, d.RequestID)
		}
	case hitl.Refused:
		if taken && !l.lies() || len(posts) == 0 {
			fail("(f) %v of %.8s is told as refused, and was taken", verdict, d.RequestID)
		}
	case hitl.Unconfirmed:
		died := l.dead.seq > 0 && a.end.seq < l.dead.seq // perhaps while it was sent
		// The second process cannot know an answer that only the first one got, later.
		across := func(p *lifePost) bool {
			return l.second.seq > 0 && p.began.seq < l.second.seq && (p.end.seq == 0 || p.end.seq > l.second.seq)
		}
		if !died && !astray && !slices.ContainsFunc(posts, unclear) && !slices.ContainsFunc(posts, across) {
			fail("(f) %v of %.8s is told as unconfirmed, and no attempt was unclear", verdict, d.RequestID)
		}
	default:
		fail("(f) %v of %.8s is told as %q at the end", verdict, d.RequestID, d.Delivery)
	}
}

// alike reports whether two values are written alike.
func alike(a, b any) bool {
	x, err := json.Marshal(a)
	y, other := json.Marshal(b)
	return err == nil && other == nil && bytes.Equal(x, y)
}
