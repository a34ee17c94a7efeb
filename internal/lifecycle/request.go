package lifecycle

import (
	"slices"
	"strings"
)

// sent reports whether a response to the request has reached the server, or may
// have: it must remain the only one.
func (p *Request) sent() bool {
	return p.Stage == Sending || p.Reached || p.Attempt.Open || p.Attempt.Earlier || p.Delivery == Accepted || p.Delivery == Refused || p.Delivery == Unconfirmed
}

// refused reports whether the only response that can have reached the server was refused.
// No other is sent, and the next read tells whether somebody else has answered.
func (p *Request) refused() bool {
	return p.Stage == Sending && p.Reached && !p.Attempt.Open && !p.Attempt.Earlier
}

// over notes that every request but one has ended, whoever ended it.
func (t *turn) over(except string) {
	for i := range t.Record.Requests {
		p := &t.Record.Requests[i]
		if strings.EqualFold(p.ID, except) || p.Stage == Settled && p.Gone {
			continue
		}
		was := p.Stage
		if p.Stage == Settled {
			p.Gone, p.PutOff = true, nil
			continue
		}
		t.endAsk(p.ID, AskElsewhere)
		t.forgetAnnounced(p.ID)
		p.Stage, p.Gone, p.PutOff = Settled, true, nil
		if p.Decision != nil && p.Decision.Nobody && !t.Record.Stopping.Asked {
			p.Delivery = Superseded // somebody else could decide
		}
		switch was {
		case Decided:
			t.delivered(p, Superseded)
		case Sending:
			t.delivered(p, p.fate())
		default:
			t.line(LineElsewhere, p.ID, "")
			t.replyAll(t.Live.ask(p.ID), FateNotPending)
			t.fact()
		}
	}
}

// forgetAnnounced takes back the announcement of a response that was not sent.
func (t *turn) forgetAnnounced(id string) {
	if n := t.Live.Announced; t.Live.announces(Responding) && strings.EqualFold(n.Request, id) {
		t.withdraw(readAgain)
	}
}

// fate is what became of a response whose request is gone: it may have been
// taken, unless every attempt provably did nothing.
func (p *Request) fate() Delivery {
	if p.Attempt.Earlier || p.Attempt.Open {
		return Unconfirmed
	}
	return Superseded
}

// shown takes in that the Job waits for a request.
func (t *turn) shown(q *Ticket) {
	p := t.Record.Request(q.ID)
	if p == nil {
		t.Record.Requests = append(t.Record.Requests, q.request(t.now.Wall))
		t.Live.ask(q.ID).Ticket = q
		t.line(LineRequested, q.ID, "")
		t.Live.Dirty = true
		return
	}
	changed := p.reads(q) && t.o.on(guardDigest)
	t.Live.ask(p.ID).Ticket = q
	if p.Build == "" {
		p.Build = q.Build
	}
	if changed {
		t.forgetAnnounced(p.ID)
	}
	switch {
	case !changed && !p.Gone:
	case !p.sent() || !t.o.on(guardOnce):
		t.reset(p, q)
	case changed && p.Stage == Sending:
		// A response to this ID was sent; it must remain the only one.
		p.Stage = Settled
		t.delivered(p, p.fate())
	}
}

// request makes the request that a ticket shows first.
func (q *Ticket) request(first Time) Request {
	return Request{ID: q.ID, Digest: q.Digest, Kind: q.Kind, Title: q.Title, Build: q.Build, Added: q.Added, FirstSeen: first}
}

// reads reports whether a ticket shows the request otherwise than before: with
// another text, or of another Build of the Job, which may mean something else by it.
func (p *Request) reads(q *Ticket) bool {
	return p.Digest != q.Digest || p.Build != "" && q.Build != "" && !strings.EqualFold(p.Build, q.Build)
}

// past keeps how a request was whose decision is thrown away.
func (t *turn) past(p *Request) {
	if p.Decision != nil {
		t.Record.Past = append(slices.Clip(t.Record.Past), *p)
	}
}

// reset makes a request one that nothing was decided about: its text is another,
// it was away for a while, or what was decided may not be sent.
func (t *turn) reset(p *Request, q *Ticket) {
	t.endAsk(p.ID, AskChanged)
	t.forgetAnnounced(p.ID)
	if p.Stage == Decided {
		t.delivered(p, Superseded)
	}
	t.past(p)
	first, fate := p.FirstSeen, FateNotPending
	if p.reads(q) {
		first, fate = t.now.Wall, FateChanged // another text has deadlines of its own
	}
	id := p.ID
	*p = q.request(first)
	p.ID = id
	a := t.Live.ask(p.ID)
	if a.Answer != nil {
		t.replyTo(a.Answer, fate)
	}
	t.replyAll(a, fate)
	*a = Ask{ID: p.ID, Ticket: q}
	t.line(LineRequested, p.ID, "")
	t.Live.Dirty = true
}

// delivered notes what became of a decision.
func (t *turn) delivered(p *Request, d Delivery) {
	p.Delivery = d
	if p.Stage == Settled {
		p.Attempt = Attempt{}
	}
	t.line(LineDelivered, p.ID, string(d))
	t.emit(Tell{Kind: NoticeDelivered, Request: p.ID, Text: string(d)})
	t.fact()
}

// askPolicy asks about a request.
func (t *turn) askPolicy(p *Request, q *Ticket) bool {
	a := t.Live.ask(p.ID)
	if a.Turn != 0 || a.Suspended {
		return false
	}
	t.Live.Counter++
	a.Turn = t.Live.Counter
	t.emit(AskPolicy{Turn: a.Turn, FirstSeen: p.FirstSeen, Ticket: q})
	t.emit(Tell{Kind: NoticeRequested, Request: p.ID})
	return false
}

// endAsk ends the question about a request, if there is one.
func (t *turn) endAsk(id string, cause AskEnd) {
	a := t.Live.ask(id)
	if a.Turn != 0 {
		t.emit(EndAsk{Request: id, Turn: a.Turn, Cause: cause})
	}
	a.Turn, a.Suspended = 0, false
	if a.Answer != nil && a.Answer.Reply == "" {
		a.Answer = nil
	}
}

// endAsks ends all questions, because nobody wants the operation to go on.
func (t *turn) endAsks() {
	for i := range t.Live.Asks {
		a := &t.Live.Asks[i]
		cause, fate := AskLeft, FateNotPending
		if t.Live.Closed {
			cause, fate = AskClosed, FateClosed
		}
		if a.Answer != nil {
			t.replyTo(a.Answer, fate)
		}
		a.Answer = nil
		t.endAsk(a.ID, cause)
		switch p := t.Record.Request(a.ID); {
		case p == nil:
		case p.sent():
			fate = FateInDoubt
		case p.Stage == Decided && !a.Unheld && !t.Live.Closed:
			fate = FateHeld // by whoever takes it up
		}
		t.replyAll(a, fate)
	}
}

// answered notes what the policy has decided. An answer to a question that was
// ended counts no more.
func (t *turn) answered(e Answered) {
	for i := range t.Live.Asks {
		a := &t.Live.Asks[i]
		if !strings.EqualFold(a.ID, e.Request) || a.Turn == 0 || a.Turn != e.Turn {
			continue
		}
		a.Turn = 0
		a.Answer = &answer{Digest: e.Digest, Decision: e.Decision, Error: e.Error}
		if e.Decision == nil && e.Error == "" {
			a.Answer.Error = "no decision"
		}
	}
}

// decideLater notes a decision from outside, and returns true, or refuses it.
func (t *turn) decideLater(e Decide) bool {
	l, p := &t.Live, t.Record.Request(e.Request)
	fate := Fate("")
	switch {
	case l.Closed:
		fate = FateClosed
	case p == nil || e.Decision == nil || !l.Running && !t.o.Leases:
		fate = FateNotPending
	case p.Digest != e.Digest, !strings.EqualFold(p.Build, e.Build):
		fate = FateChanged
	case p.Decision != nil:
		fate = FateDecided
	case l.ask(p.ID).beats(e):
		return true
	case !l.ask(p.ID).Suspended && !t.Record.Waits(p):
		fate = FateNotPending
	default:
		t.endAsk(p.ID, AskElsewhere)
		a := l.ask(p.ID)
		a.Answer = &answer{Digest: e.Digest, Decision: e.Decision, Reply: e.Reply}
		return true
	}
	t.emit(TellReply{Reply: e.Reply, Fate: fate})
	return false
}

// beats notes that somebody was faster whose decision is not taken in yet. It
// returns false where nobody was.
func (a *Ask) beats(e Decide) bool {
	if a.Answer == nil || a.Answer.Reply == "" || a.Answer.Digest != e.Digest {
		return false
	}
	n := *a.Answer
	n.Beaten = append(slices.Clip(n.Beaten), e.Reply)
	a.Answer = &n
	return true
}

// decided takes in a decision.
func (t *turn) decided(id string, n *answer) {
	l, p := &t.Live, t.Record.Request(id)
	a := l.ask(id)
	if p == nil || p.Stage != Unasked || p.Digest != n.Digest && t.o.on(guardDigest) {
		fate := FateChanged
		if p != nil && p.Decision != nil {
			fate = FateDecided
		}
		t.replyTo(n, fate)
		return
	}
	d := n.Decision
	if d == nil {
		t.line(LineUndecided, id, n.Error)
		t.fail(CausePolicy, n.Error, true)
		l.LinesDue = true
		return
	}
	if n.Reply != "" {
		a.Replies = append(a.Replies[:len(a.Replies):len(a.Replies)], n.Reply)
	}
	made := *p
	made.Decision, made.DecidedAt = d, t.now.Wall
	t.lineAbout(LineDecided, string(d.Verdict), &made, id)
	if d.Verdict == Suspended {
		a.Suspended, l.LinesDue = true, true
		if t.o.Leases && p.PutOff == nil && a.Ticket != nil {
			p.PutOff, l.Dirty = a.Ticket, true
		}
		t.emit(Tell{Kind: NoticeSuspended, Request: id})
		return
	}
	p.Decision, p.DecidedAt, l.Dirty = d, t.now.Wall, true
	t.replyTo(&answer{Beaten: n.Beaten}, FateDecided)
	a.Decided, a.Since, a.Checked, a.Unheld = t.now, t.now, true, true
	switch {
	case d.Verdict == LeftAlone:
		p.Stage = Settled
	case d.Body == nil:
		p.Stage, p.Why = Stuck, d.Why
	default:
		p.Stage = Decided
	}
}
