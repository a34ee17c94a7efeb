package lifecycle

import (
	"strconv"
	"time"
)

// noteRead notes what a read has shown. Older ones than the last tell nothing.
func (t *turn) noteRead(e *Read) {
	l := &t.Live
	if !l.Running || !l.Watching {
		return
	}
	if n := l.Noted; n != nil && e.Began.Mono < n.Began.Mono || l.Read != nil && e.Began.Mono < l.Read.Began.Mono {
		return
	}
	if e.Failed == "" && e.Began.Mono >= l.Wish {
		l.Wish = 0
	}
	l.Noted = e
}

// listed takes in a row of a list. It may end a Job, by option; otherwise it only
// makes a read come sooner.
func (t *turn) listed(e Listed) {
	l := &t.Live
	if !l.Watching || l.Read == nil {
		return
	}
	floor := max(l.Read.Updated, t.Record.Latest.Before)
	if e.End == "" && !l.Read.Human {
		return
	}
	trusted := t.o.TrustLists && e.End != "" &&
		(e.Updated > floor || !t.o.on(guardFloor)) && (!l.Read.Human || !t.o.on(guardListed))
	if trusted {
		t.noteRead(&Read{Began: e.Began, Status: e.Status, End: e.End, Updated: e.Updated})
		return
	}
	t.wantRead(t.now.Mono)
}

// progress tells that a list shows another status of a Job on its way. What was
// read goes before it.
func (t *turn) progress(e Progress) {
	l, r := &t.Live, &t.Record
	onItsWay := l.Read == nil || l.Read.End == "" && !l.Read.Human
	if l.Running && r.Stage == Watching && onItsWay && e.Status != r.Status {
		r.Status = e.Status
		t.emit(Tell{Kind: NoticeStatus, Text: e.Status})
	}
}

// absorb takes in what was noted while something was in flight. It returns true
// if there was something.
func (t *turn) absorb() bool {
	l := &t.Live
	if e := l.Noted; e != nil {
		l.Noted = nil
		switch {
		case t.Record.Result != nil: // it came to that already; others may have gone on with the Job
		case e.Failed != "":
			t.unread(e.Failed)
		default:
			t.seen(e)
		}
		return true
	}
	for i := range l.Asks {
		if a := &l.Asks[i]; a.Answer != nil {
			n := a.Answer
			a.Answer = nil
			t.decided(a.ID, n)
			return true
		}
	}
	return false
}

// unread takes in a read that failed. Nothing is proven by it at once.
func (t *turn) unread(c Class) {
	l, r := &t.Live, &t.Record
	if c == Missing && r.Credential != l.Print && t.o.on(guardCredential) {
		c = NotAllowed // another credential may not see the Job
	}
	switch c {
	case NotAllowed:
		if !l.Refused {
			l.Refused = true
			t.emit(Tell{Kind: NoticeTrouble, Text: "the credential may not read the Job"})
		}
		if !t.o.on(guardDenied) {
			t.fail(CauseGivenUp, "", true)
		}
	case Missing:
		if l.BadReads = min(l.BadReads+1, 3); l.Missing == 0 {
			l.Missing, l.Odd, l.BadReads = t.now.Mono, 0, 1
			t.emit(Tell{Kind: NoticeTrouble, Text: "the Job is not found"})
		}
		if t.now.Mono-l.Missing >= t.o.MissingGrace && l.BadReads == 3 || !t.o.on(guardMissing) {
			if t.ended() {
				t.lost() // how it ended is known
				return
			}
			t.over("")
			t.end(Gone)
		}
	case Foreign:
		t.fail(CauseForeign, "", true)
	case Odd:
		if l.BadReads = min(l.BadReads+1, 3); l.Odd == 0 {
			l.Missing, l.Odd, l.BadReads = 0, t.now.Mono, 1
			t.emit(Tell{Kind: NoticeTrouble, Text: "reading the Job makes no sense"})
		}
		if t.now.Mono-l.Odd >= t.o.OddGrace && l.BadReads == 3 || !t.o.on(guardOdd) {
			r.Trouble, l.Dirty = Odd, true
			t.fail(CauseGivenUp, "", false)
		}
	}
}

// seen takes in what a read has shown.
func (t *turn) seen(e *Read) {
	l, r := &t.Live, &t.Record
	if l.Missing != 0 || l.Odd != 0 || l.Refused {
		l.Missing, l.Odd, l.BadReads, l.Refused = 0, 0, 0, false
		t.emit(Tell{Kind: NoticeMended, Text: "reading the Job"})
	}
	if t.lags(e) {
		t.wakeAt(t.now.Mono + t.o.Pause)
		return
	}
	l.Read, l.Young = e, false
	t.count(e.Human)
	if e.Status != r.Status {
		r.Status = e.Status
		t.emit(Tell{Kind: NoticeStatus, Text: e.Status})
	}
	if e.Build != "" {
		r.Build = e.Build
	}
	if e.Ours && !r.Ours {
		r.Ours, l.Dirty = true, true
	}
	if r.Stage != Watching {
		return
	}
	switch {
	case e.End != "":
		t.over("")
		r.Stopping.Done = r.Stopping.Asked
		r.Stage, l.Fetch = Collecting, nil
	case e.Pending != nil && e.Pending.Known && !r.Ours:
		t.fail(CauseNobodys, "", true)
	case e.Pending != nil && e.Pending.Known:
		t.over(e.Pending.ID)
		t.shown(e.Pending)
	default:
		t.over("")
	}
}

// lags reports whether a read does not show yet that a message was posted.
func (t *turn) lags(e *Read) bool {
	m := t.Record.Latest
	if t.Record.Stage != Watching || !m.Posted || m.Before == 0 || e.Updated > m.Before {
		return false
	}
	d, known := age(m.Attempt.Until, t.now, t.o.Skew)
	return known && d < t.o.Lag
}

// watching goes on with a Job that has not ended, as far as anybody knows.
func (t *turn) watching() bool {
	l, r := &t.Live, &t.Record
	t.watch()
	if t.expired() {
		return true
	}
	if t.lagging() {
		return false
	}
	e := l.Read
	if e == nil || e.End != "" {
		return false
	}
	switch {
	case e.Pending != nil && !e.Pending.Known:
		return t.stuckFor(t.o.StuckGrace, "the Job waits for a request of kind "+strconv.Quote(e.Pending.Kind)+", which this program cannot answer")
	case e.Pending == nil && e.Human:
		return t.stuckFor(t.o.StuckGrace, "the Job waits for something that Duvo's API does not show")
	case e.Pending == nil:
		l.Stuck = 0
		return false
	}
	p := r.Request(e.Pending.ID)
	if p == nil {
		return false
	}
	switch p.Stage {
	case Unasked:
		l.Stuck = 0
		return t.askPolicy(p, e.Pending)
	case Decided, Sending:
		l.Stuck = 0
		return t.respond(p, e.Pending)
	case Stuck:
		if t.stopsFor(p) {
			return true
		}
		return t.stuckFor(t.o.StuckGrace, p.Why)
	case Settled:
		if p.Decision == nil || p.Decision.Verdict == LeftAlone || e.Began.Mono <= l.ask(p.ID).Since.Mono {
			return false
		}
		why := "the response was sent, and the Job still waits"
		if p.Why != "" {
			why = p.Why
		}
		return t.stuckFor(t.o.AcceptedGrace, why)
	}
	return false
}

// lagging wishes for another read where the last one lagged behind a message.
func (t *turn) lagging() bool {
	l := &t.Live
	if l.Read != nil || l.Wish != 0 || l.Young {
		return false
	}
	if m := t.Record.Latest; m.Posted {
		if d, _ := age(m.Attempt.Until, t.now, t.o.Skew); d < t.o.Lag {
			t.wakeAt(t.now.Mono + t.o.Lag - d)
			return true
		}
	}
	t.wantRead(t.now.Mono)
	return true
}

// expired ends the calls when the Job's own time is over.
func (t *turn) expired() bool {
	l, r := &t.Live, &t.Record
	if t.o.JobTimeout == 0 || l.Human && t.o.on(guardHuman) {
		return false
	}
	worked := r.Worked + t.now.Mono - l.Look
	if worked < t.o.JobTimeout {
		t.wakeAt(t.now.Mono + t.o.JobTimeout - worked)
		return false
	}
	if t.o.on(guardHuman) && !t.fresh(l.Read, Moment{}) { // perhaps it waits for a person by now
		t.wantRead(readBegan(l.Read) + 1)
		return false
	}
	if t.o.StopOnTimeout && (!r.Stopping.Asked || r.Stopping.Done) {
		*r.Stopping = Stop{Asked: true, Then: StopExpire}
		l.StopSent, l.StopFails, l.Dirty = 0, 0, true
		return true
	}
	t.expire()
	return true
}

// expire ends the calls because the Job's own time is over. Whoever calls again
// gives it as much again.
func (t *turn) expire() {
	t.Record.Worked, t.Live.Look, t.Live.Dirty = 0, t.now.Mono, true
	t.endCalls(Expired, overNote(t.o.JobTimeout))
}

// stuckFor ends the calls when the Job has waited long enough for what nobody
// here can give.
func (t *turn) stuckFor(grace time.Duration, why string) bool {
	l := &t.Live
	if l.Stuck == 0 {
		l.Stuck = t.now.Mono
	}
	if t.pending(l.Stuck + grace) {
		return false
	}
	t.endCalls(Pending, why+"; somebody must look in Duvo")
	return true
}
