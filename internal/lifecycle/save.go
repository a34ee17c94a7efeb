package lifecycle

import "slices"

// fact notes that something has happened that the record must tell.
func (t *turn) fact() { t.Live.Dirty, t.Live.Fact = true, true }

// line adds to what is written to the audit before the record.
func (t *turn) line(kind LineKind, request, text string) {
	t.Live.Lines = append(slices.Clip(t.Live.Lines), Line{kind, request, text})
}

// save puts the record into the journal. It returns false if that must wait.
func (t *turn) save() bool {
	l, r := &t.Live, &t.Record
	if l.SaveFails > 0 && t.wanted() {
		if r.Result != nil && !l.Informed {
			// What Duvo holds can be read again; callers do not wait for a disk.
			l.Informed, l.Detached, l.Callers, l.Over = true, true, 0, nil
			t.emit(Finish{Recorded: false})
		}
		if t.pending(l.SaveAfter) {
			return false
		}
	}
	r.Writer = l.Replica
	r.Serial++
	c := *r
	c.Requests = slices.Clone(r.Requests)
	t.emit(Save{Name: t.exchange(Saving, ""), Revision: l.Revision, Record: &c, Lines: l.Lines})
	return true
}

// saved takes in that the journal holds the record.
func (t *turn) saved(e Saved) {
	l := &t.Live
	if l.SaveFails > 0 {
		t.emit(Tell{Kind: NoticeMended, Text: "the journal"})
	}
	l.Revision = e.Revision
	l.Dirty, l.Fact, l.Lines, l.SaveFails, l.SaveAfter = false, false, nil, 0, 0
	if l.Announced.Kind != "" {
		l.Announced.Durable = true
	}
	for i := range t.Record.Requests {
		p := &t.Record.Requests[i]
		if p.Stage == Settled || p.Stage == Stuck {
			t.replyAll(l.ask(p.ID), fateOf(p))
		}
	}
}

// saveFailed takes in that nobody knows what the journal holds. What is about to
// be started is not; what waits stays pending until there is room.
func (t *turn) saveFailed(e SaveFailed) {
	l, r := &t.Live, &t.Record
	if e.Fenced {
		l.Dirty, l.Fact = false, false
		t.withdraw()
		l.Dirty = false
		t.fail(CauseFenced, "", false)
		return
	}
	if l.SaveFails == 0 {
		t.emit(Tell{Kind: NoticeTrouble, Text: "the journal or the audit cannot be written"})
	}
	l.SaveFails = min(l.SaveFails+1, 8)
	l.SaveAfter = t.now.Mono + t.o.backoff(l.SaveFails, 0)
	if l.Fact && !t.o.on(guardFacts) {
		l.Dirty, l.Fact = false, false
	}
	if !t.wanted() {
		return
	}
	startOnly := r.Job == "" && !r.Start.Earlier && r.Result == nil
	messageOnly := r.Stage == Posting && r.Message.Kind == FollowUpMessage && !r.Message.Attempt.Earlier
	if startOnly || messageOnly || !t.o.on(guardPending) {
		t.withdraw()
		l.Dirty = true // in case it is there all the same
		l.SaveFails = 0
		t.fail(CauseJournal, "", true)
	}
}

// ready reports whether the journal tells of an attempt that may begin now. If it
// does not, one is announced.
func (t *turn) ready(kind ExchangeKind, request string, a *Attempt) bool {
	n := &t.Live.Announced
	if n.Kind == kind && n.Request == request && n.Durable && t.now.Mono <= n.To.Mono && t.now.Wall <= n.To.Wall {
		return true
	}
	t.withdraw()
	to := t.now.Add(t.o.Window)
	if a.First == 0 {
		a.First = t.now.Wall
	}
	a.Open, a.Until = true, to.Wall
	*n = Announced{Kind: kind, Request: request, To: to}
	if !t.o.on(guardDurable) {
		n.Durable = true
		return true
	}
	t.Live.Dirty = true
	return false
}

// window is when the send that was announced may begin; it is announced no more.
func (t *turn) window() Window {
	w := Window{From: t.now, To: t.Live.Announced.To}
	t.Live.Announced = Announced{}
	return w
}

// anyTime is what a window becomes where its guard is taken away.
func (t *turn) anyTime(w Window) Window {
	if !t.o.on(guardNotAfter) {
		w = Window{To: t.now.Add(1 << 40)}
	}
	return w
}

// withdraw takes back an announcement of what was not sent.
func (t *turn) withdraw() {
	l, r := &t.Live, &t.Record
	n := l.Announced
	if n.Kind == "" {
		return
	}
	l.Announced = Announced{}
	l.Dirty = l.Dirty || n.Durable
	switch n.Kind {
	case StartingX:
		unopen(&r.Start)
		if !r.Start.Earlier {
			r.Stage = New
		}
	case PostingX:
		unopen(&r.Message.Attempt)
	case Responding:
		if p := r.request(n.Request); p != nil && p.Stage == Sending {
			unopen(&p.Attempt)
			if !p.Attempt.Earlier {
				p.Stage = Decided
			}
		}
	}
}

// unopen notes that the latest attempt has provably done nothing.
func unopen(a *Attempt) {
	a.Open = false
	if !a.Earlier {
		*a = Attempt{}
	}
}

// inDoubt notes that the latest attempt may have taken effect.
func (t *turn) inDoubt(a *Attempt) {
	a.Open, a.Earlier, a.Until = false, true, t.now.Wall
}
