package lifecycle

import (
	"slices"
	"time"
)

// Step takes in one event and returns what is known then and what is to be done.
// It changes nothing that s points to, and the same arguments give the same
// results, down to the byte.
//
// Events that come while an exchange is in flight are only noted. Whenever none
// is, Step asks what the state wants, one thing after another, until something
// is in flight or nothing more is wanted now.
func Step(s State, e Event, now Moment) (State, []Effect) {
	s.clone()
	t := &turn{State: s, now: now, o: s.Live.Options}
	t.note(e)
	for t.Live.Exchange.Name == 0 {
		t.wake = 0
		if !t.next() {
			break
		}
	}
	if l := &t.Live; l.Exchange.Name == 0 && t.wake != l.Wake {
		l.Wake = t.wake
		t.emit(Wake{At: t.wake})
	}
	return t.State, t.effects
}

// A turn is one Step under way.
type turn struct {
	State
	now     Moment
	o       *Options
	effects []Effect
	wake    time.Duration // the next Tick that is wanted
}

func (t *turn) emit(e Effect) { t.effects = append(t.effects, e) }

func (t *turn) wakeAt(at time.Duration) { t.wake = sooner(t.wake, max(at, t.now.Mono+1)) }

// pending returns whether a time has not come yet, and then wants a Tick for it.
func (t *turn) pending(at time.Duration) bool {
	if at <= t.now.Mono {
		return false
	}
	t.wakeAt(at)
	return true
}

// exchange begins an exchange and returns its name.
func (t *turn) exchange(kind ExchangeKind, request string) uint64 {
	t.Live.Counter++
	t.Live.Exchange = Exchange{t.Live.Counter, kind, request}
	return t.Live.Counter
}

// answers ends the exchange of this name. It returns false where nobody waits
// for that answer.
func (t *turn) answers(name uint64, kinds ...ExchangeKind) (x Exchange, ok bool) {
	x = t.Live.Exchange
	if name == 0 || x.Name != name || !slices.Contains(kinds, x.Kind) {
		return x, false
	}
	t.Live.Exchange = Exchange{}
	return x, true
}

// note takes an event in as far as that changes nothing which is in flight.
func (t *turn) note(e Event) {
	l := &t.Live
	switch e := e.(type) {
	case Called:
		t.called(e)
	case Admitted:
		l.Admitted = true
	case Left:
		if l.Callers > 0 {
			l.Callers--
		}
	case BudgetOver:
		if l.Running && !l.Informed {
			l.Over = append(slices.Clone(l.Over), e.Caller)
		}
	case Resumed:
		t.resumed(e)
	case Closed:
		l.Closed = true
	case Renewed:
		l.Print = e.Print
	case Tick:
		if l.Wake <= t.now.Mono {
			l.Wake = 0
		}
	case Read:
		t.noteRead(&e)
	case Listed:
		t.listed(e)
	case Seen:
		t.seenAgain()
	case Answered:
		t.answered(e)
	case Decide:
		t.decideLater(e)
	case StopAsked:
		t.stopAsked(e)
	case Reconciled:
		t.reconciled(e)
	default:
		t.answer(e)
	}
	if l.Running && !t.wanted() {
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
			t.conflict(e.Record, e.Revision)
		}
	case SaveFailed:
		if _, ok := t.answers(e.Name, Saving); ok {
			t.saveFailed(e)
		}
	case Loaded:
		if _, ok := t.answers(e.Name, Loading); ok && e.Record != nil && e.Revision != t.Live.Revision {
			t.conflict(e.Record, e.Revision)
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

// wanted reports whether somebody wants the operation to go on.
func (t *turn) wanted() bool {
	l := &t.Live
	if !l.Running || l.End != nil || l.Closed && t.o.on(guardClose) {
		return false
	}
	return l.Callers > 0 || l.Detached || len(l.Over) > 0 || !t.o.on(guardCancel)
}

// next does one thing that the state wants. It returns true if it is to be asked
// again, as long as nothing is in flight.
func (t *turn) next() bool {
	l, r := &t.Live, &t.Record
	switch {
	case !l.Running:
		return false
	case !t.wanted():
		return t.windDown()
	case t.absorb(), t.hold():
		return true
	case l.Dirty:
		return t.save()
	case r.Result != nil:
		return t.finish()
	case len(l.Over) > 0:
		return t.interim()
	case l.Claim != "":
		return t.claimJob()
	case r.Stop.Asked && !r.Stop.Done && r.Job != "" && r.Stage == Watching:
		if more, busy := t.stop(); busy {
			return more
		}
	}
	switch r.Stage {
	case New, Starting:
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
