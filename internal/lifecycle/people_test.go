package lifecycle

import (
	"slices"

	"github.com/duvotool/duvotool/hitl"
)

// reads lets a Job be read.
func (w *world) reads(i int, do doer, spend spender) {
	p := &w.procs[i]
	if p.read != nil {
		do("is told what was read", i, func(n *world) { r := n.procs[i].read; n.procs[i].read = nil; n.shown(i, r) })
		return
	}
	if p.watching {
		w.rows(i, spend)
	}
	if !p.watching || !p.wish && p.seen == w.look() {
		return
	}
	if p.blind && !w.srv.blind {
		do("may not see the Job", i, func(n *world) { n.shown(i, &Read{Began: n.now, Failed: Missing}) })
		return
	}
	if w.scene.slowReads {
		do("begins to read", i, func(n *world) { n.procs[i].read = n.show(); n.procs[i].seen = n.look() })
	} else {
		do("reads", i, func(n *world) { n.procs[i].seen = n.look(); n.shown(i, n.show()) })
	}
	for _, c := range w.scene.readFaults {
		spend(bFaults, "reads "+string(c), i, func(n *world) { n.shown(i, &Read{Began: n.now, Failed: c}) })
	}
}

// rows lets a list tell of the Job.
func (w *world) rows(i int, spend spender) {
	p := &w.procs[i]
	if w.srv.status != none && w.scene.listed > 0 {
		if w.scene.follow {
			spend(bListed, "is shown an old row", i, func(n *world) {
				n.step(i, Listed{Began: n.now, Status: "completed", End: Completed, Updated: 1})
			})
		}
		if r := p.st.Live.Read; r != nil && r.Human && w.srv.status == waiting {
			spend(bListed, "is shown a wrong row", i, func(n *world) {
				n.step(i, Listed{Began: n.now, Status: "completed", End: Completed, Updated: Time(n.srv.updated) + 1})
			})
		}
	}
}

func (w *world) shown(i int, r *Read) {
	if r.Failed == "" {
		w.procs[i].wish = false
	}
	w.step(i, *r)
}

// questions lets policies answer.
func (w *world) questions(i int, do doer, spend spender) {
	for k := range w.procs[i].asks {
		a := w.procs[i].asks[k]
		if !a.on {
			continue
		}
		give := func(label string, v Verdict) {
			do(label, i, func(n *world) {
				n.procs[i].asks[k] = asked{}
				n.step(i, Answered{Request: ids(a.req), Digest: digests(a.req, a.ver), Turn: a.turn, Decision: n.decision(i, a.req, a.ver, v)})
			})
		}
		if !w.rules {
			give("approves", Approved)
		}
		if w.scene.deny || w.rules {
			give("denies", Denied)
		}
		if w.scene.suspend {
			give("puts off", Suspended)
		}
		if w.scene.leftAlone {
			give("leaves it to others", LeftAlone)
		}
		if w.scene.policyFails {
			do("fails to decide", i, func(n *world) {
				n.procs[i].asks[k] = asked{}
				n.step(i, Answered{Request: ids(a.req), Digest: digests(a.req, a.ver), Turn: a.turn, Error: "broken"})
			})
		}
	}
	if !w.scene.suspend || w.procs[i].st == nil {
		return
	}
	for _, a := range w.procs[i].st.Live.Asks {
		p := w.procs[i].st.Record.Request(a.ID)
		if a.Suspended && p != nil {
			do("decides later", i, func(n *world) {
				req, ver := reqOf(p.ID), verOf(p.Digest)
				n.procs[i].deciders++
				n.procs[i].detached = n.procs[i].detached || n.scene.opts.Leases
				n.step(i, Decide{Request: p.ID, Digest: p.Digest, Decision: n.decision(i, req, ver, Approved), Reply: "who"})
			})
		}
	}
}

// decision is what somebody decides about a text.
func (w *world) decision(i int, req, ver int8, v Verdict) *Decision {
	bit, letter := uint8(1), "a"
	if v == Denied {
		bit, letter = 2, "d"
	}
	if v == Approved || v == Denied {
		w.hist.decided[req][ver] |= bit
		w.hist.decideAt[req][ver] = w.really()
	}
	op := string(rune('0' + w.procs[i].op))
	if v == Denied && w.scene.question {
		return &Decision{Verdict: v, Nobody: w.scene.nobody, Why: "nothing answers it"}
	}
	return &Decision{Verdict: v, Given: hitl.Decision{Reason: "because"}, Body: []byte(`"` + digests(req, ver) + letter + op + `"`), Key: digests(req, ver)}
}

// people lets callers come and go.
func (w *world) people(i int, do doer, spend spender) {
	p := &w.procs[i]
	spend(bCalls, "is called", i, func(n *world) {
		p := &n.procs[i]
		if p.st == nil {
			n.load(i)
		}
		p.callers++
		n.hist.orphan[p.op] = false
		n.step(i, Called{Caller: 1, Order: n.order(p.op)})
	})
	if p.callers > 0 {
		spend(bLeaves, "is left", i, func(n *world) { n.procs[i].callers--; n.step(i, Left{Caller: 1}) })
		spend(bBudgets, "has waited long enough", i, func(n *world) { n.step(i, BudgetOver{Caller: 1}) })
		spend(bStops, "is asked to stop", i, func(n *world) { n.step(i, StopAsked{By: "who"}) })
	}
	if p.st != nil && !p.closed {
		spend(bCloses, "closes", i, func(n *world) { n.closes(i) })
		if w.scene.drains && !p.drains {
			spend(bCloses, "drains", i, func(n *world) { n.procs[i].drains = true; n.step(i, Closed{Draining: true}) })
		}
	}
	if r := w.jr[p.op].record; p.st != nil && r != nil && r.Barred() && w.srv.jobs == 0 && !w.late[0].on && !w.late[1].on && !w.late[2].on {
		spend(bReconciles, "is told by a person that there is no Job", i, func(n *world) {
			n.procs[i].detached = true
			n.hist.told[n.procs[i].op] = ""
			n.step(i, Reconciled{By: "who"})
		})
	}
	if r := w.jr[p.op].record; p.st != nil && r != nil && r.Barred() && w.srv.jobs > 0 {
		spend(bReconciles, "is told its Job by a person", i, func(n *world) {
			n.procs[i].detached = true
			n.hist.told[n.procs[i].op] = ""
			n.step(i, Reconciled{Job: "job", By: "who"})
		})
	}
}

// closes lets a process send nothing more. Whoever is to know of what it was at finds
// it in the journal.
func (w *world) closes(i int) {
	p := &w.procs[i]
	l, r := &p.st.Live, &p.st.Record
	inFlight := r.Job != "" || r.Start.Earlier || l.Detached
	if l.End == nil && inFlight && w.recorded(i) {
		w.hist.orphan[p.op] = true
	}
	p.closed = true
	w.step(i, Closed{})
}

// recorded reports whether the journal tells that a process works on what somebody
// waits for.
func (w *world) recorded(i int) bool {
	p := &w.procs[i]
	durable := p.st != nil && !p.st.Live.Options.Forgets && p.st.Live.Revision > 0 && !p.st.Live.Dirty && slices.Contains(p.st.Record.Holders, p.st.Live.Replica)
	return durable && (p.callers > 0 || p.detached) && w.jr[p.op].record.Result == nil
}

// dies ends a process. What it has begun to send goes on.
func (w *world) dies(i int) {
	p := &w.procs[i]
	if w.recorded(i) && !p.closed {
		w.hist.orphan[p.op] = true
	}
	*p = proc{op: p.op, lives: p.lives}
	w.rules = w.rules || w.scene.rulesChange
}

// outside lets the server and everybody else act.
func (w *world) outside(do doer, spend spender) {
	if w.srv.status == running {
		do("the Job moves", 0, func(n *world) { n.moves() })
	}
	for j := range w.late {
		if w.late[j].on {
			do("a late effect lands", j, func(n *world) { n.landLate(j) })
			do("a late effect is lost", j, func(n *world) { n.late[j] = lateEffect{} })
		}
	}
	if w.srv.status == waiting {
		if w.srv.ver[w.srv.req] < 2 {
			spend(bEdits, "somebody edits the request", 0, func(n *world) { n.srv.ver[n.srv.req]++; n.touch() })
		}
		spend(bOutsiders, "somebody answers in Duvo", 0, func(n *world) { n.srv.status = running; n.srv.req++; n.touch() })
	}
	if w.srv.status == completed && w.scene.follow {
		spend(bOutsiders, "somebody posts a message in Duvo", 0, func(n *world) { n.srv.status = running; n.hist.resumed = true; n.touch() })
	}
	if w.full {
		do("the journal has room", 0, func(n *world) { n.full = false })
	} else {
		spend(bFills, "the journal is full", 0, func(n *world) { n.full = true })
	}
	for k := range w.jr {
		if w.jr[k].before != nil {
			spend(bRestores, "the journal is restored", k, func(n *world) {
				sh := &n.jr[k]
				sh.record, sh.rev, sh.before = sh.before, sh.revBefore, nil
				n.hist.restored = true
			})
		}
	}
	spend(bJumps, "the wall clock goes back", 0, func(n *world) { n.now.Wall -= 5 })
	spend(bJumps, "the machine sleeps", 0, func(n *world) { n.now.Wall += 5; n.hist.touched -= 5; n.hist.slept += 5 })
}
