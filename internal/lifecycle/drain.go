package lifecycle

// begun reports whether there is a Job of which the operation must still tell what
// came of it: the start, or the message that it begins with, was sent and answered.
func (r *Record) begun() bool {
	return r.Job != "" && (r.Stage != Posting || r.Message().Kind != FollowUpMessage)
}

// startsNothing reports whether the operation is to end because the process closes:
// nothing is started any more, and nothing was. What is in flight ends first.
func (s *State) startsNothing() bool {
	l := &s.Live
	if !l.Draining || !l.Options.on(guardDrain) {
		return false
	}
	return l.Exchange.Kind != StartingX && l.Exchange.Kind != PostingX && !s.Record.begun()
}

// drained ends what does not end in time while the process closes: a Job that waits
// for a person. It returns true if it has.
func (t *turn) drained() bool {
	l := &t.Live
	if !l.Draining || l.Closed || !l.Running || l.Exchange.Name != 0 {
		return false
	}
	waits, asked := t.waitsForPeople()
	waits = waits && t.o.on(guardPeople)
	switch {
	case !waits:
		l.People = 0
		return false
	case l.People == 0:
		l.People = t.now.Mono
	}
	if asked && t.pending(l.People+t.o.DrainAsked) {
		return false // the policy may be one that asks nobody
	}
	l.Closed = true
	return true
}

// waitsForPeople reports whether the Job waits for what somebody else is to do:
// asked says that it is for the policy, which may be a person or not.
func (t *turn) waitsForPeople() (waits, asked bool) {
	e := t.Live.Read
	switch {
	case t.Record.Stage != Watching || e == nil || !e.Human:
		return false, false
	case e.Pending == nil || !e.Pending.Known:
		return true, false
	}
	p, a := t.Record.Request(e.Pending.ID), t.Live.ask(e.Pending.ID)
	switch {
	case p == nil || p.Stage == Decided || p.Stage == Sending || a.Answer != nil:
		return false, false
	case p.Stage == Unasked:
		return a.Suspended || a.Turn != 0, !a.Suspended
	case p.Delivery != Accepted:
		return true, false
	}
	return e.Began.Mono > a.Since.Mono, true // else it was answered just now
}
