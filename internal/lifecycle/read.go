package lifecycle

import "time"

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
	floor := max(l.Read.Updated, t.Record.Message.Before)
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

// wantRead wishes for a read that begins at or after since, unless such a one is
// wished for already.
func (t *turn) wantRead(since time.Duration) {
	l := &t.Live
	if l.Wish >= since && l.Wish != 0 {
		return
	}
	l.Wish = t.now.Mono
	t.emit(ReadNow{Since: t.now.Mono})
}

// watch lets the Job be read.
func (t *turn) watch() {
	l := &t.Live
	if !l.Watching {
		l.Watching = true
		t.emit(Watch{Job: t.Record.Job})
		t.wantRead(t.now.Mono)
	}
}

// absorb takes in what was noted while something was in flight. It returns true
// if there was something.
func (t *turn) absorb() bool {
	l := &t.Live
	if e := l.Noted; e != nil {
		l.Noted = nil
		switch {
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
			t.over("")
			t.end(Gone)
		}
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
	l.Read = e
	t.count(e.Human)
	if e.Status != r.Status {
		r.Status = e.Status
		t.emit(Tell{Kind: NoticeStatus, Text: e.Status})
	}
	if e.Build != "" {
		r.Build = e.Build
	}
	if r.Stage != Watching {
		return
	}
	switch {
	case e.End != "":
		t.over("")
		r.Stage, l.Fetch = Collecting, Fetch{}
		if r.Order.After != nil {
			l.Fetch.Cursor = max(r.Message.After, 0)
		}
	case e.Pending != nil && e.Pending.Known:
		t.over(e.Pending.ID)
		t.shown(e.Pending)
	default:
		t.over("")
	}
}

// lags reports whether a read does not show yet that a message was posted.
func (t *turn) lags(e *Read) bool {
	m := &t.Record.Message
	if t.Record.Stage != Watching || !m.Posted || m.Before == 0 || e.Updated > m.Before {
		return false
	}
	d, known := age(m.Attempt.Until, t.now, t.o.Skew)
	return known && d < t.o.Lag
}

// count adds to the Job's own time what has passed since the last look, unless it
// waited for a person then or does now.
func (t *turn) count(human bool) {
	l := &t.Live
	if !l.Human && !human || !t.o.on(guardHuman) {
		t.Record.Worked += t.now.Mono - l.Look
	}
	l.Look, l.Human = t.now.Mono, human
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
	if e.Pending == nil || !e.Pending.Known {
		if e.Human {
			return t.stuckFor(t.o.StuckGrace, "the Job waits for something that nobody here can answer")
		}
		l.Stuck = 0
		return false
	}
	p := r.request(e.Pending.ID)
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
		return t.stuckFor(t.o.StuckGrace, p.Why)
	case Settled:
		if p.Decision != nil && p.Decision.Verdict != LeftAlone && e.Began.Mono > l.ask(p.ID).Since.Mono {
			return t.stuckFor(t.o.AcceptedGrace, "the response was sent, and the Job still waits")
		}
	}
	return false
}

// lagging wishes for another read where the last one lagged behind a message.
func (t *turn) lagging() bool {
	l := &t.Live
	if l.Read != nil || l.Wish != 0 {
		return false
	}
	if m := &t.Record.Message; m.Posted {
		if d, _ := age(m.Attempt.Until, t.now, t.o.Skew); d < t.o.Lag {
			t.wakeAt(t.now.Mono + t.o.Lag - d)
			return true
		}
	}
	t.wantRead(t.now.Mono)
	return true
}

// expired ends the operation when the Job's own time is over.
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
	if t.o.StopOnTimeout && !r.Stop.Asked {
		r.Stop = Stop{Asked: true, Then: StopExpire}
		t.Live.Dirty = true
		return true
	}
	r.Note = join(r.Note, "its time limit is over")
	t.over("")
	t.end(Expired)
	return true
}

// stuckFor ends the operation when the Job has waited long enough for what
// nobody here can give.
func (t *turn) stuckFor(grace time.Duration, why string) bool {
	l := &t.Live
	if l.Stuck == 0 {
		l.Stuck = t.now.Mono
	}
	if t.pending(l.Stuck + grace) {
		return false
	}
	t.Record.Note = join(t.Record.Note, why+"; somebody must look in Duvo")
	t.end(Pending)
	return true
}
