package property

import (
	"fmt"
	"slices"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// check returns what did not hold.
func (l *life) check() []string {
	fail := func(format string, args ...any) { l.bad = append(l.bad, fmt.Sprintf(format, args...)) }
	for _, p := range l.posts {
		switch p.name {
		case "respond":
			l.checkPost(p, fail)
		case "stop":
			l.checkStop(p, fail)
		case "messages":
			l.checkMessage(p, fail)
		}
		l.checkHeld(p, fail)
	}
	for _, j := range l.jobs {
		l.checkJob(j, fail)
	}
	for op := range l.plan.ops {
		l.checkOperation(op, fail)
	}
	for _, c := range l.calls {
		if !l.unheard(c) {
			l.checkCall(c, fail)
			if c.said != "" {
				l.checkSaid(c, fail)
			}
		}
	}
	for _, a := range l.asks {
		l.checkAsked(a, fail)
	}
	for _, x := range l.laters {
		l.checkLater(x, fail)
	}
	for _, v := range l.lists {
		if v.process == 2 || l.dead.seq == 0 || v.end.seq < l.dead.seq {
			l.checkList(v, fail)
		}
	}
	for _, v := range l.looks {
		l.checkLook(v, fail)
	}
	l.checkAudit(fail)
	l.checkTakenUp(fail)
	return l.bad
}

// checkTakenUp is about the second process: (h) it takes up what was under way,
// and leaves alone what its callers had left.
func (l *life) checkTakenUp(fail failFunc) {
	if l.ended.seq == 0 || l.plan.down == 0 {
		return
	}
	for op, o := range l.plan.ops {
		called := time.Time{}     // in the second process
		var last, ended *lifeCall // in the second process, and the last to end in the first
		for _, c := range l.calls {
			if c.op == op && c.process == 1 && !c.end.at.IsZero() && (ended == nil || c.end.seq > ended.end.seq) {
				ended = c
			}
			if c.op == op && c.process == 2 {
				called, last = sooner(called, c.began.at), c
			}
		}
		touched := time.Time{}
		for _, r := range l.reads {
			if r.op == op && r.process == 2 {
				touched = sooner(touched, r.began.at)
			}
		}
		for _, p := range l.posts {
			if p.op == op && p.process == 2 {
				touched = sooner(touched, p.began.at)
			}
		}
		under, left := l.inFlight(op)
		going := l.detached(op, 1, l.ended.seq)
		if !under && !going && !touched.IsZero() && l.ended.at.Sub(left) > 3*time.Minute && (called.IsZero() || touched.Before(called)) {
			fail("(h) op %d was left by its callers, and taken up all the same", op)
		}
		parked := ended != nil && ended.err == nil && !ended.putOff && !ended.start && ended.endedAlone() // by its call, and not in flight
		done := last == nil || last.res == nil || last.res.Outcome == outcome.OutcomeUnknown || last.res.Outcome == outcome.OutcomeGone || !last.res.EndedAt.IsZero() && last.res.EndedAt.Before(l.second.at)
		sent := slices.ContainsFunc(l.posts, func(p *lifePost) bool { return p.op == op && p.process == 1 && p.name == "runs" })
		_, waits := l.waits(op, 1, l.ended)
		if (under && left.IsZero() || waits && l.undisturbed(op, l.ended)) && sent && !done && !parked && o.naming != unnamed && l.clean(op) && called.Sub(l.second.at) >= 10*time.Minute && (touched.IsZero() || touched.Sub(l.second.at) > 5*time.Minute) {
			fail("(h) op %d was under way, and not taken up before it was called", op)
		}
	}
}

// clean tells that nothing ended an operation by an error.
func (l *life) clean(op int) bool {
	for _, f := range l.plan.faults {
		if f.Status >= 400 && f.Status < 500 || f.Op == "startRun" || f.Op == "getRun" {
			return false
		}
	}
	for _, a := range l.asks {
		if a.op == op && !a.valid() && a.decision.Verdict != hitl.Left && !a.putOff() {
			return false
		}
	}
	return true
}

type failFunc = func(format string, args ...any)

// settles tells how long after an attempt without an answer it may be repeated.
func (l *life) settles() time.Duration { return l.plan.settle + 45*time.Second }

func (l *life) lax() bool { return l.plan.profile.Respond != duvotest.CheckRequest }

// tooLate tells whether an effect may land after the settle time, where nothing
// holds it back.
func (l *life) tooLate() bool {
	return l.lax() && l.plan.profile.Idempotency == duvotest.KeysIgnored && slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool {
		return f.Op == "respondToHumanRequest" && f.Kind == duvotest.LateEffect && f.Latency+f.EffectDelay >= l.settles()
	})
}

// lateMessage tells whether a message may land after the settle time.
func (l *life) lateMessage() bool {
	return slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool {
		return f.Op == "postRunMessage" && f.Kind == duvotest.LateEffect && f.Latency+f.EffectDelay >= l.settles()
	})
}

// lies tells whether the server says of a response that it refused it, and
// takes it.
func (l *life) lies() bool {
	return slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool {
		return f.Op == "respondToHumanRequest" && f.Kind == duvotest.StatusAfter && f.Status >= 400 && f.Status < 500 && f.Status != 408
	})
}

// twin tells whether a second request came under an ID, after a response to the
// first that may have been taken unseen.
func (l *life) twin(jobID, request string) bool {
	return slices.ContainsFunc(l.acts, func(a lifeAct) bool { return a.jobID == jobID && a.what == "ID back" }) &&
		slices.ContainsFunc(l.posts, func(p *lifePost) bool {
			return p.name == "respond" && p.jobID == jobID && p.request == request && (unclear(p) || l.lies())
		})
}
