package property

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A personPlan is somebody who decides later, through the registry, what the
// policy has put off.
type personPlan struct {
	op        int
	at        time.Duration // when they begin to look at what waits
	hold      time.Duration // between reading it and deciding
	kind      string        // what they decide, as a mind does, or "other text": on what was never listed
	patience  time.Duration
	rivals    int  // who decide at the same moment, each something else
	remembers bool // in the second life: they decide on what they read in the first
}

// A lifeLater is one decision through the registry.
type lifeLater struct {
	op         int
	req        hitl.Request
	digest     string
	decision   hitl.Decision
	forged     bool // its text was never listed
	began, end moment
	deadline   time.Time
	err        error
	process    int
	taken      *lifeAsk // once the engine has told the audit of it
}

// A lifeList is what Registry.Pending told at some moment.
type lifeList struct {
	began, end moment
	process    int
	requests   []hitl.Request
	quiet      bool // nothing has happened for a while
}

// list asks the registry what waits.
func (l *life) list(reg *duvotool.Registry, process int, quiet bool) []hitl.Request {
	v := &lifeList{process: process, quiet: quiet}
	l.log(func(m moment) { v.began = m })
	v.requests = reg.Pending()
	l.log(func(m moment) {
		v.end = m
		l.lists = append(l.lists, v)
	})
	return v.requests
}

// person looks at what waits until it is there, for ten minutes, and decides.
func (l *life) person(reg *duvotool.Registry, o *oneProcess, p personPlan) {
	time.Sleep(p.at)
	req, found := hitl.Request{}, false
	if p.remembers {
		req, found = l.listedBefore(p.op)
	}
	for i := 0; i < 60 && !found && !o.isDead(); i++ {
		for _, q := range l.list(reg, o.number, false) {
			if q.Input == lifeInput(p.op) {
				req, found = q, true
			}
		}
		if !found {
			time.Sleep(10 * time.Second)
		}
	}
	if !found {
		return
	}
	time.Sleep(p.hold)
	if o.isDead() {
		return
	}
	var wg sync.WaitGroup
	kinds := []string{p.kind, "deny", "fit"}
	for i := range 1 + p.rivals {
		wg.Go(func() { l.decideLater(reg, o.number, p, kinds[i], req) })
	}
	wg.Wait()
}

// listedBefore returns what was listed of an operation in the first life.
func (l *life) listedBefore(op int) (hitl.Request, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.lists {
		for _, q := range v.requests {
			if q.Input == lifeInput(op) && v.process == 1 {
				return q, true
			}
		}
	}
	return hitl.Request{}, false
}

func (l *life) decideLater(reg *duvotool.Registry, process int, p personPlan, kind string, req hitl.Request) {
	x := &lifeLater{op: p.op, process: process, forged: kind == "other text"}
	if x.forged {
		kind, req.Title = "fit", req.Title+"0"
	}
	x.req, x.digest = req, req.Digest()
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	defer cancel()
	x.deadline, _ = ctx.Deadline()
	l.log(func(m moment) {
		x.began = m
		who := fmt.Sprintf("person-%d", len(l.laters))
		x.decision, _ = makeUp(kind, req, len(l.laters), who)
		if kind != "nobody" {
			x.decision.By = who
		}
		l.laters = append(l.laters, x)
		l.say("op %d: %s decides %v on %.8s %q", p.op, x.decision.By, x.decision.Verdict, req.ID, req.Title)
	})
	l.event(p.op, "later")
	x.err = reg.Decide(ctx, req, x.decision)
	l.log(func(m moment) {
		x.end = m
		l.say("op %d: %s is told %v", p.op, x.decision.By, x.err)
	})
}

// take notes that the engine has taken what a person decided through the
// registry: from then on it is the decision on that request.
func (l *life) take(r audit.Record) {
	if r.Event != audit.Decided || !strings.HasPrefix(r.By, "person-") {
		return
	}
	l.log(func(m moment) {
		for _, x := range l.laters {
			if x.decision.By != r.By {
				continue
			}
			if x.taken != nil {
				l.bad = append(l.bad, "(b) what "+r.By+" decided was taken twice")
			}
			d := x.decision
			d.Source = hitl.SourcePerson
			x.taken = &lifeAsk{op: x.op, req: x.req, digest: x.digest, began: m, end: m, decision: d, later: x, process: x.process}
			l.asks = append(l.asks, x.taken)
			l.say("op %d: what %s decided is taken", x.op, r.By)
			return
		}
		l.bad = append(l.bad, "(a) the audit tells of "+r.By+", who decided nothing")
	})
}

// putOff tells whether a policy has put a decision off.
func (a *lifeAsk) putOff() bool {
	return a.end.seq > 0 && a.err == nil && !a.panicked && a.decision.Verdict == hitl.Suspended
}

// detached tells whether an operation may go on without callers.
func (l *life) detached(op, process, seq int) bool {
	for _, a := range l.asks {
		if a.op == op && a.process == process && a.putOff() && a.end.seq < seq {
			return true
		}
	}
	for _, c := range l.calls {
		if c.op == op && c.process == process && c.start && c.err == nil && c.began.seq < seq {
			return true
		}
	}
	return false
}

// waits tells that the policy's last word on an operation, in one process, before
// a moment is that the decision is put off, and that a caller was told so.
func (l *life) waits(op, process int, before moment) (last *lifeAsk, yes bool) {
	for _, a := range l.asks {
		if a.op == op && a.process == process && a.began.seq < before.seq {
			last = a
		}
	}
	if last == nil || !last.putOff() || last.end.seq > before.seq {
		return nil, false
	}
	for _, c := range l.calls {
		if c.op == op && c.process == process && c.putOff && c.end.seq > last.end.seq && c.end.seq < before.seq {
			return last, true
		}
	}
	return nil, false
}

// checkLater is about one decision through the registry: (b) of several one
// counts, (c) for the very text, and (g) it comes to an end.
func (l *life) checkLater(x *lifeLater, fail failFunc) {
	who := x.decision.By
	if l.dead.seq > 0 && x.process == 1 && (x.end.seq == 0 || x.end.seq > l.dead.seq) {
		x.err = errDead
	} else if x.end.seq == 0 || x.end.at.After(x.deadline) {
		fail("(g) Decide of %s did not return in time", who)
		return
	}
	a := x.taken
	if x.forged && a != nil {
		fail("(c) %s decided on a text that was never listed, and it was taken", who)
	}
	if a != nil {
		before := l.askedBefore(x.req.JobID, x.req.ID, a.began.seq)
		switch {
		case before == nil || !before.putOff() || before.end.seq > a.began.seq:
			fail("(a)(b) what %s decided was taken, and nothing was put off", who)
		case before.digest != x.digest:
			fail("(c) what %s decided on %.8s was taken for %.8s", who, x.digest, before.digest)
		}
		if a.began.seq < x.began.seq {
			fail("(a) what %s decided was taken before", who)
		}
	}
	var lost *outcome.DecidedError
	switch {
	case x.err == nil && a == nil:
		fail("(f) %s is told that it was done, and it was not taken", who)
	case x.err == nil && a.valid():
		for _, p := range l.posts {
			if p.name == "respond" && p.request == x.req.ID && p.began.seq > a.began.seq {
				return
			}
		}
		fail("(f) %s is told that it was done, and nothing was sent", who)
	case errors.As(x.err, &lost):
		if a != nil && !l.decidedElsewhere(a, lost.Entry.By) || lost.Entry.By == who || lost.Entry.RequestID != x.req.ID {
			fail("(f) %s is told that %q had decided", who, lost.Entry.By)
		}
	case errors.Is(x.err, hitl.ErrInvalidDecision) && a != nil:
		fail("(f) %s is told %v, and it was taken", who, x.err)
	}
}

// decidedElsewhere tells whether a response was sent for a request that came back with
// its ID, on what somebody had decided before: in a follow-up it is taken as a new one,
// and only then found to have been another operation's.
func (l *life) decidedElsewhere(a *lifeAsk, by string) bool {
	back := slices.ContainsFunc(l.acts, func(act lifeAct) bool { return act.jobID == a.req.JobID && act.what == "ID back" })
	return back && slices.ContainsFunc(l.asks, func(b *lifeAsk) bool {
		return b.valid() && b.decision.By == by && b.req.JobID == a.req.JobID && b.req.ID == a.req.ID && b.end.seq < a.began.seq &&
			slices.ContainsFunc(l.posts, func(p *lifePost) bool {
				return p.name == "respond" && p.request == a.req.ID && p.began.seq > b.end.seq && p.began.seq < a.began.seq
			})
	})
}

// checkList is about what Registry.Pending told: what was put off and is not
// decided, and when all is quiet all of that.
func (l *life) checkList(v *lifeList, fail failFunc) {
	listed := map[string]bool{}
	for _, q := range v.requests {
		listed[q.Digest()] = true
		ok := false
		before := l.askedBefore(q.JobID, q.ID, v.began.seq)
		recording := before != nil && before.end.at.Equal(v.began.at) // listed until the journal holds the decision
		for _, a := range l.asks {
			if a.req.JobID == q.JobID && a.req.ID == q.ID && a.digest == q.Digest() && a.putOff() && a.end.seq < v.end.seq && (a == before || recording || a.began.seq > v.began.seq || a.end.seq > v.began.seq) {
				ok = true
			}
		}
		if !ok {
			fail("(f) Pending lists %.8s %q at %d, which nobody has put off or somebody has decided", q.ID, q.Title, v.began.seq)
		}
	}
	if !v.quiet {
		return
	}
	for op := range l.plan.ops {
		a, waits := l.waits(op, v.process, v.began)
		if !l.undisturbed(op, v.began) {
			continue
		}
		there := false // at Duvo, as the engine has read it
		var last *lifeRead
		for _, r := range l.reads {
			if r.op == op && r.process == v.process && r.end.seq < v.began.seq {
				last = r
			}
		}
		if last != nil && a != nil {
			there = last.digest == a.shown() && l.waited(a.req, v.end.at)
		}
		if waits && there && !listed[a.digest] {
			fail("(f) %.8s %q was put off and waits, and Pending does not list it", a.req.ID, a.req.Title)
		}
		for _, q := range v.requests {
			if q.Input == lifeInput(op) && !l.waited(q, v.began.at.Add(-15*time.Minute)) {
				fail("(f) %.8s %q is listed, and does not wait any more", q.ID, q.Title)
			}
		}
	}
}

// undisturbed tells that nothing has happened to an operation, from outside, for so long
// that it must have been seen.
func (l *life) undisturbed(op int, m moment) bool {
	for _, x := range l.acts {
		if x.op == op && x.seq < m.seq && m.at.Sub(x.at) < 15*time.Minute {
			return false
		}
	}
	return l.clean(op) && l.plan.timeout == 0
}

// waited tells whether a Job waited for a request at some time, as far as its
// records tell.
func (l *life) waited(q hitl.Request, at time.Time) bool {
	for _, j := range l.jobs {
		if j.ID != q.JobID {
			continue
		}
		if !j.CompletedAt.IsZero() && j.CompletedAt.Before(at) || slices.ContainsFunc(l.acts, func(x lifeAct) bool { return x.jobID == j.ID && x.what == "delete" && x.at.Before(at) }) {
			return false
		}
		return slices.ContainsFunc(j.Requests, func(r duvotest.RequestRecord) bool { // an ID may come back
			return r.ID == q.ID && (r.Response == nil || !r.Response.At.Before(at))
		})
	}
	return false
}

// checkPutOff is about a call that returned because the decision was put off:
// then it was, and is still.
func (l *life) checkPutOff(c *lifeCall, fail failFunc) {
	for _, a := range l.asks {
		if a.op != c.op || !a.putOff() || a.process != c.process || a.end.seq > c.end.seq {
			continue
		}
		if a.end.seq > c.began.seq {
			return
		}
		if b := l.askedBefore(a.req.JobID, a.req.ID, c.began.seq); b == a {
			return
		}
	}
	fail("(e) a call of op %d was told that a decision was put off, and none was", c.op)
}

// checkCollected is about a call with the key of one that was released: it gets
// the outcome, once there is one.
func (l *life) checkCollected(c *lifeCall, fail failFunc) {
	if !l.undisturbed(c.op, c.began) {
		return
	}
	id := "" // where keys are ignored there may be a second Job, which is nobody's
	var failed *outcome.JobError
	if c.res != nil {
		id = c.res.JobID
	} else if errors.As(c.err, &failed) {
		id = failed.JobID
	}
	for _, j := range l.jobs {
		if j.ID == id && !j.Deleted && !j.CompletedAt.IsZero() && c.began.at.Sub(j.CompletedAt) > 15*time.Minute && (c.putOff || c.res == nil) {
			fail("(e) op %d ended long ago, and the call with its key got %v", c.op, c.err)
		}
	}
}
