package lifecycle

import (
	"strconv"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// respond sends the sealed response, or finds out what became of it. It is called
// while the last read shows the request.
func (t *turn) respond(p *Request, q *Ticket) bool {
	l, a := &t.Live, t.Live.ask(p.ID)
	checksAge := !p.refused() && (!p.Attempt.Earlier || t.o.on(guardResend))
	if checksAge && t.tooOld(p, a) {
		return t.mayNotSend(p, q, "it is too long ago that it was decided")
	}
	if t.pending(a.NotBefore) {
		return false
	}
	// The read just before comes after whatever an earlier attempt may have done.
	since := Moment{Mono: max(a.Since.Mono, a.NotBefore)}
	if !t.fresh(l.Read, since) {
		t.wantRead(max(since.Mono, l.Read.Began.Mono+1))
		return false
	}
	if p.refused() {
		p.Stage, p.Why = Stuck, "Duvo refused the response, and the Job still waits"
		p.Attempt = Attempt{}
		t.delivered(p, Refused)
		t.fail(CauseResponse, "", true)
		return true
	}
	if t.o.Claims && t.o.on(guardClaim) && !a.Claimed {
		t.emit(Claim{Name: t.exchange(Claiming, p.ID), Job: t.Record.Job, Request: p.ID})
		return true
	}
	if !a.Checked && p.Decision.Verdict != Denied {
		g := guardVeto
		if p.Attempt.Earlier {
			g = guardResend
		}
		if t.o.on(g) {
			t.emit(CheckRules{Name: t.exchange(Checking, p.ID), Ticket: q, Decision: p.Decision})
			return true
		}
	}
	announced := t.ready(Responding, p.ID, &p.Attempt)
	if !announced {
		t.line(LineSent, p.ID, "") // as it is before
	}
	p.Stage = Sending
	if !announced {
		return true
	}
	w := t.window()
	if t.o.on(guardRead) {
		w = w.end(l.Read.Began.Add(t.o.Stale))
		w.From = l.Read.Began
	}
	if !t.o.on(guardWall) {
		w.From.Wall, w.To.Wall = 0, 1<<62
	}
	a.Checked = false // before it is repeated the rules are asked
	t.emit(Respond{Name: t.exchange(Responding, p.ID), Window: t.anyTime(w), Job: t.Record.Job, Request: p.ID, Body: p.Decision.Body, Key: p.Decision.Key})
	return true
}

// tooOld reports whether a decision may not be sent any more.
func (t *turn) tooOld(p *Request, a *Ask) bool {
	limit := t.o.DecisionMax
	if limit == 0 || !t.o.on(guardAge) {
		return false
	}
	if a.Decided.Mono != 0 && t.now.Mono-a.Decided.Mono > limit {
		return true
	}
	if a.Decided.Mono != 0 && !t.o.on(guardWall) {
		return false
	}
	d, known := age(p.DecidedAt, t.now, t.o.Skew)
	return !known || d > limit
}

// mayNotSend gives up a decision: it is asked again, unless it may have been
// sent, which is then all that can be told.
func (t *turn) mayNotSend(p *Request, q *Ticket, why string) bool {
	t.forgetAnnounced(p.ID)
	if !p.sent() {
		t.reset(p, q)
		return true
	}
	p.Stage, p.Why = Stuck, "the response may have been sent, and is not sent again: "+why
	p.Attempt = Attempt{}
	t.delivered(p, Unconfirmed)
	return true
}

// checked takes in whether today's rules allow what was decided.
func (t *turn) checked(x Exchange, e Checked) {
	p := t.Record.Request(x.Request)
	if p == nil || p.Stage != Decided && p.Stage != Sending {
		return
	}
	a := t.Live.ask(p.ID)
	switch {
	case e.Allowed:
		a.Checked = true
		return
	case e.Unclear, e.Held && p.sent(): // what is held and was not sent is asked about anew
		a.Fails = min(a.Fails+1, 8)
		a.NotBefore = t.now.Mono + t.o.backoff(a.Fails, 0)
		return
	}
	if p.sent() {
		t.Record.Note = join(t.Record.Note, "a response that an earlier process may have sent was not sent again: the policy denies by now what it says")
	}
	q := a.Ticket
	if q == nil {
		q = &Ticket{ID: p.ID, Digest: p.Digest, Kind: p.Kind, Title: p.Title, Build: p.Build}
	}
	t.mayNotSend(p, q, "a rule denies it now")
}

// requestClaimed takes in whether another operation has decided.
func (t *turn) requestClaimed(id string, e Claimed) {
	p, a := t.Record.Request(id), t.Live.ask(id)
	switch {
	case e.Failed:
		a.Fails = min(a.Fails+1, 8)
		a.Checked = false // it may take long
		a.NotBefore = t.now.Mono + t.o.backoff(a.Fails, 0)
		t.replyAll(a, FateHeld)
	case e.TakenBy != "" && p != nil:
		p.Stage, p.Why = Settled, "another operation has decided the request, and the Job still waits"
		t.Record.Note = join(t.Record.Note, "the request "+strconv.Quote(hitl.SafeLine(p.Title, 100))+" was decided by another operation on the same Job: "+e.TakenBy)
		t.notCounted(p, "the decision does not count: the request was already "+e.TakenBy)
		t.line(LineElsewhere, id, "")
		t.replyAll(a, FateDecided)
		t.delivered(p, p.fate())
	case e.TakenBy == "":
		a.Claimed, a.Fails = true, 0
	}
}

// responseSent takes in the answer to a response.
func (t *turn) responseSent(id string, e Sent) {
	p := t.Record.Request(id)
	if p == nil {
		return
	}
	a := t.Live.ask(id)
	a.Since = t.now
	t.Live.Read, t.Live.Noted = nil, nil // from before the attempt
	switch e.Reply {
	case OK:
		p.Stage, p.Attempt = Settled, Attempt{}
		t.count(false) // from now on the Job works again
		t.delivered(p, Accepted)
		t.Live.Young = true
		return
	case Doubt, Elsewhere:
		t.inDoubt(&p.Attempt)
		a.NotBefore = t.now.Mono + t.afterDoubt(t.o.SettleAfter(e))
		t.line(LineFailed, id, e.Text)
		t.Live.LinesDue = true
		if e.Broken {
			t.fail(CauseFailed, e.Text, true)
		}
		return
	}
	unopen(&p.Attempt)
	refused := e.Reply == Refusal || e.Reply == NotThere || e.Reply == CannotAct
	if !p.Attempt.Earlier && !refused {
		p.Stage = Decided
	}
	if e.Reply != TooLate {
		a.Late = 0
		t.line(LineFailed, id, e.Text)
	}
	t.Live.LinesDue = true
	switch {
	case e.Reply == TooLate:
		a.Checked = true // nothing was sent since
		t.line(LineNotSent, id, e.Text)
		if t.tooLate(&a.Late) {
			t.Live.Dirty = true
			t.fail(CauseTooLate, e.Text, true)
		}
	case refused && !p.Attempt.Earlier:
		p.Reached = true // a read tells whether it was answered elsewhere
	case refused:
		a.NotBefore = t.now.Mono + t.afterDoubt(t.o.SettleAfter(e)) // proves nothing about the earlier one
	default:
		a.Fails = min(a.Fails+1, 8)
		a.NotBefore = t.now.Mono + t.o.backoff(a.Fails, e.RetryAfter)
	}
}

// afterDoubt is how long to wait before a response is repeated whose effect may
// still land for a while.
func (t *turn) afterDoubt(settle time.Duration) time.Duration {
	if !t.o.on(guardSettle) {
		return 1
	}
	return settle
}
