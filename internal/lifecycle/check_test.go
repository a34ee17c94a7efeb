package lifecycle

import (
	"strings"
	"time"
)

// begins notes that a send begins. It returns whether others have touched just
// before what it is about.
func (w *world) begins(i int, x Effect) (touched bool) {
	touched = w.now.Mono-w.hist.touched <= w.scene.opts.Stale
	w.maySend(i)
	r, ok := x.(Respond)
	if !ok {
		return touched
	}
	body := strings.Trim(string(r.Body), `"`)
	req, ver := reqOf(body), verOf(body)
	bit := uint8(1)
	if body[4] == 'd' {
		bit = 2
	}
	if w.hist.decided[req][ver]&bit == 0 {
		w.fail("(1) sent %s, which nobody has decided", body)
	}
	if bit == 2 && w.scene.question {
		w.fail("(2) the denial of a question was sent")
	}
	if o := &w.scene.opts; o.DecisionMax > 0 && w.really()-w.hist.decideAt[req][ver] > o.DecisionMax+o.Window+o.Stale {
		w.fail("(3) an old decision was sent")
	}
	if bit == 1 && w.rules {
		w.fail("(1) sent an approval that a rule denies now")
	}
	if b := w.hist.bodies[req]; b != "" && b != body {
		w.fail("(5) two decisions about one request: %s, %s", b, body)
	}
	w.hist.bodies[req] = body
	return touched
}

// mayAsk checks that a send was asked for while somebody wanted it.
func (w *world) mayAsk(i int, x Effect) {
	p := &w.procs[i]
	if _, stop := x.(StopJob); stop {
		return
	}
	w.mayWork(i)
	if p.closed {
		w.fail("(11) a send after Close")
	}
	_, start := x.(StartJob)
	if _, post := x.(Post); p.drains && (start || post && p.st.Record.Message().Kind == FollowUpMessage) {
		w.fail("(11) a start while it drains")
	}
	if p.callers == 0 && !p.detached {
		w.fail("(7) a send without callers")
	}
}

// finished checks what callers are told of the end.
func (w *world) finished(i int, f Finish) {
	p := &w.procs[i]
	if rec := w.jr[p.op].record; f.Recorded && (rec == nil || rec.Result == nil) && !w.hist.restored {
		w.fail("told as recorded, and it is not")
	}
	r := p.st.Record.Result
	if was := w.hist.told[p.op]; was != "" && was != r.Outcome {
		w.fail("told %s, and now %s", was, r.Outcome)
	}
	w.hist.told[p.op] = r.Outcome
	switch r.Outcome {
	case Completed:
		if w.srv.status != completed && !w.hist.resumed {
			w.fail("told completed, and the Job is %s", statusNames[w.srv.status])
		}
	case Stopped:
		if w.srv.status != stopped {
			w.fail("told stopped, and the Job is %s", statusNames[w.srv.status])
		}
	case Gone:
		w.fail("told gone, and the Job is there")
	}
}

// callsEnded checks how callers are told that the Job stands.
func (w *world) callsEnded(i int, f EndCalls) {
	if r := w.procs[i].st.Record.Result; r != nil {
		w.fail("told %s, and it has ended", f.Outcome)
	}
	switch f.Outcome {
	case Expired:
		if w.hist.worked+w.scene.opts.Stale < w.scene.opts.JobTimeout {
			w.fail("told expired after %d", w.hist.worked)
		}
		w.hist.worked = 0
	case Pending:
	default:
		w.fail("calls end as %s", f.Outcome)
	}
}

// released checks why callers get no result.
func (w *world) released(i int, f Release) {
	p := &w.procs[i]
	if p.detached && f.Callers == nil && f.Cause == CauseFailed && !w.scene.refusals {
		w.fail("(12) what was accepted is given up")
	}
	switch f.Cause {
	case CauseGivenUp:
		w.fail("given up because of reads that fail")
	case CauseJournal:
		if w.srv.jobs > 0 && !w.scene.follow && p.st.Record.Job != "" {
			w.fail("given up because the journal fails")
		}
	case CauseRefused, CauseFailed, CauseBusy, CauseTooLate:
		if w.hist.posts[p.op] > 0 {
			w.fail("(4) told that nothing was said, and it was")
		}
		if r := &p.st.Record; w.srv.jobs > 0 && !w.scene.follow && r.Job == "" && r.Start == (Attempt{}) && r.Result == nil {
			w.fail("(4) told that nothing was started, and there is a Job")
		}
	case CauseFenced, CauseKeyReused:
		w.fail("released: %s", f.Cause)
	}
}

// check holds a world against what must always be so.
func (w *world) check() {
	for i := range w.procs {
		w.checkAlive(i)
	}
	for k := range w.jr {
		w.checkRecord(k)
	}
}

// checkAlive checks that nobody waits for what will never come.
func (w *world) checkAlive(i int) {
	p := &w.procs[i]
	if !p.alive || p.st == nil {
		return
	}
	l := &p.st.Live
	if (p.callers > 0 || p.detached) && p.x == nil && p.wake == 0 && !p.watching && !l.Closed {
		w.fail("somebody waits, and nothing will happen")
	}
	if l.Draining && l.Running && !l.Closed && p.x == nil && l.Read != nil && l.Read.Human {
		for i := range l.Asks {
			if a := &l.Asks[i]; a.Suspended && l.Read.Pending != nil && l.Read.Pending.ID == a.ID {
				w.fail("(11) it drains, and waits for a person")
			}
		}
	}
	if p.deciders > 0 && !l.Running {
		w.fail("nobody tells who decided what came of it")
	}
	if p.wake > w.now.Mono+50 {
		w.fail("nothing will happen for %v", p.wake-w.now.Mono)
	}
	if l.Running != (p.callers > 0 || p.detached || len(l.Over) > 0) && p.x == nil && !l.Informed {
		w.fail("running is %v with %d callers", l.Running, p.callers)
	}
}

// checkRecord holds the journal against the server.
func (w *world) checkRecord(k int) {
	r := w.jr[k].record
	if r == nil {
		return
	}
	if w.hist.orphan[k] && r.Parked() && r.Result == nil && !w.worked(int8(k)) {
		w.fail("nobody takes up what somebody waited for")
	}
	if r.Job != "" && w.srv.jobs == 0 {
		w.fail("a Job is recorded that there is not")
	}
	for i := range r.Requests {
		p := &r.Requests[i]
		req := reqOf(p.ID)
		switch p.Delivery {
		case Accepted:
			if w.hist.ours[req] == 0 {
				w.fail("a false story: accepted")
			}
		case Superseded, Refused:
			// A journal that was put back does not tell what another process has sent.
			forgot := w.hist.restored && w.scene.procs > 1
			if !forgot && w.hist.ours[req] > 0 && w.hist.bodies[req] != "" && w.hist.bodies[req][5] == byte('0'+k) && p.Digest == w.hist.bodies[req][:4] {
				w.fail("a false story: %s, and it was taken", p.Delivery)
			}
		}
	}
}

// worked reports whether some process works on an operation.
func (w *world) worked(op int8) bool {
	for i := range w.procs {
		if p := &w.procs[i]; p.alive && p.op == op && p.st != nil && p.st.Live.Running {
			return true
		}
	}
	return false
}

func clampAge(now, t, horizon time.Duration) time.Duration {
	if t == 0 {
		return -1000
	}
	return max(min(now-t, horizon), -horizon)
}
