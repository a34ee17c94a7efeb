package lifecycle

import (
	"slices"
	"time"
)

// Make returns the state of an operation that nothing is known of.
func Make(o *Options, replica, print string) State {
	return State{Live: Live{Options: o, Replica: replica, Print: print}}
}

// Recover returns the state of an operation as the journal tells of it. Nothing
// runs for it until it is called or resumed. Whoever wrote the record may still
// be at work, unless [Resumed] says otherwise.
func Recover(r *Record, revision uint64, o *Options, replica, print string, now Moment) State {
	t := &turn{State: Make(o, replica, print), now: now, o: o}
	t.Live.Revision = revision
	t.take(r)
	return t.State
}

// take goes on from a record that another process has written. Attempts that it
// announces count as doubt, and are waited out.
func (t *turn) take(c *Record) {
	l, r := &t.Live, &t.Record
	*r = *c
	r.Requests = slices.Clone(c.Requests)
	l.Announced, l.Search, l.NotBefore, l.Elsewhere = Announced{}, Search{}, 0, 0
	l.Read, l.Noted, l.Dirty, l.Fact = nil, nil, false, false
	l.Fetch, l.StopSent = Fetch{}, 0
	if a := &r.Start; a.Open || a.Earlier {
		rest := t.waitOut(a)
		l.Search.Until = t.now.Mono + rest + t.o.settle() + t.o.Recording
		if r.Sandbox == "" {
			l.Elsewhere = t.now.Mono + rest + t.o.Post + t.o.Recording
			l.NotBefore = t.now.Mono + t.o.Pause
		}
		openIsDoubt(a)
	}
	if a := &r.Message.Attempt; a.Open || a.Earlier {
		l.NotBefore = t.now.Mono + t.waitOut(a) + t.o.settle()
		openIsDoubt(a)
	}
	for i := range r.Requests {
		t.takeRequest(&r.Requests[i])
	}
}

func (t *turn) takeRequest(p *Request) {
	a := t.Live.ask(p.ID)
	*a = Ask{ID: p.ID, Replies: a.Replies, Turn: a.Turn, Suspended: a.Suspended, Answer: a.Answer}
	if p.Attempt.Open || p.Attempt.Earlier {
		a.NotBefore = t.now.Mono + t.waitOut(&p.Attempt) + t.afterDoubt()
		openIsDoubt(&p.Attempt)
	}
	if p.Stage != Unasked {
		t.endAsk(p.ID, AskElsewhere)
		if len(a.Replies) > 0 {
			t.replyAll(a, FateDecided)
		}
	}
}

// waitOut is how long another process's announcement may still be used.
func (t *turn) waitOut(a *Attempt) (d time.Duration) {
	if !t.o.on(guardUntil) {
		return 0
	}
	return left(a.Until, t.now, t.o.Window+t.o.Skew)
}

func openIsDoubt(a *Attempt) {
	if a.Open {
		a.Open, a.Earlier = false, true
	}
}

// conflict goes on from what somebody else has put into the journal. What was
// only intended here is dropped; what has happened is kept, and recorded again.
func (t *turn) conflict(c *Record, revision uint64) {
	l := &t.Live
	mine := t.Record
	if c == nil {
		t.recordGone()
		return
	}
	l.Revision = revision
	if l.End != nil && l.End.Cause == CauseJournal {
		l.End = nil // another process could write; go on from there
	}
	if c.Writer == mine.Writer && c.Serial == mine.Serial {
		t.saved(Saved{Revision: revision}) // our own write, of which no answer came
		return
	}
	if mine.Order != nil && !mine.Order.Same(c.Order) {
		l.Dirty = false
		t.fail(CauseKeyReused, "", true)
		return
	}
	t.withdraw() // what was not sent was only intended
	mine = t.Record
	mine.Requests = slices.Clone(mine.Requests)
	asks := slices.Clone(l.Asks)
	search, notBefore := l.Search, l.NotBefore
	l.SaveFails, l.SaveAfter, l.Lines = 0, 0, nil
	t.take(c)
	t.Record.Serial = max(mine.Serial, t.Record.Serial)
	if t.o.on(guardMerge) {
		t.merge(&mine, asks)
		if t.Record.Start.Earlier && mine.Start.Earlier {
			l.Search.Until, l.NotBefore = max(search.Until, l.Search.Until), max(notBefore, l.NotBefore)
		}
	}
}

// recordGone goes on where the journal has lost the record: what nobody has
// started may begin anew, everything else is put there again.
func (t *turn) recordGone() {
	l := &t.Live
	l.Revision = 0
	if l.Announced.Kind != "" {
		t.withdraw()
	}
	l.Dirty = true
}

// merge keeps what has happened here and the other record does not tell.
func (t *turn) merge(mine *Record, asks []Ask) {
	l, r := &t.Live, &t.Record
	switch {
	case mine.Job != "" && r.Job == "":
		r.Job, r.Created, r.Build, r.Status, r.StartedAt = mine.Job, mine.Created, mine.Build, mine.Status, mine.StartedAt
		r.Start, r.Stage, r.Result = Attempt{}, mine.Stage, nil
		r.Message, r.Told, r.Corrected = mine.Message, mine.Told, mine.Corrected
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
	t.mergeMessage(&mine.Message, mine.Stage)
	if mine.Result != nil && r.Result == nil && mine.Job == r.Job && mine.Job != "" {
		r.Result, r.Stage, r.Note, r.Holders = mine.Result, Ended, mine.Note, nil
		t.fact()
	}
}

// mergeRequest keeps a response that was taken, or that may have been sent.
func (t *turn) mergeRequest(m *Request, asks []Ask) {
	if !m.sent() {
		return
	}
	p := t.Record.request(m.ID)
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
		if a.ID == m.ID {
			n := t.Live.ask(m.ID)
			a.Turn, a.Answer, a.Replies, a.Suspended = n.Turn, n.Answer, n.Replies, n.Suspended
			*n = a
		}
	}
	t.fact()
}

// mergeMessage keeps that a message was posted, or may have been.
func (t *turn) mergeMessage(m *Message, stage Stage) {
	r := &t.Record
	if m.Kind == "" || r.Message.Kind != "" && r.Message.Kind != m.Kind || r.Stage == Ended {
		return
	}
	theirs := r.Message.Posted || r.Message.Attempt.Earlier
	if m.Posted && !r.Message.Posted || m.Attempt.Earlier && !theirs {
		r.Message, r.Stage = *m, stage
		t.fact()
	}
}

// reconciled takes in what a person has found about an operation whose outcome is
// unknown.
func (t *turn) reconciled(e Reconciled) {
	l, r := &t.Live, &t.Record
	if l.Running || l.Closed || r.Result == nil || r.Result.Outcome != Unknown {
		return
	}
	t.line(LineReconciled, "", e.By)
	r.Result, r.Note = nil, ""
	l.Search, l.NotBefore, l.NoRepeat, l.Elsewhere = Search{}, 0, false, 0
	l.Running, l.Detached, l.Admitted, l.Look, l.Dirty = true, true, true, t.now.Mono, true
	switch follow := r.Order.After != nil; {
	case follow && e.Job != "":
		t.posted(true)
	case follow:
		r.Stage, r.Job, r.Message = New, "", Message{}
	case e.Job != "":
		t.started(Sent{Job: e.Job})
		if t.o.Claims {
			l.Claim = e.Job
		}
	default:
		r.Stage, r.Start, r.Sandbox = New, Attempt{}, ""
	}
	if e.Job == "" {
		t.fail(CauseNotStarted, "", true)
	}
}
