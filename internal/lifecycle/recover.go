package lifecycle

import (
	"slices"
	"strings"
	"time"
)

// Make returns the state of an operation that nothing is known of.
func Make(o *Options, replica, print string) State {
	return State{Live: Live{Options: o, Replica: replica, Print: print, Passing: &o.nothing}}
}

// Recover returns the state of an operation as the journal tells of it. Nothing
// runs for it until it is called or resumed. Whoever wrote the record may still
// be at work, unless [Resumed] says otherwise.
func Recover(r *Record, revision uint64, o *Options, replica, print string, now Moment) State {
	t := newTurn(Make(o, replica, print), now)
	t.Live.Revision = revision
	t.take(r)
	t.Live.StopFails = stopAttempts - 1 // what was perhaps sent already is sent once
	return t.sealed()
}

// take goes on from a record that another process has written. Attempts that it
// announces count as doubt, and are waited out.
func (t *turn) take(c *Record) {
	l, r := &t.Live, &t.Record
	*r = c.copied()
	if res := r.Result; res != nil && (res.Outcome == Pending || res.Outcome == Expired) {
		// An earlier version ended the operation with its calls.
		r.Result, r.Holders, r.Stage = nil, nil, Watching
	}
	l.Announced, l.Search, l.NotBefore, l.Elsewhere = nil, Search{}, 0, 0
	l.Read, l.Noted, l.Dirty, l.Fact = nil, nil, false, false
	l.Fetch, l.StopSent, l.Reconciling = nil, 0, nil
	if a := &r.Start; a.Open || a.Earlier {
		rest := t.waitOut(a)
		l.Search.Until = t.now.Mono + rest + t.o.settle() + t.o.Recording
		if r.Sandbox == "" {
			l.Elsewhere = t.now.Mono + rest + t.o.Post
			if t.o.on(guardRecording) {
				l.Elsewhere += t.o.Recording
			}
			l.NotBefore = t.now.Mono + t.o.Pause
		}
		t.openIsDoubt(a)
	}
	if a := &r.Latest.Attempt; a.Open || a.Earlier {
		l.NotBefore = t.now.Mono + t.waitOut(a) + t.o.settle()
		t.openIsDoubt(a)
	}
	for i := range r.Requests {
		t.takeRequest(&r.Requests[i])
	}
}

func (t *turn) takeRequest(p *Request) {
	a := t.Live.ask(p.ID)
	*a = Ask{ID: p.ID, Ticket: a.Ticket, Replies: a.Replies, Turn: a.Turn, Suspended: a.Suspended, Answer: a.Answer}
	if p.Attempt.Open || p.Attempt.Earlier {
		a.NotBefore = t.now.Mono + t.waitOut(&p.Attempt) + t.afterDoubt(t.o.settle())
		t.openIsDoubt(&p.Attempt)
	}
	if p.Stage != Unasked {
		t.endAsk(p.ID, AskElsewhere)
	}
}

// decideAgain puts decisions that were to be recorded just now into the record that
// another process has put first, where that one has decided nothing about the same
// text. The put of one of them comes first in the end.
func (t *turn) decideAgain(mine *Record, asks []Ask) {
	for i := range asks {
		before := &asks[i]
		m, p := mine.Request(before.ID), t.Record.Request(before.ID)
		if !before.Unheld || m == nil || p == nil || m.Decision == nil || m.Gone || p.Gone || p.Stage != Unasked {
			continue
		}
		if p.Digest != m.Digest || !strings.EqualFold(p.Build, m.Build) {
			continue
		}
		first := p.FirstSeen
		*p = *m
		p.FirstSeen = first
		*t.Live.ask(p.ID) = *before
		t.Live.Dirty = true
	}
}

// decidedThere settles, after another process's record was taken, which decisions
// of this process count: those that stand in it.
func (t *turn) decidedThere(mine *Record, asks []Ask) {
	for i := range asks {
		before := &asks[i]
		m, p, a := mine.Request(before.ID), t.Record.Request(before.ID), t.Live.ask(before.ID)
		if m == nil || m.Decision == nil || p != nil && p.decidedAs(m) {
			if p != nil && m != nil && !a.Unheld && (p.Stage == Settled || p.Stage == Stuck) {
				t.replyAll(a, fateOf(p))
			}
			continue
		}
		if before.Unheld {
			t.notCounted(m, "the decision does not count: another process has the operation in hand")
		}
		fate := FateChanged
		if p != nil && p.Decision != nil {
			fate = FateDecided
		}
		t.replyAll(a, fate)
	}
}

// decidedAs reports whether two records hold one and the same decision.
func (p *Request) decidedAs(m *Request) bool {
	d, e := p.Decision, m.Decision
	return d != nil && e != nil && p.DecidedAt == m.DecidedAt && p.Digest == m.Digest && d.Verdict == e.Verdict && d.Given.By == e.Given.By && d.Given.Path == e.Given.Path
}

// waitOut is how long another process's announcement may still be used.
func (t *turn) waitOut(a *Attempt) (d time.Duration) {
	if !t.o.on(guardUntil) {
		return 0
	}
	return left(a.Until, t.now, t.o.Window+t.o.Skew)
}

// openIsDoubt notes that what another process had announced it may have sent.
func (t *turn) openIsDoubt(a *Attempt) {
	if !t.o.on(guardDoubt) {
		unopen(a)
	}
	if a.Open {
		a.Open, a.Earlier = false, true
	}
}

// loaded takes in that the journal holds another record than the last that is known to
// be there. Our own write, of which no answer came, is no newer than what we know.
func (t *turn) loaded(e Loaded) {
	if e.Record.Writer == t.Live.Replica { // not the writer of our record: that is who wrote what it was made of
		t.Live.Revision = e.Revision
		return
	}
	t.conflict(e.Record, e.Revision)
}

// journalWorks takes back that the run ends because of the journal: another process could
// write, so it goes on from there.
func (t *turn) journalWorks() {
	if l := &t.Live; l.End != nil && l.End.Cause == CauseJournal {
		l.End = nil
	}
}

// conflict goes on from what somebody else has put into the journal. What was
// only intended here is dropped; what has happened is kept, and recorded again.
func (t *turn) conflict(c *Record, revision uint64) {
	l := &t.Live
	mine := t.Record.copied()
	if c == nil {
		t.recordGone()
		return
	}
	l.Revision, l.Behind = revision, false
	t.journalWorks()
	if c.Writer == l.Replica && c.Serial == mine.Serial {
		t.saved(Saved{Revision: revision}) // our own write, of which no answer came
		return
	}
	if t.another(c) {
		return
	}
	l.Lines = nil
	before := *l.Passing
	t.withdraw(inOtherHands) // what was not sent was only intended
	mine = t.Record.copied()
	asks := slices.Clone(l.Asks)
	l.SaveFails, l.SaveAfter = 0, 0
	t.take(c)
	t.Record.Serial = max(mine.Serial, t.Record.Serial)
	if !mine.Unkeyed {
		t.keyGiven()
	}
	if t.o.on(guardMerge) {
		t.merge(&mine, asks)
		t.keepWaits(&mine, c, &before, asks)
	}
	if mine.Result != nil && t.Record.Result == nil && l.End == nil {
		l.Informed, l.Looked = false, false // what was told does not stand; what it comes to now is told too
	}
	if l.End != nil && l.End.Nothing && !t.nothingBegun() {
		l.End = nil // something was, or may have been
	}
	t.decideAgain(&mine, asks)
	t.decidedThere(&mine, asks)
	l.LinesDue = len(l.Lines) > 0
}

// keepWaits keeps how long an attempt in doubt is waited out that both records tell
// of: this process began to wait when it came to know of it. One that only the other
// record tells of is waited out from now on, however old it says that it is: its
// times are of another clock.
func (t *turn) keepWaits(mine, theirs *Record, before *Passing, asks []Ask) {
	l, r := &t.Live, &t.Record
	// What either has announced meanwhile is another attempt, whatever its times.
	same := func(kind ExchangeKind, request string, a, b *Attempt) bool {
		n := before.Announced
		return a.Earlier && !b.Open && *a == *b && (n == nil || n.Kind != kind || n.Request != request)
	}
	if r.Start.Earlier && mine.Start.Earlier {
		l.Search.Until, l.NotBefore = max(before.Search.Until, l.Search.Until), max(before.NotBefore, l.NotBefore)
		if same(StartingX, "", &mine.Start, &theirs.Start) {
			l.Search, l.NotBefore, l.Elsewhere = before.Search, before.NotBefore, before.Elsewhere
		}
	}
	if a, b := mine.Message().Attempt, theirs.Message().Attempt; same(PostingX, "", &a, &b) {
		l.NotBefore = before.NotBefore
	}
	for i := range asks {
		m, p := mine.Request(asks[i].ID), theirs.Request(asks[i].ID)
		if m != nil && p != nil && same(Responding, m.ID, &m.Attempt, &p.Attempt) {
			l.ask(p.ID).NotBefore = asks[i].NotBefore
		}
	}
}

// recordGone goes on where the journal has lost the record: what nobody has
// started may begin anew, everything else is put there again.
func (t *turn) recordGone() {
	l := &t.Live
	l.Revision = 0
	if l.announces("") {
		t.withdraw(inOtherHands)
	}
	l.Dirty = true
}

// merge keeps what has happened here and the other record does not tell.
func (t *turn) merge(mine *Record, asks []Ask) {
	l, r := &t.Live, &t.Record
	if mine.Result != nil && mine.Result.Outcome == Unknown {
		return // its doubt was recorded before; whoever has put another record has seen it, and may have settled it
	}
	switch {
	case mine.Job != "" && r.Job == "":
		r.Job, r.Created, r.Build, r.Status, r.StartedAt = mine.Job, mine.Created, mine.Build, mine.Status, mine.StartedAt
		r.Start, r.Stage, r.Result, r.Ours = Attempt{}, mine.Stage, nil, mine.Ours
		*r.Latest, r.Earlier, r.ReasonsPosted, r.Corrected = *mine.Latest, mine.Earlier, mine.ReasonsPosted, mine.Corrected
		l.Search, l.NotBefore, l.Elsewhere = Search{}, 0, 0
		t.fact()
	case mine.Job != "" && r.Job != mine.Job:
		t.emit(Tell{Kind: NoticeTwoJobs, Text: mine.Job})
		return
	}
	if mine.Start.Earlier && r.Job == "" && !r.Start.Earlier && r.Result == nil {
		r.Start, r.Stage, r.Sandbox, r.Credential = mine.Start, Starting, mine.Sandbox, mine.Credential
		l.Search.Until = t.now.Mono + t.o.settle() + t.o.Recording
		l.NotBefore = t.now.Mono + t.o.Pause
		t.fact()
	}
	for i := range mine.Requests {
		t.mergeRequest(&mine.Requests[i], asks)
	}
	t.mergeMessage(mine)
	t.mergeWishes(mine)
	if mine.Result != nil && r.Result == nil && mine.Job == r.Job && mine.Job != "" {
		r.Result, r.Stage, r.Note, r.Holders = mine.Result, Ended, mine.Note, nil
		t.fact()
	}
}

// mergeWishes keeps what somebody has asked for here, and how requests were whose
// decisions were thrown away.
func (t *turn) mergeWishes(mine *Record) {
	r := &t.Record
	if s := mine.Stop(); s.Asked && !s.Done && s.By != "" && !r.Stopping.Asked && r.Result == nil {
		*r.Stopping, r.Note = s, join(r.Note, stopNote(s.By))
		t.Live.Dirty = true
	}
	for i := range mine.Past {
		m := &mine.Past[i]
		same := func(p Request) bool { return strings.EqualFold(p.ID, m.ID) && p.decidedAs(m) }
		if !slices.ContainsFunc(r.Past, same) && !slices.ContainsFunc(r.Requests, same) {
			r.Past = append(slices.Clip(r.Past), *m)
			t.Live.Dirty = true
		}
	}
}

// mergeRequest keeps a response that was taken, or that may have been sent.
func (t *turn) mergeRequest(m *Request, asks []Ask) {
	if !m.sent() {
		return
	}
	p := t.Record.Request(m.ID)
	if p == nil {
		t.Record.Requests = append(t.Record.Requests, *m)
	} else if p.Stage == Settled && p.Delivery != Superseded || p.Stage == Stuck || p.Stage == Sending && m.Stage == Sending {
		if !(m.Delivery == Accepted && p.Delivery != Accepted) {
			return
		}
		*p = *m
	} else {
		*p = *m
	}
	for _, a := range asks {
		if strings.EqualFold(a.ID, m.ID) {
			n := t.Live.ask(m.ID)
			a.Turn, a.Answer, a.Replies, a.Suspended = n.Turn, n.Answer, n.Replies, n.Suspended
			*n = a
		}
	}
	t.fact()
}

// mergeMessage keeps that a message was posted, or may have been.
func (t *turn) mergeMessage(mine *Record) {
	r, m, stage, earlier := &t.Record, mine.Latest, mine.Stage, mine.Earlier
	if m.Kind == "" || r.Latest.Kind != "" && r.Latest.Kind != m.Kind || r.Stage == Ended {
		return
	}
	theirs := r.Latest.Posted || r.Latest.Attempt.Earlier
	if m.Posted && !r.Latest.Posted || m.Attempt.Earlier && !theirs {
		*r.Latest, r.Stage, r.Earlier = *m, stage, earlier
		t.fact()
	}
}
