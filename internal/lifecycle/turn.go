package lifecycle

import (
	"slices"
	"time"
)

// A turn is one Step under way, with room for what the state points to and Step may
// change in place.
type turn struct {
	State
	now     Moment
	o       *Options
	effects []Effect
	wake    time.Duration // the next Tick that is wanted

	room struct {
		passing Passing
		message Message
		stop    Stop
	}
}

// newTurn begins a Step, with copies of what it may change in place.
func newTurn(s State, now Moment) *turn {
	t := &turn{State: s, now: now, o: s.Live.Options, effects: make([]Effect, 0, 4)}
	r, l := &t.Record, &t.Live
	t.room.passing, t.room.message, t.room.stop = *l.Passing, r.Message(), r.Stop()
	r.Requests, r.Latest, r.Stopping = slices.Clone(r.Requests), &t.room.message, &t.room.stop
	l.Asks, l.Passing = slices.Clone(l.Asks), &t.room.passing
	return t
}

// sealed ends the Step and returns the state to be kept, which needs nothing of the
// turn.
func (t *turn) sealed() State {
	t.Record.tidy()
	if t.Live.Passing.isNothing() {
		t.Live.Passing = &t.o.nothing
	}
	s := t.State
	if s.Live.Passing == &t.room.passing {
		s.Live.Passing = moved(s.Live.Passing)
	}
	if s.Record.Latest == &t.room.message {
		s.Record.Latest = moved(s.Record.Latest)
	}
	if s.Record.Stopping == &t.room.stop {
		s.Record.Stopping = moved(s.Record.Stopping)
	}
	return s
}

// moved is a copy in a place of its own.
func moved[T any](p *T) *T {
	v := *p
	return &v
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

// Wanted reports whether somebody wants the operation to go on. If not, no send may
// begin.
func (s *State) Wanted() bool {
	l := &s.Live
	if !l.Running || l.End != nil || l.Closed && l.Options.on(guardClose) {
		return false
	}
	return l.Callers > 0 || l.Detached || len(l.Over) > 0 || !l.Options.on(guardCancel)
}

// keyGiven notes that somebody has been told the key, and may come back with it.
func (t *turn) keyGiven() {
	l, r := &t.Live, &t.Record
	if r.Unkeyed {
		r.Unkeyed = false
		if l.Revision > 0 || l.Exchange.Kind == Saving {
			t.wish()
		}
	}
}

// endCalls ends the run, and not the operation: whoever calls again goes on with
// it, and then what is told of it now need not be true any more.
func (t *turn) endCalls(o Outcome, note string) {
	if t.Live.End == nil {
		t.Live.End = &End{Cause: CauseCalls, Text: note, Park: true, Calls: o}
	}
}

// mute ends the run and records nothing more.
func (t *turn) mute(cause Cause) {
	t.Live.End = &End{Cause: cause, Mute: true}
}

// fail ends the run without a result. park says that nobody takes it up by
// itself.
func (t *turn) fail(cause Cause, text string, park bool) {
	if t.Live.End == nil {
		t.Live.End = &End{Cause: cause, Text: text, Park: park, Nothing: cause.ofSending() && t.nothingBegun() && t.o.on(guardNothing)}
	}
}

// ofSending reports whether a run ends so because what is to be sent was not.
func (c Cause) ofSending() bool {
	switch c {
	case CauseFailed, CauseRefused, CauseBusy, CauseTooLate, CauseFiles:
		return true
	}
	return false
}

// attended reports whether somebody waits who can be told an error. What goes on without
// callers was accepted: where nobody would hear that it failed it is not given up for
// what may mend.
func (t *turn) attended() bool { return !t.Live.Detached || !t.o.on(guardAccepted) }

// failedAttempt counts an attempt at a start or message that provably did nothing, and lets
// the next one wait. It returns true once it is to be given up.
func (t *turn) failedAttempt(what string, retryAfter time.Duration) bool {
	l := &t.Live
	l.Fails = min(l.Fails+1, 8)
	l.NotBefore = t.now.Mono + t.o.backoff(l.Fails, retryAfter)
	if l.Fails == t.o.attempts() && !t.attended() {
		t.emit(Tell{Kind: NoticeTrouble, Text: what})
	}
	return l.Fails >= t.o.attempts() && t.attended()
}

// tooLate counts a send that could not begin in time. It returns true once that has
// been so too often in a row.
func (t *turn) tooLate(n *int8) bool {
	if !t.Wanted() {
		return false // that is why
	}
	*n = min(*n+1, 8)
	return *n >= t.o.attempts()
}

// join adds to a note.
func join(a, b string) string {
	switch {
	case a == "" || a == b:
		return b
	case b == "":
		return a
	}
	return a + "; " + b
}

func readBegan(e *Read) (m time.Duration) {
	if e == nil {
		return -1
	}
	return e.Began.Mono
}

// wish notes something that the record must tell, which may come while it is
// written as it was before.
func (t *turn) wish() {
	t.Live.Dirty = true
	t.Live.Again = t.Live.Exchange.Kind == Saving
}

// fact notes that something has happened that the record must tell.
func (t *turn) fact() { t.Live.Dirty, t.Live.Fact = true, true }

// line adds to what is written to the audit before the record.
func (t *turn) line(kind LineKind, request, text string) {
	t.lineAbout(kind, text, t.Record.Request(request), request)
}

// lineAbout is line about a request as it is given here.
func (t *turn) lineAbout(kind LineKind, text string, p *Request, id string) {
	l := Line{Kind: kind, Request: id, Text: text}
	if p != nil {
		c := *p
		l.About = &c
	}
	t.Live.Lines = append(slices.Clip(t.Live.Lines), l)
}

// notCounted tells the audit that a decision does not count, or perhaps not.
func (t *turn) notCounted(p *Request, why string) {
	t.lineAbout(LineNotCounted, why, p, p.ID)
	t.Live.LinesDue = true
}

func overNote(d time.Duration) string { return "the time limit of " + d.String() + " is over" }
