package lifecycle

import "time"

// respond sends the sealed response, or finds out what became of it. It is called
// while the last read shows the request.
func (t *turn) respond(p *Request, q *Ticket) bool {
	l, a := &t.Live, t.Live.ask(p.ID)
	if p.Attempt.Earlier && !t.o.on(guardResend) {
	} else if t.tooOld(p, a) {
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
	if a.Refused {
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
	if p.Stage == Decided {
		t.line(LineSent, p.ID, "")
	}
	announced := t.ready(Responding, p.ID, &p.Attempt)
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

// fresh reports whether a read is just before what is sent now: asked for after
// a moment, and not old by either clock.
func (t *turn) fresh(e *Read, since Moment) bool {
	if e == nil {
		return false
	}
	if !t.o.on(guardRead) {
		return true
	}
	if e.Began.Mono < since.Mono {
		return false
	}
	if !t.o.on(guardWall) {
		return t.now.Mono-e.Began.Mono <= t.o.Stale
	}
	return e.Began.within(t.o.Stale, t.now)
}

// tooOld reports whether a decision may not be sent any more.
func (t *turn) tooOld(p *Request, a *Ask) bool {
	limit := t.o.DecisionMax
	if limit == 0 {
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
	p := t.Record.request(x.Request)
	if p == nil || p.Stage != Decided && p.Stage != Sending {
		return
	}
	if e.Allowed {
		t.Live.ask(p.ID).Checked = true
		return
	}
	t.mayNotSend(p, &Ticket{ID: p.ID, Digest: p.Digest, Kind: p.Kind, Title: p.Title}, "a rule denies it now")
}

// requestClaimed takes in whether another operation has decided.
func (t *turn) requestClaimed(id string, e Claimed) {
	p, a := t.Record.request(id), t.Live.ask(id)
	switch {
	case e.Failed:
		a.Fails = min(a.Fails+1, 8)
		a.NotBefore = t.now.Mono + t.o.backoff(a.Fails, 0)
	case e.TakenBy != "" && p != nil:
		p.Stage, p.Why = Settled, "the operation "+e.TakenBy+" has answered it"
		t.delivered(p, p.fate())
	case e.TakenBy == "":
		a.Claimed, a.Fails = true, 0
	}
}

// responseSent takes in the answer to a response.
func (t *turn) responseSent(id string, e Sent) {
	p := t.Record.request(id)
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
		t.wantRead(t.now.Mono)
		return
	case Doubt:
		t.inDoubt(&p.Attempt)
		a.NotBefore = t.now.Mono + t.afterDoubt()
		t.line(LineFailed, id, e.Text)
		return
	}
	unopen(&p.Attempt)
	refused := e.Reply == Refusal || e.Reply == NotThere || e.Reply == CannotAct
	if !p.Attempt.Earlier && !refused {
		p.Stage = Decided
	}
	t.line(LineFailed, id, e.Text)
	switch {
	case e.Reply == TooLate:
	case refused && !p.Attempt.Earlier:
		a.Refused = true // a read tells whether it was answered elsewhere
	case refused:
		a.NotBefore = t.now.Mono + t.afterDoubt() // proves nothing about the earlier one
	default:
		a.Fails = min(a.Fails+1, 8)
		a.NotBefore = t.now.Mono + t.o.backoff(a.Fails, e.RetryAfter)
	}
}

// afterDoubt is how long to wait before a response is repeated.
func (t *turn) afterDoubt() time.Duration {
	if !t.o.on(guardSettle) {
		return 1
	}
	return t.o.settle()
}
