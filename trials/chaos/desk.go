package main

import (
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// People of replicas: each sits at a replica that is drawn for what they have to do, and
// does it by what that replica lists, whoever owns the Job.

// replicasOf tells on which replicas a key is called: one, or two at once.
func replicasOf(p plan, replicas int) []int {
	n := uint64(replicas)
	first := p.Place % n
	if !p.Both || n == 1 {
		return []int{int(first)}
	}
	return []int{int(first), int((first + 1 + p.Place>>32%(n-1)) % n)}
}

// seat tells at which replica somebody sits who does something.
func seat(what string, who string, replicas int) int {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, who, "\n", what)
	return int(h.Sum64() % uint64(replicas))
}

// A desk is who sits at a replica, while a registry lives.
type desk struct {
	life *life

	mu   sync.Mutex
	busy map[string]bool // what somebody is at, or has done
}

// sit lets people look at the registry's lists until it is closed.
func (l *life) sit() {
	d := &desk{life: l, busy: map[string]bool{}}
	for sleepUntil(l.over, 50*time.Millisecond) {
		d.lookAtPending()
		d.lookAtJobs()
	}
}

// take takes something up, unless somebody has.
func (d *desk) take(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[what] {
		return false
	}
	d.busy[what] = true
	return true
}

func (d *desk) leave(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, what)
}

// lookAtPending calls the people who sit here to what was put off. Who is told that the
// decision does not count looks again, and decides again if it is listed still.
func (d *desk) lookAtPending() {
	w := d.life.w
	for _, req := range d.life.reg.Pending() {
		a, err := planOf(w.c.Seed, keyOf(req.Key)).asked(req.Title)
		if err != nil || a.Mode != asksOperators {
			continue
		}
		for i := range 2 {
			by := fmt.Sprint("operator ", i+1)
			what := by + " " + req.ID + " " + req.Digest()
			if seat(a.Title, by, w.c.Workers) == w.c.Worker && d.take(what) {
				w.people.Go(func() { w.operate(d.life, by, req, a, func() { d.leave(what) }) })
			}
		}
	}
}

// lookAtJobs calls who sits here to Jobs that are to be stopped.
func (d *desk) lookAtJobs() {
	w := d.life.w
	for _, i := range d.life.reg.Jobs() {
		p := planOf(w.c.Seed, keyOf(i.Key))
		if p.StopAfter > 0 && i.JobID != "" && seat(i.Key, "somebody", w.c.Workers) == w.c.Worker && d.take("stop "+i.Key) {
			w.people.Go(func() { w.stop(d.life, i.Key, i.JobID, p.StopAfter) })
		}
	}
}
