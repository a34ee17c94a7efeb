package lifecycle

import "slices"

// Where operations have owners (Options.Leases), only the owner reads the Job, asks the
// policy and sends. Every other process that somebody waits in follows: it records what
// it is told (a decision, a wish that the Job be stopped), which the owner then goes by,
// and asks for the lease now and then, and when the record or the lease is told to be
// another. One in which nobody waits shows what the owner has recorded.

// owns reports whether this process is the one that works on the operation.
func (t *turn) owns() bool {
	return !t.o.Leases || t.Live.Lease > 0 || !t.o.on(guardOwner)
}

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
		if t.nothingBegun() && t.heard() {
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

// another reports whether a record is of something else under the same key, and then ends
// the run.
func (t *turn) another(c *Record) bool {
	l, r := &t.Live, &t.Record
	if r.Order == nil || r.Order.Same(c.Order) {
		return false
	}
	l.Dirty, l.Revision = false, 0
	t.mute(CauseKeyReused)
	return true
}

// nothingBegun reports whether nothing was started or posted, nor may have been.
func (t *turn) nothingBegun() bool {
	r := &t.Record
	startOnly := r.Job == "" && !r.Start.Earlier && r.Result == nil
	messageOnly := r.Stage == Posting && r.Latest.Kind == FollowUpMessage && !r.Latest.Attempt.Earlier
	return startOnly || messageOnly
}

// told takes in that another process has put the record, or has left the operation.
func (t *turn) told(e Told) {
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

// Announces reports whether something is announced that was not sent yet, as far as the
// record tells.
func (r *Record) Announces() bool {
	if r.Start.Open || r.Message().Attempt.Open {
		return true
	}
	return slices.ContainsFunc(r.Requests, func(p Request) bool { return p.Attempt.Open })
}

// Waits reports whether a request waits for a decision from outside, as far as the
// record of an operation with owners tells.
func (r *Record) Waits(p *Request) bool {
	return p != nil && p.PutOff != nil && p.Stage == Unasked && !p.Gone && !r.Parked()
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
	l.Untold = len(l.Lines) > 0
}

// workOn begins a run without callers, where none is under way: what somebody wants is
// recorded, and done by whoever owns the operation.
func (t *turn) workOn() {
	if l := &t.Live; !l.Running {
		t.begin()
		l.Detached, l.Admitted = true, true
	}
}
