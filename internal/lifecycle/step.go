package lifecycle

import "slices"

// Step takes in one event and returns what is known then and what is to be done.
// It changes nothing that s points to, and the same arguments give the same
// results, down to the byte.
//
// Events that come while an exchange is in flight are only noted. Whenever none
// is, Step asks what the state wants, one thing after another, until something
// is in flight or nothing more is wanted now.
func Step(s State, e Event, now Moment) (State, []Effect) {
	t := newTurn(s, now)
	t.note(e)
	for t.Live.Exchange.Name == 0 && t.more() {
	}
	if l := &t.Live; l.Exchange.Name == 0 && t.wake != l.Wake {
		l.Wake = t.wake
		t.emit(Wake{At: t.wake})
	}
	return t.sealed(), t.effects
}

// more does one thing that the state wants. It returns true if it is to be called
// again, as long as nothing is in flight.
func (t *turn) more() bool {
	t.wake = 0
	return t.next() || t.drained()
}

// note takes an event in as far as that changes nothing which is in flight.
func (t *turn) note(e Event) {
	l := &t.Live
	switch e := e.(type) {
	case Called:
		t.called(e)
	case Named:
		t.named()
	case Admitted:
		l.Admitted = true
	case Left:
		if l.Callers > 0 {
			l.Callers--
			t.keyGiven()
		}
	case BudgetOver:
		if l.Running && !l.Informed {
			l.Over = append(slices.Clone(l.Over), e.Caller)
			if l.Revision > 0 && t.Record.Result == nil && t.Wanted() {
				t.interim() // whatever is in flight: it changes nothing about that
			}
		}
	case Resumed:
		t.resumed(e)
	case Closed:
		l.Closed, l.Draining = l.Closed || !e.Draining, true
	case Renewed:
		l.Print = e.Print
	case Tick:
		if l.Wake <= t.now.Mono {
			l.Wake = 0
		}
	case Read:
		t.noteRead(&e)
	case Progress:
		t.progress(e)
	case Listed:
		t.listed(e)
	case Seen:
		t.seenAgain()
	case PutElsewhere:
		t.putElsewhere(e)
	case Lapsed:
		t.disowned()
	case Answered:
		t.answered(e)
	case Decide:
		if t.decideLater(e) {
			t.workOn()
		}
	case StopAsked:
		if t.stopAsked(e) {
			t.workOn()
		}
	case Reconciled:
		t.reconciled(e)
	default:
		t.answer(e)
	}
	if t.startsNothing() {
		l.Closed = true
	}
	if l.Running && !t.Wanted() {
		t.endAsks()
	}
}

// answer takes in what came of an exchange.
func (t *turn) answer(e Event) {
	switch e := e.(type) {
	case Saved:
		if _, ok := t.answers(e.Name, Saving); ok {
			t.saved(e)
		}
	case Conflict:
		if _, ok := t.answers(e.Name, Saving); ok {
			t.overtaken(e.Record, e.Revision)
		}
	case SaveFailed:
		switch _, ok := t.answers(e.Name, Saving); {
		case ok && e.Fenced && t.o.Leases:
			t.disowned() // what has happened, and what was decided, is recorded without a lease
		case ok:
			t.saveFailed(e)
		}
	case Loaded:
		if _, ok := t.answers(e.Name, Loading); ok && e.Record != nil && e.Revision != t.Live.Revision {
			t.loaded(e)
		}
	case Owned:
		if _, ok := t.answers(e.Name, Owning); ok {
			t.owned(e)
		}
	case Staged:
		if _, ok := t.answers(e.Name, Staging); ok {
			t.staged(e)
		}
	case Sent:
		if x, ok := t.answers(e.Name, StartingX, Responding, PostingX, StoppingX); ok {
			t.sent(x, e)
		}
	case Located:
		if _, ok := t.answers(e.Name, Locating); ok {
			t.located(e)
		}
	case Claimed:
		if x, ok := t.answers(e.Name, Claiming); ok {
			t.claimed(x, e)
		}
	case Checked:
		if x, ok := t.answers(e.Name, Checking); ok {
			t.checked(x, e)
		}
	case Collected:
		if x, ok := t.answers(e.Name, Fetching); ok {
			t.collected(x, e)
		}
	}
}

func (t *turn) sent(x Exchange, e Sent) {
	switch x.Kind {
	case StartingX:
		t.startSent(e)
	case Responding:
		t.responseSent(x.Request, e)
	case PostingX:
		t.messageSent(e)
	case StoppingX:
		t.stopSent(e)
	}
}

// next is the part of more that goes by the stage.
func (t *turn) next() bool {
	l, r := &t.Live, &t.Record
	switch {
	case !l.Running:
		return false
	case !t.Wanted():
		return t.windDown()
	case t.absorb(), t.hold():
		return true
	case l.Dirty, l.LinesDue:
		if t.save() {
			return true
		}
		return r.Stage == Collecting && t.collect() // which sends nothing: callers do not wait for a disk
	case r.Result != nil:
		return t.finish()
	case l.Behind:
		l.Behind = false
		t.emit(Load{Name: t.exchange(Loading, "")})
		return true
	case l.Callers > 0 && t.putOff() != "":
		t.suspend(t.putOff())
		return true
	case len(l.Over) > 0:
		return t.interim()
	case !t.owns():
		return t.follow()
	case l.Claim != "":
		return t.claimJob()
	case r.Stopping.Asked && !r.Stopping.Done && r.Job != "" && r.Stage == Watching:
		if more, busy := t.stop(); busy {
			return more
		}
	}
	switch r.Stage {
	case New, Starting:
		if r.Order.After != nil {
			t.toSay()
			return true
		}
		return t.start()
	case Posting:
		return t.post()
	case Watching:
		return t.watching()
	case Collecting:
		return t.collect()
	}
	return false
}
