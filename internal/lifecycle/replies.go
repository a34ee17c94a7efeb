package lifecycle

// undecide makes a request one that nothing was decided about, as it reads.
func (t *turn) undecide(p *Request) {
	*p = Request{ID: p.ID, Digest: p.Digest, Kind: p.Kind, Title: p.Title, Build: p.Build, Added: p.Added, FirstSeen: p.FirstSeen, PutOff: p.PutOff}
	a := t.Live.ask(p.ID)
	*a = Ask{ID: p.ID, Ticket: a.Ticket}
}

// replyTo tells who has given an answer from outside that was not taken in, and
// who came second, what came of it.
func (t *turn) replyTo(n *answer, f Fate) {
	if n.Reply != "" {
		t.emit(TellReply{Reply: n.Reply, Fate: f})
	}
	for _, reply := range n.Beaten {
		t.emit(TellReply{Reply: reply, Fate: f})
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
