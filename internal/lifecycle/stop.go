package lifecycle

// stopAttempts are the times that a stop is sent which does not end the Job.
const stopAttempts = 4

// stopAsked takes in that somebody wants the Job stopped. It returns false if nothing
// comes of that.
func (t *turn) stopAsked(e StopAsked) bool {
	l, r := &t.Live, &t.Record
	if !l.Running && !t.o.Leases || l.Closed || r.Stopping.Asked && !r.Stopping.Done || r.Result != nil {
		return false
	}
	*r.Stopping = Stop{Asked: true, By: e.By}
	r.Note = join(r.Note, stopNote(e.By))
	t.wish()
	l.StopSent, l.StopFails = 0, 0
	return true
}

func stopNote(by string) string { return "stopping it was asked for by " + by }

// stopsFor asks for the Job to be stopped because a request of it gets no answer, if
// that is wished for. It returns true if so.
func (t *turn) stopsFor(p *Request) bool {
	r, d := &t.Record, p.Decision
	if d == nil || d.Body != nil || r.Stopping.Asked {
		return false
	}
	wish, note := t.o.StopOnDeniedQuestion, "a question was denied"
	if d.Nobody {
		wish, note = t.o.StopOnNobody, "nobody could be asked"
	}
	if !wish {
		return false
	}
	*r.Stopping, r.Note = Stop{Asked: true}, join(r.Note, note)
	t.Live.Dirty = true
	return true
}

// stop asks for the Job to be stopped, and reads what comes of it: a success
// proves nothing, and a Job that completed meanwhile has completed. busy is false
// once nothing more is to be done about it.
func (t *turn) stop() (more, busy bool) {
	l, r := &t.Live, &t.Record
	t.watch()
	switch {
	case t.pending(l.NotBefore):
		return false, true
	case l.StopSent == 0:
		return t.sendStop(), true
	case l.Read == nil || l.Read.Began.Mono < l.StopSent:
		t.wantRead(l.StopSent)
		return false, true
	}
	if l.StopFails++; l.StopFails < stopAttempts {
		l.NotBefore = t.now.Mono + t.o.backoff(l.StopFails, 0)
		l.StopSent = 0
		return true, true
	}
	r.Stopping.Done, l.Dirty = true, true
	r.Note = join(r.Note, "stopping the Job was asked for, but it has not ended")
	if r.Stopping.Then == StopExpire {
		r.Stopping.Then = StopGoOn
		t.expire()
	}
	return true, true
}

// mayStopNow reports whether a stop may be sent while the run ends: the callers
// have left or the policy has failed, and the program does not close.
func (t *turn) mayStopNow() bool {
	l := &t.Live
	return !l.Closed && t.owns() && l.StopSent == 0 && t.Record.Stage == Watching && t.Record.Stopping.Then == StopLeave
}

func (t *turn) sendStop() bool {
	l := &t.Live
	l.StopSent = t.now.Mono
	w := Window{From: t.now, To: t.now.Add(t.o.Window)}
	t.emit(StopJob{Name: t.exchange(StoppingX, ""), Window: w, Job: t.Record.Job})
	return true
}

// stopSent takes in the answer to a stop. Only reads tell what came of it.
func (t *turn) stopSent(e Sent) {
	l := &t.Live
	l.StopSent = t.now.Mono
	if e.Reply == TooLate {
		l.StopSent = 0
	}
	if e.Reply == CannotAct {
		t.Record.Stopping.Done, l.Dirty = true, true
		t.Record.Note = join(t.Record.Note, "nothing here can stop the Job")
	}
}
