package lifecycle

// sent reports whether a response to the request has reached the server, or may
// have: it must remain the only one.
func (p *Request) sent() bool {
	return p.Stage == Sending || p.Attempt.Open || p.Attempt.Earlier || p.Delivery == Accepted || p.Delivery == Refused || p.Delivery == Unconfirmed
}

// over notes that every request but one has ended, whoever ended it.
func (t *turn) over(except string) {
	for i := range t.Record.Requests {
		p := &t.Record.Requests[i]
		if p.ID == except || p.Stage == Settled && p.Gone {
			continue
		}
		was := p.Stage
		if p.Stage == Settled {
			p.Gone = true
			continue
		}
		t.endAsk(p.ID, AskElsewhere)
		t.forgetAnnounced(p.ID)
		p.Stage, p.Gone = Settled, true
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
	if n := t.Live.Announced; n.Kind == Responding && n.Request == id {
		t.withdraw()
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
	p := t.Record.request(q.ID)
	if p == nil {
		t.Record.Requests = append(t.Record.Requests, Request{ID: q.ID, Digest: q.Digest, Kind: q.Kind, Title: q.Title, FirstSeen: t.now.Wall})
		t.line(LineRequested, q.ID, "")
		t.Live.Dirty = true
		return
	}
	changed := p.Digest != q.Digest && t.o.on(guardDigest)
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

// reset makes a request one that nothing was decided about: its text is another,
// it was away for a while, or what was decided may not be sent.
func (t *turn) reset(p *Request, q *Ticket) {
	t.endAsk(p.ID, AskChanged)
	t.forgetAnnounced(p.ID)
	if p.Stage == Decided {
		t.delivered(p, Superseded)
	}
	first := p.FirstSeen
	if p.Digest != q.Digest {
		first = t.now.Wall // another text has deadlines of its own
	}
	*p = Request{ID: q.ID, Digest: q.Digest, Kind: q.Kind, Title: q.Title, FirstSeen: first}
	a := t.Live.ask(p.ID)
	*a = Ask{ID: p.ID}
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
	cause, fate := AskLeft, FateNotPending
	if t.Live.Closed {
		cause, fate = AskClosed, FateClosed
	}
	for i := range t.Live.Asks {
		a := &t.Live.Asks[i]
		if a.Answer != nil && a.Answer.Reply != "" {
			t.emit(TellReply{Reply: a.Answer.Reply, Fate: fate})
		}
		a.Answer = nil
		t.endAsk(a.ID, cause)
		if p := t.Record.request(a.ID); p != nil && p.sent() {
			fate = FateInDoubt
		}
		t.replyAll(a, fate)
	}
}

// replyAll tells who decided from outside what came of it.
func (t *turn) replyAll(a *Ask, f Fate) {
	for _, reply := range a.Replies {
		t.emit(TellReply{Reply: reply, Fate: f})
	}
	a.Replies = nil
}

func fateOf(p *Request) Fate {
	switch p.Delivery {
	case Refused:
		return FateRefused
	case Superseded:
		return FateNotPending
	case Unconfirmed:
		return FateInDoubt
	}
	return FateTaken
}

// answered notes what the policy has decided. An answer to a question that was
// ended counts no more.
func (t *turn) answered(e Answered) {
	for i := range t.Live.Asks {
		a := &t.Live.Asks[i]
		if a.ID != e.Request || a.Turn == 0 || a.Turn != e.Turn {
			continue
		}
		a.Turn = 0
		a.Answer = &answer{Digest: e.Digest, Decision: e.Decision, Error: e.Error}
		if e.Decision == nil && e.Error == "" {
			a.Answer.Error = "no decision"
		}
	}
}

// decideLater notes a decision from outside, or refuses it.
func (t *turn) decideLater(e Decide) {
	l, p := &t.Live, t.Record.request(e.Request)
	fate := Fate("")
	switch {
	case l.Closed:
		fate = FateClosed
	case p == nil || !l.Running || e.Decision == nil:
		fate = FateNotPending
	case p.Digest != e.Digest:
		fate = FateChanged
	case p.Decision != nil:
		fate = FateDecided
	case !l.ask(p.ID).Suspended:
		fate = FateNotPending
	default:
		a := l.ask(p.ID)
		a.Suspended = false
		a.Answer = &answer{Digest: e.Digest, Decision: e.Decision, Reply: e.Reply}
		return
	}
	t.emit(TellReply{Reply: e.Reply, Fate: fate})
}

// decided takes in a decision.
func (t *turn) decided(id string, n *answer) {
	l, p := &t.Live, t.Record.request(id)
	a := l.ask(id)
	if p == nil || p.Stage != Unasked || p.Digest != n.Digest && t.o.on(guardDigest) {
		if n.Reply != "" {
			t.emit(TellReply{Reply: n.Reply, Fate: FateChanged})
		}
		return
	}
	d := n.Decision
	if d == nil {
		t.line(LineUndecided, id, n.Error)
		t.fail(CausePolicy, n.Error, true)
		l.Dirty = true // for the audit
		return
	}
	if n.Reply != "" {
		a.Replies = append(a.Replies[:len(a.Replies):len(a.Replies)], n.Reply)
	}
	t.line(LineDecided, id, string(d.Verdict))
	l.Dirty = true
	if d.Verdict == Suspended {
		a.Suspended = true
		t.suspend(id)
		t.emit(Tell{Kind: NoticeSuspended, Request: id})
		return
	}
	p.Decision, p.DecidedAt = d, t.now.Wall
	a.Decided, a.Since, a.Checked = t.now, t.now, true
	question := l.Read != nil && l.Read.Pending != nil && l.Read.Pending.ID == id && l.Read.Pending.Question
	switch {
	case d.Verdict == LeftAlone:
		p.Stage = Settled
	case d.Verdict == Denied && question:
		p.Stage, p.Why = Stuck, "the question was denied, which Duvo has no answer for, and the Job still waits"
		if t.o.StopOnDeniedQuestion && !t.Record.Stop.Asked {
			t.Record.Stop = Stop{Asked: true}
		}
	default:
		p.Stage = Decided
	}
	t.emit(Tell{Kind: NoticeDecided, Request: id})
}
