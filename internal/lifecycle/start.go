package lifecycle

// start sends the start, or finds out what became of it.
func (t *turn) start() bool {
	l, r := &t.Live, &t.Record
	a := &r.Start
	switch {
	case a.Earlier:
		if more, busy := t.settleStart(); busy {
			return more
		}
	case !l.Admitted:
		return false
	case t.pending(l.NotBefore):
		return false
	}
	if r.Sandbox == "" && (r.Order.Files || t.o.CanLocate) && !a.Earlier {
		t.emit(StageFiles{Name: t.exchange(Staging, "")})
		return true
	}
	announced := t.ready(StartingX, "", a)
	r.Stage, r.Credential = Starting, l.Print
	if !announced {
		return true
	}
	w := t.window()
	if d, _ := age(a.First, t.now, t.o.Skew); t.o.StartMax > 0 && t.o.on(guardStartMax) {
		w = w.end(t.now.Add(t.o.StartMax - d))
	}
	t.emit(StartJob{Name: t.exchange(StartingX, ""), Window: t.anyTime(w), Order: r.Order, Sandbox: r.Sandbox})
	return true
}

// settleStart finds out what became of a start in doubt. busy is false once it
// may be repeated; more is what next is to return otherwise.
func (t *turn) settleStart() (more, busy bool) {
	l, r := &t.Live, &t.Record
	s := &l.Search
	if l.Elsewhere > t.now.Mono && r.Sandbox == "" {
		if t.pending(l.LoadAfter) {
			return false, true
		}
		l.LoadAfter = t.now.Mono + t.o.Pause
		t.emit(Load{Name: t.exchange(Loading, "")})
		return true, true
	}
	if t.pending(l.NotBefore) {
		return false, true
	}
	if (t.marked() || t.o.Hinted) && !s.Done {
		t.emit(Locate{Name: t.exchange(Locating, ""), Sandbox: r.Sandbox, Since: r.Start.First})
		return true, true
	}
	d, known := age(r.Start.First, t.now, t.o.Skew)
	tooOld := t.o.StartMax > 0 && t.o.on(guardStartMax) && (!known || d >= t.o.StartMax)
	if tooOld || l.NoRepeat || r.Credential != l.Print {
		t.unknown("its start was sent, and no answer told whether it took effect")
		return true, true
	}
	return false, false
}

// marked reports whether the Job of a start can be told from all others. If not, a
// search that finds nothing proves nothing.
func (t *turn) marked() bool { return t.Record.Sandbox != "" && t.o.CanLocate }

// located takes in what a search for the Job has found.
func (t *turn) located(e Located) {
	l, s := &t.Live, &t.Live.Search
	d, known := age(t.Record.Start.First, t.now, t.o.Skew)
	old := t.o.StartMax > 0 && (!known || d > t.o.StartMax)
	const lost = "its start was sent, no answer told whether it took effect, and its Job cannot be looked for"
	switch {
	case e.Failed && t.o.on(guardSearchFail):
		if s.Failing == 0 {
			s.Failing = t.now.Mono
			t.emit(Tell{Kind: NoticeTrouble, Text: "a Job cannot be looked for"})
		}
		l.Fails = min(l.Fails+1, 8)
		l.NotBefore = t.now.Mono + t.o.backoff(l.Fails, 0)
		switch {
		case !e.Odd && !old || t.now.Mono-s.Failing < t.o.OddGrace: // it proves nothing at once
		case t.marked():
			t.unknown(lost)
		default: // found or not, the key tells what is sent again
			s.Done = true
		}
	case e.Job != "":
		t.started(Sent{Job: e.Job, Created: e.Created, Build: e.Build, Status: e.Status})
	default:
		s.Failing, l.Fails = 0, 0
		s.Done = t.now.Mono >= s.Until || !t.o.on(guardSearch) || e.Failed || !t.marked()
		if !s.Done {
			l.NotBefore = t.now.Mono + t.o.Pause
		}
	}
}

// startSent takes in the answer to a start.
func (t *turn) startSent(e Sent) {
	l, r := &t.Live, &t.Record
	a := &r.Start
	switch {
	case e.Reply == OK && e.Job != "":
		t.started(e)
		return
	case e.Reply == OK, e.Reply == Doubt, e.Reply == Elsewhere:
		// Nothing is known of a start that was answered with a Job of somebody else.
		t.inDoubt(a)
		l.Search = Search{Until: t.now.Mono + t.o.settle()}
		l.NotBefore = t.now.Mono + t.o.Pause
		if e.Reply == Elsewhere {
			t.fail(CauseForeign, e.Text, true)
		}
		return
	}
	unopen(a)
	if !a.Earlier {
		r.Stage = New
	}
	if e.Reply != TooLate {
		l.Late = 0
	}
	switch e.Reply {
	case TooLate:
		if t.tooLate(&l.Late) {
			l.Dirty = true
			t.fail(CauseTooLate, e.Text, true)
		}
	case Wait:
		l.NotBefore = t.now.Mono + t.o.backoff(1, e.RetryAfter)
	case Nothing, NoAccess:
		enough := t.failedAttempt("a Job cannot be started so far", e.RetryAfter)
		if a.Earlier && e.Reply == NoAccess {
			l.NoRepeat = true
		}
		if !a.Earlier && (enough || e.Reply == NoAccess && t.attended()) {
			l.Dirty = true
			t.fail(CauseFailed, e.Text, true)
		}
	case Refusal, NotThere, CannotAct:
		if a.Earlier && t.o.on(guardRefusal) { // a refusal proves nothing about an earlier attempt
			l.NoRepeat, l.Search.Done = true, false // one more look
			return
		}
		l.Dirty = true
		r.Stage, r.Start = New, Attempt{}
		t.fail(CauseRefused, e.Text, true)
	}
}

// started takes in the Job that the start has made.
func (t *turn) started(e Sent) {
	l, r := &t.Live, &t.Record
	r.Job, r.Created, r.Build, r.Status = e.Job, e.Created, e.Build, e.Status
	r.Ours = e.Ours
	r.StartedAt, r.Start, r.Stage = t.now.Wall, Attempt{}, Watching
	l.Search, l.NotBefore, l.Fails, l.Late, l.Elsewhere, l.NoRepeat = Search{}, 0, 0, 0, 0, false
	l.Look, l.Young = t.now.Mono, true
	t.fact()
	t.emit(Tell{Kind: NoticeStarted})
}

// staged takes in the sandbox that the Job is to be started with.
func (t *turn) staged(e Staged) {
	l := &t.Live
	switch e.Failed {
	case OK:
		t.Record.Sandbox = e.Sandbox
		l.Fails = 0
	case Nothing, Wait, Doubt:
		if t.failedAttempt("files cannot be staged so far", 0) {
			t.fail(CauseFiles, "", true)
		}
	default:
		t.fail(CauseFiles, "", true)
	}
}

// claimJob claims the Job, so that no other operation of the journal works on it.
func (t *turn) claimJob() bool {
	if t.Live.Revision == 0 { // whoever meets the claim looks for the record
		t.Live.Dirty = true
		return true
	}
	if t.pending(t.Live.NotBefore) {
		return false
	}
	t.emit(Claim{Name: t.exchange(Claiming, ""), Job: t.Live.Claim})
	return true
}

// claimed takes in whose the Job or the request is.
func (t *turn) claimed(x Exchange, e Claimed) {
	l, r := &t.Live, &t.Record
	if x.Request != "" {
		t.requestClaimed(x.Request, e)
		return
	}
	switch {
	case e.Failed:
		l.Fails = min(l.Fails+1, 8)
		l.NotBefore = t.now.Mono + t.o.backoff(l.Fails, 0)
	case e.TakenBy != "" && r.Order.After == nil:
		// A person was wrong about the Job.
		l.Claim, r.Job, r.Status, r.Created, r.Build, r.StartedAt = "", "", "", 0, "", 0
		t.unknown("its Job is another operation's")
		t.fail(CauseTaken, e.TakenBy, true)
	case e.TakenBy != "" && (r.Stage != Posting || r.Latest.Attempt.Earlier) && l.Fails+1 < t.o.attempts():
		// Its message was posted, or may have been, so the turn is its own; who looks for the
		// turn at the same moment finds that and goes.
		l.Fails++
		l.NotBefore = t.now.Mono + t.o.backoff(l.Fails, 0)
	case e.TakenBy != "":
		l.Claim = ""
		if r.Stage == Posting && !r.Latest.Attempt.Earlier {
			r.Stage, *r.Latest = New, Message{}
		}
		t.fail(CauseTaken, e.TakenBy, true)
	default:
		l.Claim, l.Claimed, l.Fails = "", true, 0
	}
}
