package lifecycle

import "slices"

// called takes in a caller.
func (t *turn) called(e Called) {
	l, r := &t.Live, &t.Record
	one := []int{e.Caller}
	if e.Reword && t.untouched() {
		r.Order, r.Stage, r.Job, *r.Latest = e.Order, New, "", Message{}
	}
	asleep := t.putOff()
	switch {
	case l.Closed:
		t.emit(Release{Callers: one, Cause: CauseClosed})
	case r.Order != nil && !r.Order.Same(e.Order):
		t.emit(Release{Callers: one, Cause: CauseKeyReused})
	case r.Result != nil && (!l.Running || l.Informed):
		t.emit(Finish{Callers: one, Recorded: !l.Dirty})
		if l.Dirty && !l.Running { // the journal does not have it yet
			t.begin()
			l.Detached, l.Informed = true, true
		}
	case asleep != "":
		t.emit(Interim{Callers: one, Request: asleep})
	default:
		if r.Order == nil {
			r.Order = e.Order
		}
		if !l.Running && r.Parked() {
			t.askAnew()
		}
		t.begin()
		l.Callers++
		l.Admitted = l.Admitted || !e.Queued
	}
}

// askAnew lets the policy be asked again about what it could ask nobody, now that
// somebody calls again: that was nobody's decision, and nothing was sent for it.
func (t *turn) askAnew() {
	for i := range t.Record.Requests {
		p := &t.Record.Requests[i]
		if p.Stage != Stuck || p.Decision == nil || !p.Decision.Nobody {
			continue
		}
		p.Delivery = Superseded
		t.past(p)
		t.undecide(p)
		t.Live.Dirty = t.Live.Dirty || t.Live.Revision > 0
	}
}

// untouched reports whether nothing runs, nothing was sent and nothing is in doubt,
// so that another order may take the place of the first.
func (t *turn) untouched() bool {
	l, r := &t.Live, &t.Record
	if l.Running || r.Order == nil || r.Result != nil || r.Start != (Attempt{}) {
		return false
	}
	m := r.Latest
	return r.Stage == New || r.Stage == Posting && m.Kind == FollowUpMessage && m.Attempt == (Attempt{})
}

// putOff returns a request that waits for a decision from outside; empty: none.
func (t *turn) putOff() string {
	if !t.Wanted() {
		return ""
	}
	for _, a := range t.Live.Asks {
		if p := t.Record.Request(a.ID); a.Suspended && p != nil && p.Stage == Unasked {
			return p.ID
		}
	}
	return ""
}

// named is keyGiven at any time. Where nothing runs, a run begins that only writes
// it down: what is parked would be forgotten otherwise.
func (t *turn) named() {
	l, r := &t.Live, &t.Record
	t.keyGiven()
	if l.Dirty && !l.Running && !l.Closed && r.Result == nil {
		l.Running, l.Informed = true, true
		t.fail(CauseLeft, "", true)
	}
}

// resumed takes the operation up without callers.
func (t *turn) resumed(e Resumed) {
	l, r := &t.Live, &t.Record
	if l.Closed || r.Order == nil || r.Result != nil {
		return
	}
	if e.Alone {
		r.Holders = nil // the others are dead; hold writes ours
		l.Elsewhere = 0
	}
	t.begin()
	l.Detached, l.Admitted, l.Young = true, !e.Queued, e.Unhurried
}

// begin begins a run, if there is none.
func (t *turn) begin() {
	l, r := &t.Live, &t.Record
	if l.Running && l.Informed && r.Result == nil { // it only writes something down
		l.Running, l.Informed, l.End = false, false, nil
	}
	if l.Running {
		return
	}
	l.Running, l.Look = true, t.now.Mono
	if r.Trouble != "" {
		r.Trouble, l.Dirty = "", true
	}
	t.toSay()
}

// toSay lets a follow-up begin with its message, also where another process has
// given it up meanwhile: it never starts a Job.
func (t *turn) toSay() {
	r := &t.Record
	f := r.Order.After
	if f != nil && r.Stage == New {
		r.Stage, r.Job = Posting, f.Job
		*r.Latest = Message{Kind: FollowUpMessage, Text: f.Text, Key: r.Order.StartKey, After: -1}
	}
	if f != nil && t.o.Claims && t.o.on(guardClaim) {
		t.Live.Claim = f.Job
	}
}

// seenAgain takes up a Job that was gone, or whose reads were given up.
func (t *turn) seenAgain() {
	l, r := &t.Live, &t.Record
	gone := r.Result != nil && r.Result.Outcome == Gone
	if l.Running || l.Closed || !gone && r.Trouble == "" {
		return
	}
	if gone {
		r.Result, r.Stage, l.Dirty = nil, Watching, true
	}
	t.begin()
	l.Detached, l.Admitted = true, true
}

// hold writes this process among those that work on the operation, also in place
// of one that has closed. It returns true if it was not there.
func (t *turn) hold() bool {
	l, r := &t.Live, &t.Record
	if slices.Contains(r.Holders, l.Replica) || r.Result != nil || !t.owns() {
		return false
	}
	others := slices.DeleteFunc(slices.Clone(r.Holders), func(h string) bool { return h == Orphan || t.o.Leases })
	r.Holders = append(others, l.Replica)
	l.Dirty = l.Dirty || l.Revision > 0
	return true
}

// interim lets callers go whose wait budget is used up, once the operation
// outlives the process.
func (t *turn) interim() bool {
	l := &t.Live
	if l.Revision == 0 && t.owns() {
		l.Dirty = true
		return true
	}
	t.emit(Interim{Callers: l.Over})
	l.Callers = max(l.Callers-len(l.Over), 0)
	l.Over, l.Detached = nil, true
	return true
}

// suspend lets all callers go, because a decision was put off.
func (t *turn) suspend(request string) {
	l := &t.Live
	l.Detached, l.Callers, l.Over = true, 0, nil
	t.emit(Interim{Request: request})
}

// finish gives callers the result, once it is recorded.
func (t *turn) finish() bool {
	if !t.Live.Informed {
		t.emit(Finish{Recorded: true})
	}
	t.rest()
	return false
}

// windDown ends the run: questions, announcements, a stop that is wished for,
// the holder's mark, and then the callers. Nothing else is sent.
func (t *turn) windDown() bool {
	l, r := &t.Live, &t.Record
	t.withdraw(callEnded)
	if t.leaveStop() {
		*r.Stopping = Stop{Asked: true, Then: StopLeave}
		l.Dirty = true
	}
	calls := l.End != nil && l.End.Calls != ""
	if l.Callers+len(l.Over) > 0 && !calls && !l.Informed && r.Result == nil {
		t.keyGiven() // the error tells it
	}
	t.letGo()
	if l.End != nil && l.End.Mute {
		l.Dirty, l.LinesDue = false, false
	}
	if (l.LinesDue || l.Dirty && l.Revision+uint64(len(r.Holders)) > 0) && l.SaveFails < t.parkTries() {
		return t.save()
	}
	if l.End != nil && l.End.Nothing && !l.End.Looked && l.Revision == 0 {
		end := *l.End
		end.Looked, l.End = true, &end
		t.emit(Load{Name: t.exchange(Loading, "")})
		return true
	}
	if r.Stopping.Asked && !r.Stopping.Done && !l.Dirty && t.mayStopNow() {
		return t.sendStop()
	}
	// What was reconciled in vain is no result that anybody waits for.
	vain := l.End != nil && (l.End.Cause == CauseJournal || l.End.Cause == CauseTaken)
	if l.Informed || r.Result != nil && !l.Dirty && !vain {
		return t.finish()
	}
	t.release()
	t.rest()
	return false
}

// release lets all callers go without a result: with how the Job stands, or with
// an error.
func (t *turn) release() {
	end := End{Cause: CauseLeft}
	switch l := &t.Live; {
	case l.End != nil:
		end = *l.End
	case l.Closed:
		end.Cause = CauseClosed
	}
	if end.Calls != "" {
		t.emit(EndCalls{Outcome: end.Calls, Note: end.Text})
		return
	}
	t.emit(Release{Cause: end.Cause, Text: end.Text})
}

// parkTries is how often recording is tried while the run winds down.
func (t *turn) parkTries() int8 {
	if t.Live.Fact && t.o.on(guardFacts) {
		return 3
	}
	return 1
}

// leaveStop reports whether the Job is to be stopped because the run ends.
func (t *turn) leaveStop() bool {
	l, r := &t.Live, &t.Record
	if r.Stopping.Asked || l.Closed || r.Job == "" || r.Stage != Watching || !t.owns() {
		return false
	}
	if l.End != nil {
		return l.End.Cause == CausePolicy && t.o.StopOnPolicyFailure
	}
	return t.o.StopOnLeave && l.Callers == 0
}

// letGo takes this process out of those that work on the operation. Where it closes
// and the next one is to take the operation up by itself, that is said instead.
func (t *turn) letGo() {
	l, r := &t.Live, &t.Record
	inFlight := r.Job != "" || r.Start.Earlier || l.Detached
	if l.End != nil && !l.End.Park && inFlight || r.Result != nil {
		return
	}
	i := slices.Index(r.Holders, l.Replica)
	if i < 0 {
		return
	}
	r.Holders = slices.Delete(slices.Clone(r.Holders), i, i+1)
	if l.Closed && l.End == nil && inFlight && t.o.on(guardOrphan) && !slices.Contains(r.Holders, Orphan) {
		r.Holders = append(r.Holders, Orphan)
	}
	if !t.o.on(guardHolders) {
		r.Holders = nil
	}
	if len(r.Holders) == 0 {
		r.Holders = nil
	}
	l.Dirty = l.Dirty || l.Revision > 0
}

// rest ends all that belongs to the run. What must be waited out before anything
// is sent again stays.
func (t *turn) rest() {
	l := &t.Live
	t.endAsks()
	if l.Watching {
		t.emit(Unwatch{})
	}
	if l.Lease > 0 {
		l.Lease = 0
		t.emit(Disown{})
	}
	l.OwnAfter, l.Behind = 0, false
	for i := range l.Asks {
		a := &l.Asks[i]
		a.Suspended, a.Answer = t.Record.Waits(t.Record.Request(a.ID)), nil
	}
	l.Running, l.Detached, l.Admitted, l.Informed = false, false, false, false
	l.Callers, l.Over, l.End = 0, nil, nil
	l.Watching, l.Wish, l.Read, l.Noted = false, 0, nil, nil
	l.BadReads, l.Young, l.Looked = 0, false, false
	l.Missing, l.Odd, l.Refused, l.Stuck, l.Human = 0, 0, false, 0, false
	l.Fetch, l.StopFails, l.SaveFails, l.SaveAfter, l.Lines, l.LinesDue = nil, 0, 0, 0, nil, false
	l.Fails, l.Late, l.Claimed = 0, 0, false
}
