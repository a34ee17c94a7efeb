package lifecycle

// save puts the record into the journal. It returns false if that must wait.
func (t *turn) save() bool {
	l, r := &t.Live, &t.Record
	if l.SaveFails > 0 && t.Wanted() {
		if r.Result != nil && !l.Informed {
			if t.o.Claims && !l.Looked {
				// Who has recorded another outcome was first, and the Job may have gone
				// on since: what was read then is of another turn.
				l.Looked = true
				t.emit(Load{Name: t.exchange(Loading, "")})
				return true
			}
			// What Duvo holds can be read again; callers do not wait for a disk.
			l.Informed, l.Detached, l.Callers, l.Over = true, true, 0, nil
			t.emit(Finish{Recorded: false})
		}
		if t.pending(l.SaveAfter) {
			return false
		}
	}
	if l.Dirty {
		r.Writer, r.Term = l.Replica, l.Lease
		r.Serial++
	}
	if t.o.Forgets {
		revision := l.Revision
		if l.Dirty {
			revision++
		}
		t.saved(Saved{Revision: revision})
		return true
	}
	t.emit(Save{Name: t.exchange(Saving, ""), Revision: l.Revision, Record: r.sealed(), Lines: l.Lines, LinesOnly: !l.Dirty})
	return true
}

// saved takes in that the journal holds the record.
func (t *turn) saved(e Saved) {
	l := &t.Live
	if l.SaveFails > 0 {
		t.emit(Tell{Kind: NoticeMended, Text: "the journal"})
	}
	l.Revision, l.Reconciling = e.Revision, nil
	l.Dirty, l.Again, l.LinesDue = l.Again, false, false
	l.Fact, l.Lines, l.SaveFails, l.SaveAfter = false, nil, 0, 0
	if l.announces("") {
		n := *l.Announced
		n.Durable = true
		l.Announced = &n
	}
	for i := range t.Record.Requests {
		p := &t.Record.Requests[i]
		a := l.ask(p.ID)
		if a.Unheld {
			a.Unheld = false
			t.emit(Tell{Kind: NoticeDecided, Request: p.ID})
		}
		if p.Stage == Settled || p.Stage == Stuck {
			t.replyAll(a, fateOf(p))
		}
	}
}

// takeBack makes decisions none that were to be recorded just now. The journal may
// hold them all the same, and then a conflict brings them back. Who decided from
// outside may do so again; the policy is asked again.
func (t *turn) takeBack() {
	for i := range t.Record.Requests {
		p := &t.Record.Requests[i]
		a := t.Live.ask(p.ID)
		if !a.Unheld || p.Gone {
			continue
		}
		t.notCounted(p, "it is not known whether the decision counts, because recording it failed; it is sent only if the journal holds it")
		outside := len(a.Replies) > 0
		t.replyAll(a, FateUnrecorded)
		t.undecide(p)
		t.Live.ask(p.ID).Suspended = outside
	}
}

// saveFailed takes in that nobody knows what the journal holds. What is about to
// be started is not; what waits stays pending until there is room.
func (t *turn) saveFailed(e SaveFailed) {
	l := &t.Live
	t.takeBack()
	unproved := l.End != nil && l.End.Nothing // another process may have begun something
	if unproved {
		l.End = nil
	}
	if l.Reconciling != nil {
		t.unreconciled()
		if !e.Fenced {
			return
		}
	}
	if e.Fenced {
		l.Dirty, l.Fact = false, false
		t.withdraw(inOtherHands)
		l.Dirty, l.LinesDue = false, false
		t.fail(CauseFenced, "", false)
		return
	}
	if e.Lost {
		t.withdraw(inOtherHands)
		t.mute(CauseJournal)
		return
	}
	if unproved {
		t.fail(CauseJournal, "", true)
	}
	if l.SaveFails == 0 {
		t.emit(Tell{Kind: NoticeTrouble, Text: "the journal or the audit cannot be written"})
	}
	l.SaveFails = min(l.SaveFails+1, 8)
	l.SaveAfter = t.now.Mono + t.o.backoff(l.SaveFails, 0)
	if l.Fact && !t.o.on(guardFacts) {
		l.Dirty, l.Fact = false, false
	}
	if !t.Wanted() {
		return
	}
	if l.announces(Responding) {
		t.replyAll(l.ask(l.Announced.Request), FateHeld)
	}
	if t.nothingBegun() || !t.o.on(guardPending) {
		t.withdraw(callEnded)
		l.Dirty = true // in case it is there all the same
		l.SaveFails = 0
		t.fail(CauseJournal, "", true)
	}
}

// ready reports whether the journal tells of an attempt that may begin now. If it
// does not, one is announced.
func (t *turn) ready(kind ExchangeKind, request string, a *Attempt) bool {
	n := t.Live.Announced
	if n != nil && n.Kind == kind && n.Request == request && n.Durable && t.now.Mono <= n.To.Mono && t.now.Wall <= n.To.Wall {
		return true
	}
	t.withdraw(readAgain)
	to := t.now.Add(t.o.Window)
	if a.First == 0 {
		a.First = t.now.Wall
	}
	a.Open, a.Until = true, to.Wall
	t.Live.Announced = &Announced{Kind: kind, Request: request, To: to, Durable: !t.o.on(guardDurable)}
	if !t.o.on(guardDurable) {
		return true
	}
	t.Live.Dirty = true
	return false
}

// window is when the send that was announced may begin; it is announced no more.
func (t *turn) window() Window {
	w := Window{From: t.now, To: t.Live.Announced.To}
	t.Live.Announced = nil
	return w
}

// anyTime is what a window becomes where its guard is taken away.
func (t *turn) anyTime(w Window) Window {
	if !t.o.on(guardNotAfter) {
		w = Window{To: t.now.Add(1 << 40)}
	}
	return w
}

// Why what was announced is not sent.
const (
	callEnded    = "the call ended meanwhile"
	readAgain    = "the Job is read once more"
	inOtherHands = "another process has it in hand"
)

// withdraw takes back an announcement of what was not sent.
func (t *turn) withdraw(why string) {
	l, r := &t.Live, &t.Record
	n := l.Announced
	if n == nil {
		return
	}
	l.Announced = nil
	l.Dirty = l.Dirty || n.Durable
	switch n.Kind {
	case StartingX:
		unopen(&r.Start)
		if !r.Start.Earlier {
			r.Stage = New
		}
	case PostingX:
		unopen(&r.Latest.Attempt)
	case Responding:
		t.line(LineNotSent, n.Request, why)
		if p := r.Request(n.Request); p != nil && p.Stage == Sending {
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

// unreconciled makes the outcome unknown again, because what a person has found
// could not be recorded. The journal may hold it all the same.
func (t *turn) unreconciled() {
	l := &t.Live
	before := l.Reconciling.copied()
	before.Serial = t.Record.Serial
	t.Record, l.Reconciling, l.Claim = before, nil, ""
	t.line(LineNotCounted, "", "it is not known whether the reconciliation counts, because recording it failed")
	l.Dirty, l.Fact, l.SaveFails, l.SaveAfter = true, false, 0, 0
	l.End = &End{Cause: CauseJournal, Park: true}
}
