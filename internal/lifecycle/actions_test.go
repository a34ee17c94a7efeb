package lifecycle

// each calls yield with every world that may come next. The order is always the
// same, so that a world is named by the numbers of the choices that lead to it.
func (w *world) each(yield func(label string, i int, n *world)) {
	do := func(label string, i int, f func(n *world)) {
		n := *w
		f(&n)
		n.check()
		yield(label, i, &n)
	}
	spend := func(b int, label string, i int, f func(n *world)) {
		if w.budget[b] > 0 {
			do(label, i, func(n *world) { n.budget[b]--; f(n) })
		}
	}
	for i := range max(w.scene.procs, 1) {
		p := &w.procs[i]
		if !p.alive {
			do("restarts", i, func(n *world) { n.revive(i) })
			continue
		}
		if p.x != nil {
			w.exchanges(i, do, spend)
		}
		w.reads(i, do, spend)
		w.questions(i, do, spend)
		w.people(i, do, spend)
		w.leases(i, do)
		if p.wake != 0 && p.wake <= w.now.Mono {
			do("wakes", i, func(n *world) { n.procs[i].wake = 0; n.step(i, Tick{}) })
		}
		spend(bDeaths, "dies", i, func(n *world) { n.dies(i) })
	}
	w.outside(do, spend)
	if w.mayTick() {
		do("time passes", 0, func(n *world) {
			n.now = n.now.Add(tick)
			if n.srv.status == running {
				n.hist.worked += tick
			}
		})
	}
}

type doer func(label string, i int, f func(n *world))
type spender func(b int, label string, i int, f func(n *world))

// mayTick reports whether time may pass: something waits for it, and nothing is
// due at this moment.
func (w *world) mayTick() bool {
	waits := false
	for i := range w.late {
		if e := &w.late[i]; e.on {
			if e.until <= w.now.Mono+tick {
				return false // it lands before, or never
			}
			waits = true
		}
	}
	for i := range w.procs {
		p := &w.procs[i]
		if !p.alive {
			continue
		}
		if p.wake != 0 {
			if p.wake <= w.now.Mono && !w.scene.slow {
				return false
			}
			waits = true
		}
		if _, saves := p.x.(Save); saves && w.scene.recording && w.now.Mono-p.since+tick >= w.scene.opts.Recording {
			return false
		}
		if p.x != nil {
			if !w.scene.slow || p.answer != nil && w.now.Mono-p.since >= w.scene.opts.Post {
				return false
			}
			waits = true
		}
		if p.wish || p.read != nil {
			if !w.scene.slowReads && !w.jr[p.op].failing(w) {
				return false
			}
			waits = true
		}
	}
	return waits
}

func (s *shelf) failing(w *world) bool {
	return len(w.scene.readFaults) > 0 || w.procs[0].blind && !w.srv.blind
}

// exchanges lets what is in flight go on.
func (w *world) exchanges(i int, do doer, spend spender) {
	p := &w.procs[i]
	if p.answer != nil {
		do("is answered", i, func(n *world) { n.answered(i, n.procs[i].answer) })
		return
	}
	switch x := p.x.(type) {
	case Save:
		w.saves(i, x, do, spend)
	case Load:
		do("loads", i, func(n *world) {
			sh := &n.jr[n.procs[i].op]
			n.answered(i, Loaded{x.Name, sh.record, sh.rev})
		})
	case Own:
		w.owns(i, x, do, spend)
	case StageFiles:
		do("stages", i, func(n *world) { n.answered(i, Staged{Name: x.Name, Sandbox: "box"}) })
	case Locate:
		do("looks for the Job", i, func(n *world) {
			e := Located{Name: x.Name}
			if n.srv.jobs > 0 {
				e.Job = "job"
			}
			n.answered(i, e)
		})
		if w.scene.opts.Hinted {
			do("is told of no Job", i, func(n *world) { n.answered(i, Located{Name: x.Name}) })
		}
		if w.scene.searchFaults {
			spend(bFaults, "cannot look for the Job", i, func(n *world) { n.answered(i, Located{Name: x.Name, Failed: true, Odd: true}) })
			spend(bFaults, "fails to look for the Job", i, func(n *world) { n.answered(i, Located{Name: x.Name, Failed: true}) })
		}
	case Claim:
		do("claims", i, func(n *world) { n.answered(i, Claimed{Name: x.Name, TakenBy: n.claim(i, x)}) })
	case CheckRules:
		do("asks the rules", i, func(n *world) { n.answered(i, Checked{Name: x.Name, Allowed: !n.rules}) })
	case Collect:
		do("collects", i, func(n *world) { e := n.page(i, x); e.Name = x.Name; n.answered(i, e) })
	default:
		w.sends(i, do, spend)
	}
}

// claim returns who else has claimed it.
func (w *world) claim(i int, x Claim) string {
	me := w.procs[i].op + 1
	slot := &w.claims.job
	if x.Request != "" {
		slot = &w.claims.request
	}
	k := 0
	if x.Request != "" {
		k = int(reqOf(x.Request))
	}
	if o := slot[k]; o != 0 && o != me {
		if r := w.jr[o-1].record; x.Request != "" || r == nil || r.Result == nil && !r.Parked() {
			return "other"
		}
	}
	slot[k] = me
	return ""
}

// saves lets the journal answer.
func (w *world) saves(i int, x Save, do doer, spend spender) {
	failed := func(n *world) { n.answered(i, SaveFailed{Name: x.Name}) }
	if w.full {
		do("finds the journal full", i, failed)
		return
	}
	if x.LinesOnly {
		do("writes lines", i, func(n *world) { n.answered(i, Saved{x.Name, x.Revision}) })
		if w.scene.saveFaults {
			spend(bFaults, "fails to write lines", i, failed)
		}
		return
	}
	sh := &w.jr[w.procs[i].op]
	if w.fenced(i, x) {
		do("is fenced", i, func(n *world) { n.answered(i, SaveFailed{Name: x.Name, Fenced: true}) })
		return
	}
	if sh.rev != x.Revision {
		do("meets a conflict", i, func(n *world) {
			since := n.procs[i].since
			n.answered(i, Conflict{x.Name, n.jr[n.procs[i].op].record, n.jr[n.procs[i].op].rev})
			n.procs[i].since = since // it is one recording
		})
		return
	}
	put := func(n *world) uint64 {
		sh := &n.jr[n.procs[i].op]
		sh.before, sh.revBefore = sh.record, sh.rev
		sh.record, sh.rev = x.Record, sh.rev+1
		if r := x.Record.Result; r != nil {
			n.hist.orphan[n.procs[i].op] = false
		}
		return sh.rev
	}
	do("saves", i, func(n *world) { rev := put(n); n.answered(i, Saved{x.Name, rev}) })
	if w.scene.saveFaults {
		spend(bFaults, "fails to save", i, failed)
		spend(bFaults, "saves, and the answer is lost", i, func(n *world) { put(n); failed(n) })
	}
}

// sends lets a send begin: it lands, or not, or late, and the answer tells, or
// not.
func (w *world) sends(i int, do doer, spend spender) {
	x := w.procs[i].x
	if !windowOf(x).Open(w.now) {
		do("is too late to send", i, func(n *world) { n.answered(i, Sent{Name: nameOf(x), Reply: TooLate}) })
		return
	}
	answer := func(n *world, e Sent) {
		e.Name = nameOf(x)
		n.procs[i].answer = e
	}
	do("sends", i, func(n *world) { t := n.begins(i, x); answer(n, n.land(i, x, t)) })
	if !w.scene.sendFaults {
		return
	}
	spend(bFaults, "sends, and the answer is lost", i, func(n *world) { t := n.begins(i, x); n.land(i, x, t); answer(n, Sent{Reply: Doubt, Local: true}) })
	spend(bFaults, "sends in vain, and the answer is lost", i, func(n *world) { n.begins(i, x); answer(n, Sent{Reply: Doubt, Local: true}) })
	spend(bFaults, "cannot send", i, func(n *world) { answer(n, Sent{Reply: Nothing, RetryAfter: n.scene.retryAfter}) })
	if w.scene.refusals {
		spend(bFaults, "is refused", i, func(n *world) { answer(n, Sent{Reply: Refusal}) })
	}
	if _, stop := x.(StopJob); w.scene.late && !stop {
		spend(bFaults, "sends, and it lands late", i, func(n *world) {
			t := n.begins(i, x)
			n.later(i, x, t, w.scene.opts.Post+w.scene.opts.Settle)
			answer(n, Sent{Reply: Doubt, Local: true})
		})
		spend(bFaults, "sends, the answer tells nothing, and it lands late", i, func(n *world) {
			t := n.begins(i, x)
			n.later(i, x, t, w.scene.opts.Settle)
			answer(n, Sent{Reply: Doubt})
		})
	}
}

func windowOf(x Effect) Window {
	switch x := x.(type) {
	case StartJob:
		return x.Window
	case Respond:
		return x.Window
	case Post:
		return x.Window
	case StopJob:
		return x.Window
	}
	panic("no send")
}

func nameOf(x Effect) uint64 {
	switch x := x.(type) {
	case StartJob:
		return x.Name
	case Respond:
		return x.Name
	case Post:
		return x.Name
	case StopJob:
		return x.Name
	}
	panic("no send")
}

// answered gives a process the answer to its exchange.
func (w *world) answered(i int, e Event) {
	w.procs[i].x, w.procs[i].answer = nil, nil
	w.step(i, e)
}
