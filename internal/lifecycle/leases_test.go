package lifecycle

// owns lets the journal answer who asks for a lease.
func (w *world) owns(i int, x Own, do doer, spend spender) {
	sh, me := &w.jr[w.procs[i].op], w.me(i)
	if w.full {
		do("finds the journal full", i, func(n *world) { n.answered(i, Owned{Name: x.Name, Failed: true}) })
		return
	}
	answer := func(n *world, term uint64) {
		sh := &n.jr[n.procs[i].op]
		n.answered(i, Owned{Name: x.Name, Term: term, Record: sh.record, Revision: sh.rev})
	}
	take := func(n *world) {
		sh := &n.jr[n.procs[i].op]
		sh.owner, sh.term, sh.took = me, sh.term+1, sh.rev
		answer(n, sh.term)
	}
	switch {
	case sh.owner == me:
		do("has the lease", i, func(n *world) { answer(n, sh.term) })
	case sh.owner == "" || !w.lives(sh.owner):
		do("takes the lease", i, take)
	default:
		do("follows", i, func(n *world) { answer(n, 0) })
		spend(bLapses, "takes a lease that has run out", i, take)
	}
	if w.scene.saveFaults {
		spend(bFaults, "fails to ask for the lease", i, func(n *world) { n.answered(i, Owned{Name: x.Name, Failed: true}) })
	}
}

// me is the name of a process.
func (w *world) me(i int) string { return replica(i, w.procs[i].lives) }

func (w *world) lives(name string) bool {
	for i := range w.procs {
		if w.procs[i].alive && w.me(i) == name {
			return true
		}
	}
	return false
}

// disowns gives a lease back.
func (w *world) disowns(i int) {
	if sh := &w.jr[w.procs[i].op]; sh.owner == w.me(i) {
		sh.owner = ""
	}
}

// fenced reports whether a record is put under a lease that another process has taken.
func (w *world) fenced(i int, x Save) bool {
	sh := &w.jr[w.procs[i].op]
	return w.scene.opts.on(guardFence) && x.Record.Term != 0 && (sh.owner != w.me(i) || sh.term != x.Record.Term)
}

// leases lets a process learn what others have done.
func (w *world) leases(i int, do doer) {
	p := &w.procs[i]
	if !w.scene.opts.Leases || p.st == nil {
		return
	}
	sh, l := &w.jr[p.op], &p.st.Live
	if l.Lease > 0 && sh.owner != w.me(i) {
		do("learns that its lease is lost", i, func(n *world) { n.step(i, Lapsed{}) })
	}
	if sh.record != nil && sh.rev > l.Revision && !l.Behind && l.OwnAfter != w.now.Mono {
		do("is told of another record", i, func(n *world) {
			sh := &n.jr[n.procs[i].op]
			n.step(i, PutElsewhere{Record: sh.record, Revision: sh.rev})
		})
	}
	free := sh.owner == "" || !w.lives(sh.owner)
	if r := sh.record; free && !l.Running && !l.Closed && r != nil && r.Result == nil && !r.Parked() {
		do("takes over", i, func(n *world) { n.procs[i].detached = true; n.step(i, Resumed{}) })
	}
}

// mayWork checks that only the owner asks and sends, as far as it knows that it is.
func (w *world) mayWork(i int) {
	p := &w.procs[i]
	if sh := &w.jr[p.op]; w.scene.opts.Leases && p.st.Live.Lease == 0 && sh.owner != w.me(i) {
		w.fail("(5) it works without the lease")
	}
}

// maySend checks that what is sent was announced before another process took the lease:
// that one waits only for such.
func (w *world) maySend(i int) {
	p := &w.procs[i]
	if sh := &w.jr[p.op]; w.scene.opts.Leases && sh.owner != "" && sh.owner != w.me(i) && p.st.Live.Revision > sh.took {
		w.fail("(5) it sends what was announced under a lease that another has")
	}
}

func leased(f func(*Options)) Options {
	return with(func(o *Options) {
		o.Leases, o.Follow = true, 2
		if f != nil {
			f(o)
		}
	})
}

// leaseScenes are about operations that have owners.
func leaseScenes() []*scene {
	return []*scene{
		{name: "leases: a start, a fault, one runs out", opts: leased(nil), procs: 2, calls: 2, lapses: 1, faults: 1, sendFaults: true, saveFaults: true, late: true, keys: true},
		{name: "leases: a marked start, keys ignored, one runs out", opts: leased(marked), procs: 2, calls: 2, lapses: 1},
		{name: "leases: a request, one runs out, lax server", opts: leased(nil), began: true, procs: 2, requests: 1, lapses: 1},
		{name: "leases: who follows decides, a death", opts: leased(nil), began: true, procs: 2, requests: 1, suspend: true, deaths: 1, keys: true},
		{name: "leases: two decide, one runs out", opts: leased(nil), began: true, procs: 2, requests: 1, suspend: true, lapses: 1, keys: true},
		{name: "leases: a leave, a death", opts: leased(nil), began: true, procs: 2, requests: 1, leaves: 1, deaths: 1, keys: true},
		{name: "leases: a request, a leave, a stop", opts: leased(nil), began: true, procs: 2, requests: 1, leaves: 1, stops: 1, keys: true},
		{name: "leases: Close hands over", opts: leased(nil), procs: 2, requests: 1, calls: 2, closes: 1, keys: true},
	}
}

// deepLeaseScenes are larger ones.
func deepLeaseScenes() []*scene {
	return []*scene{
		{name: "deep: leases, a request, an edit, lax server", opts: leased(nil), began: true, procs: 2, requests: 1, lapses: 1, edits: 1},
		{name: "deep: leases, a marked start, keys ignored, a slow driver", opts: leased(marked), procs: 2, calls: 2, lapses: 1, slow: true},
		{name: "deep: leases, a request, late effects, lax server", opts: leased(nil), began: true, procs: 2, requests: 1, lapses: 1, faults: 1, sendFaults: true, late: true},
		{name: "deep: leases, two decide, one runs out, a fault", opts: leased(nil), began: true, procs: 2, requests: 1, suspend: true, lapses: 1, faults: 1, saveFaults: true, keys: true},
		{name: "deep: leases, leaves, deaths, a stop", opts: leased(nil), began: true, procs: 2, requests: 1, leaves: 1, deaths: 1, stops: 1, keys: true},
		{name: "deep: leases, a follow-up in doubt", opts: leased(nil), procs: 2, follow: true, calls: 2, lapses: 1, faults: 1, sendFaults: true, late: true},
		{name: "deep: leases, two requests, one runs out", opts: leased(nil), began: true, procs: 2, requests: 2, lapses: 1, keys: true},
		{name: "deep: leases, a request, two run out, an edit", opts: leased(nil), began: true, procs: 2, requests: 1, lapses: 2, edits: 1, keys: true},
	}
}
