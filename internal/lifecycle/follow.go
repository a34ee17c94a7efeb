package lifecycle

import "slices"

// follow asks for the lease, as long as somebody waits for what the owner comes to.
func (t *turn) follow() bool {
	l := &t.Live
	if l.OwnAfter != 0 && !t.awaited() {
		t.rest()
		return false
	}
	if t.pending(l.OwnAfter) {
		return false
	}
	t.emit(Own{Name: t.exchange(Owning, ""), Fresh: l.Revision == 0})
	return true
}

// awaited reports whether somebody in this process waits for what the owner does.
func (t *turn) awaited() bool {
	l, r := &t.Live, &t.Record
	replies := slices.ContainsFunc(l.Asks, func(a Ask) bool { return len(a.Replies) > 0 })
	return l.Callers > 0 || len(l.Over) > 0 || replies || r.Stopping.Asked && !r.Stopping.Done
}

// owned takes in whose the operation is, and what is recorded of it.
func (t *turn) owned(e Owned) {
	l := &t.Live
	switch {
	case e.Failed:
		l.Fails = min(l.Fails+1, 8)
		l.OwnAfter = t.now.Mono + t.o.backoff(l.Fails, 0)
		if t.nothingBegun() && t.attended() {
			t.fail(CauseJournal, "", true)
		}
		return
	case e.Term == 0:
		l.OwnAfter = t.now.Mono + t.o.Follow
		if e.Record != nil && e.Revision != l.Revision && !t.another(e.Record) {
			t.followed(e.Record, e.Revision)
		}
		return
	}
	l.Lease, l.OwnAfter, l.Fails = e.Term, 0, 0
	if e.Record == nil || t.another(e.Record) {
		return
	}
	before := slices.Clone(l.Asks)
	mine := t.Record.copied()
	l.Revision = e.Revision
	t.take(e.Record)
	for i := range l.Asks {
		a := &l.Asks[i]
		a.Suspended, a.Ticket = false, nil // the policy of this process is asked
		if p := t.Record.Request(a.ID); t.Record.Waits(p) {
			a.Ticket = p.PutOff // and people may decide meanwhile
		}
	}
	t.decidedThere(&mine, before)
}

// putElsewhere takes in that another process has put the record, or has left the operation.
func (t *turn) putElsewhere(e PutElsewhere) {
	l := &t.Live
	switch {
	case !t.o.Leases:
	case l.Lease > 0:
		l.Behind = l.Behind || e.Revision > l.Revision
	case l.Running:
		l.OwnAfter = min(l.OwnAfter, t.now.Mono)
	case e.Record != nil && e.Revision > l.Revision:
		t.mirror(e.Record, e.Revision)
	}
}

// disowned ends the work on an operation that another process may own by now. What is
// in flight ends, and is recorded.
func (t *turn) disowned() {
	l := &t.Live
	if l.Lease == 0 {
		return
	}
	l.Lease, l.OwnAfter, l.Behind = 0, t.now.Mono, false
	t.withdraw(inOtherHands)
	for i := range l.Asks {
		t.endAsk(l.Asks[i].ID, AskElsewhere)
	}
	if l.Watching {
		t.emit(Unwatch{})
	}
	l.Watching, l.Wish, l.Read, l.Noted, l.Claimed = false, 0, nil, nil, false
}

// mirror shows what the owner has recorded, as it is: what became of an attempt that is
// announced there the owner will tell.
func (t *turn) mirror(c *Record, revision uint64) {
	l, asks := &t.Live, t.Live.Asks
	t.Record, l.Revision, l.Asks, l.Reconciling = c.copied(), revision, nil, nil
	for i := range t.Record.Requests {
		p := &t.Record.Requests[i]
		a := l.ask(p.ID)
		if t.Record.Waits(p) {
			a.Ticket, a.Suspended = p.PutOff, true
		}
		if j := slices.IndexFunc(asks, func(b Ask) bool { return b.ID == a.ID }); j >= 0 {
			a.Replies, a.Answer = asks[j].Replies, asks[j].Answer
		}
	}
}

// followed goes on from what the owner has recorded. What was decided or asked for here,
// and could not be recorded before, is put into it.
func (t *turn) followed(c *Record, revision uint64) {
	l := &t.Live
	mine, asks, wishes := t.Record.copied(), slices.Clone(l.Asks), l.Dirty
	l.Dirty, l.Lines, l.SaveFails, l.SaveAfter = false, nil, 0, 0
	t.mirror(c, revision)
	if wishes {
		t.mergeWishes(&mine)
		t.decideAgain(&mine, asks)
	}
	t.decidedThere(&mine, asks)
	l.LinesDue = len(l.Lines) > 0
}

// workOn begins a run without callers, where none is under way: what somebody wants is
// recorded, and done by whoever owns the operation.
func (t *turn) workOn() {
	if l := &t.Live; !l.Running {
		t.begin()
		l.Detached, l.Admitted = true, true
	}
}

// overtaken takes in that somebody else has put the record first. Who follows takes it
// over, unless something has happened here that it does not tell.
func (t *turn) overtaken(c *Record, revision uint64) {
	l := &t.Live
	if c == nil || t.owns() || l.Fact || c.Writer == l.Replica {
		t.conflict(c, revision)
		return
	}
	t.journalWorks()
	if !t.another(c) {
		t.followed(c, revision)
	}
}

// Mirror returns the state of an operation as the journal tells of it, where operations
// have owners: what the owner has recorded, as it is.
func Mirror(r *Record, revision uint64, o *Options, replica, print string, now Moment) State {
	t := newTurn(Make(o, replica, print), now)
	t.mirror(r, revision)
	return t.sealed()
}
