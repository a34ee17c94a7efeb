package property

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"pgregory.net/rapid"
)

// A sayPlan is one message to a Job that has ended, by the caller who got its
// Result.
type sayPlan struct {
	at       time.Duration // after the Result, or what came of the message before
	patience time.Duration
	asks     bool // the Job asks before it answers
	twice    bool // two callers say the same at once
	first    bool // after the first Result, not the last: what was said since is between
}

// drawSays draws what is said to Jobs that have ended. There is one life then: what
// a second one takes up of a message, the tests of follow-ups know.
func drawSays(t *rapid.T) (says []sayPlan) {
	const ms, s, m = time.Millisecond, time.Second, time.Minute
	dur := func(label string, of ...time.Duration) time.Duration { return rapid.SampledFrom(of).Draw(t, label) }
	for range rapid.IntRange(1, 3).Draw(t, "messages") {
		says = append(says, sayPlan{at: dur("said after", 0, 0, s, 50*s), patience: dur("waits for the answer", 2*time.Hour, 2*time.Hour, 2*time.Hour, 10*m, 6*s, 10*ms),
			asks: rapid.Bool().Draw(t, "asks"), twice: rapid.IntRange(0, 3).Draw(t, "twice") == 0, first: rapid.IntRange(0, 3).Draw(t, "after the first") == 0})
	}
	return says
}

// sayText is what is said; it tells the script what to do.
func sayText(op, n int, asks bool) string { return fmt.Sprintf("say-%d-%d-%t", op, n, asks) }

// answer is the script of a Job that goes on.
func (l *life) answer(j *duvotest.Job, message string) {
	j.Sleep(3 * time.Second)
	if strings.HasSuffix(message, "true") {
		j.Say(fmt.Sprint(j.AskApproval("Refund 120 EUR", "because of "+message)))
	}
	j.Complete("about " + message)
}

// goOn says what is planned, one after another.
func (l *life) goOn(reg *duvotool.Registry, process, op int, res *outcome.Result) {
	first := res
	for n, p := range l.plan.ops[op].says {
		after := res
		if p.first {
			after = first
		}
		if after == nil || after.Outcome != outcome.OutcomeCompleted && after.Outcome != outcome.OutcomeInterrupted {
			return
		}
		time.Sleep(p.at)
		var wg sync.WaitGroup
		results := make([]*outcome.Result, 1)
		if p.twice {
			results = make([]*outcome.Result, 2)
		}
		for i := range results {
			wg.Go(func() { results[i] = l.continueWith(reg, process, op, n, p, after) })
		}
		wg.Wait()
		if results[0] != nil {
			res = results[0]
		}
	}
}

// continueWith is one call of Registry.Continue.
func (l *life) continueWith(reg *duvotool.Registry, process, op, n int, p sayPlan, after *outcome.Result) *outcome.Result {
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	ctx = duvotool.WithOperationKey(ctx, "key-"+strconv.Itoa(op)+"-said-"+strconv.Itoa(n))
	k := &lifeCall{op: op, said: sayText(op, n, p.asks), saidTo: after.JobID, process: process}
	k.deadline, _ = ctx.Deadline()
	l.log(func(m moment) {
		k.began = m
		l.calls = append(l.calls, k)
		l.say("op %d: %q is said for %v", op, k.said, p.patience)
	})
	k.res, k.err = reg.Continue(ctx, after, k.said)
	l.log(func(m moment) {
		k.end = m
		k.putOff = k.res != nil && strings.Contains(k.res.Note, "was put off")
		l.say("op %d: of %q came %v %v", op, k.said, k.res != nil, k.err)
		if k.res != nil {
			l.say("op %d: outcome %s %s %.60q, %+v", op, k.res.Outcome, k.res.Note, k.res.Output, k.res.Decisions)
		}
	})
	return k.res
}

// followedUp reports whether a message was posted to a Job: what was told before
// of how it ended may not be so any more.
func (l *life) followedUp(jobID string) bool {
	for _, p := range l.posts {
		if p.name == "messages" && p.jobID == jobID {
			return true
		}
	}
	return false
}

// loses tells whether the messages of a Job are not found, for good or for long.
func (l *life) loses(jobID string) bool {
	return slices.ContainsFunc(l.jobs, func(j duvotest.JobRecord) bool { return j.ID == jobID && j.Deleted }) ||
		slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool { return f.Op == "listRunMessages" && f.Status == 404 && f.Times > 2 })
}

// checkMessage is about one message on the wire: (a) somebody said it, (b) once,
// and (d) a read just before showed a Job that takes it.
func (l *life) checkMessage(p *lifePost, fail failFunc) {
	var body struct{ Message string }
	_ = json.Unmarshal([]byte(p.body), &body)
	var said *lifeCall
	for _, c := range l.calls {
		if c.said == body.Message && c.said != "" && c.saidTo == p.jobID && c.began.seq < p.began.seq && said == nil {
			said = c
		}
	}
	if said == nil {
		fail("(a) %q was posted, and nobody said it to this Job", body.Message)
		return
	}
	if p.key == "" {
		fail("(b) %q was posted without a key", body.Message)
	}
	before := said.began
	for _, o := range l.posts {
		if o.name != "messages" || o == p {
			continue
		}
		same := o.jobID == p.jobID && sameJSON(o.body, p.body)
		if same != (o.key == p.key) {
			fail("(b) %s was posted with key %.20s, and %s with key %.20s", o.body, o.key, p.body, p.key)
		}
		if !same || o.began.seq > p.began.seq {
			continue
		}
		before = o.end
		switch {
		case o.end.seq == 0 || o.end.seq > p.began.seq:
			fail("(b) %q was posted twice at once", body.Message)
		case !unclear(o) && o.status < 300:
			fail("(b) %q was posted again after it was taken", body.Message)
		case unclear(o) && p.began.at.Sub(o.began.at) < l.plan.settle:
			fail("(b) %q was posted again %v after an attempt with an unclear fate", body.Message, p.began.at.Sub(o.began.at))
		}
	}
	switch r := l.readBefore(p, before); {
	case r == nil:
		fail("(d) %q was posted without a read just before", body.Message)
	case r.status != duvo.StatusCompleted && r.status != duvo.StatusInterrupted:
		fail("(d) %q was posted, and the read just before showed a Job that was %s", body.Message, r.status)
	}
}

// checkAsked is about what the policy is told of what was said: (c) a request that
// comes of a message is shown with it, and no message is taken for the input.
func (l *life) checkAsked(a *lifeAsk, fail failFunc) {
	_, message, found := strings.Cut(a.req.Description, "because of ")
	if found && !strings.Contains(a.req.FollowUp, message) {
		fail("(c) the request that came of %q was shown with %q", message, a.req.FollowUp)
	}
	if a.req.Input != lifeInput(a.op) {
		fail("(c) op %d: %q was shown as the input", a.op, a.req.Input)
	}
}

// checkSaid is about how a follow-up ended: (b) it was said once, (e) all its
// callers are told one answer, and (f) it is the one to this message.
func (l *life) checkSaid(c *lifeCall, fail failFunc) {
	times, posts, doubt := 0, 0, false
	for _, j := range l.jobs {
		if j.ID == c.saidTo {
			for _, m := range j.Messages {
				if m.Role == "user" && m.Text == c.said {
					times++
				}
			}
		}
	}
	for _, p := range l.posts {
		var body struct{ Message string }
		if p.name == "messages" && json.Unmarshal([]byte(p.body), &body) == nil && body.Message == c.said {
			posts++
			doubt = doubt || unclear(p)
		}
	}
	if times > 1 && !(doubt && posts >= times && l.plan.profile.Idempotency == duvotest.KeysIgnored) {
		fail("(b) the Job was told %q %d times", c.said, times)
	}
	if c.res == nil || c.endedAlone() || c.putOff {
		return
	}
	if c.res.JobID != c.saidTo {
		fail("(e) %q was said to %.8s, and the Result is of %.8s", c.said, c.saidTo, c.res.JobID)
	}
	if c.res.Outcome == outcome.OutcomeCompleted {
		lost := c.res.Output == "" && strings.Contains(c.res.Note, "its messages are no longer there") && l.loses(c.saidTo)
		if want := "about " + c.said; c.res.Output != want && !lost {
			fail("(f) the answer to %q is told as %q", c.said, c.res.Output)
		}
		if posts == 0 {
			fail("(f) %q was answered, and never posted", c.said)
		}
	}
	for _, o := range l.calls {
		if o.said != c.said || o.res == nil || o.endedAlone() || o.putOff {
			continue
		}
		a, b := *o.res, *c.res
		a.Repeated, b.Repeated = false, false
		if !alike(a, b) {
			fail("(e) of %q one call got %+v, another %+v", c.said, a, b)
		}
	}
}
