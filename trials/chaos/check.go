package main

import (
	"maps"
	"slices"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/outcome"
)

// evidence is all that is known of a run, from three sides: what the emulator saw,
// what callers and policies wrote down, and what the journals hold.
type evidence struct {
	seed      uint64
	jobs      int // operation keys; zero: those that are found
	saw       saw
	outcomes  []delivered
	decisions []decided
	events    []happened
	audited   []audit.Record
	badAudits []string  // what is wrong with the audit's files
	troubles  []trouble // what the harness did to replicas

	journaled  map[string]*outcome.Result // by operation
	unreadable map[string]error           // operations of which no journal has a result
	unfinished []string                   // records of operations that the journals hold as not done
	listed     map[string]bool            // operations that a registry on the journals lists at the end

	at   map[string]time.Time // when the outcomes of a soak were delivered
	last time.Time            // when the last of them was
}

// keys lists the operation keys of the run.
func (e *evidence) keys() []string {
	if e.jobs > 0 {
		out := make([]string, e.jobs)
		for n := range out {
			out[n] = keyName(n)
		}
		return out
	}
	found := map[string]bool{}
	for _, j := range e.saw.Jobs {
		found[j.Input] = true
	}
	for _, o := range e.outcomes {
		found[keyOf(o.Key)] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// forgotten reports whether the journals of a soak may hold no result of a key any
// more, since it was delivered a while before the last.
func (e *evidence) forgotten(key string) bool {
	if e.jobs > 0 {
		return false
	}
	if e.at == nil {
		e.at = map[string]time.Time{}
		for _, o := range e.outcomes {
			e.at[o.Key], e.last = o.At, later(e.last, o.At)
		}
	}
	at, ok := e.at[key]
	return ok && e.last.Sub(at) > soakRetention/2
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// An ending is how a Job ended what it was told.
type ending struct {
	jobID string
	turnSeen
}

// check holds all sides against each other.
func (e *evidence) check() report {
	rep := report{Requests: e.saw.Requests, Kinds: e.saw.Faults, Hooks: e.saw.Hooks, Drawn: map[string]int{}}
	maps.Copy(rep.Drawn, e.saw.Drawn)
	for _, n := range e.saw.Faults {
		rep.Faults += n
	}
	jobs, endings := map[string][]jobSeen{}, map[string][]ending{}
	for _, j := range e.saw.Jobs {
		jobs[j.Input] = append(jobs[j.Input], j)
		for _, t := range j.Turns {
			endings[t.Said] = append(endings[t.Said], ending{j.ID, t})
		}
	}
	outcomes := map[string][]delivered{}
	for _, o := range e.outcomes {
		outcomes[o.Key] = append(outcomes[o.Key], o)
	}
	decisions := map[string][]decided{} // by request
	for _, d := range e.decisions {
		decisions[d.RequestID] = append(decisions[d.RequestID], d)
	}
	heard := e.checkEvents(&rep)
	for _, key := range e.keys() {
		rep.Jobs++
		for i, t := range planOf(e.seed, key).Turns {
			if i == 0 || heard.followUps[t.Name] {
				e.checkOperation(&rep, t.Name, endings[t.Name], outcomes[t.Name])
				delete(endings, t.Name)
			}
		}
		for _, j := range jobs[key] {
			e.checkRequests(&rep, key, j, decisions)
			e.checkStop(&rep, key, j, heard)
		}
	}
	for _, said := range slices.Sorted(maps.Keys(endings)) {
		rep.problem(&rep.Doubled, "a Job was told %q, which nobody asked for", said)
	}
	e.checkPosts(&rep, heard)
	e.checkAsked(&rep)
	e.checkVanished(&rep, outcomes)
	e.checkUnfinished(&rep, outcomes)
	return rep
}

// checkUnfinished checks what the journals hold as not done: it is listed, and it is
// unknown, or a follow-up that was refused, of which nothing is to come.
func (e *evidence) checkUnfinished(rep *report, outcomes map[string][]delivered) {
	if n := len(e.unfinished); n != len(e.listed) {
		rep.problem(&rep.Silent, "the journals hold %d operations that are not done; a registry lists %d of them", n, len(e.listed))
	}
	for _, name := range slices.Sorted(maps.Keys(e.listed)) {
		if o := outcomes[name]; len(o) > 0 && o[0].Refused == "" && o[0].Outcome != outcome.OutcomeUnknown {
			rep.problem(&rep.Lost, "%s: its journal holds it as not done", name)
		}
	}
}

// checkOperation checks that what was to be said once was said once, and that what
// came of it was delivered.
func (e *evidence) checkOperation(rep *report, name string, endings []ending, outcomes []delivered) {
	if len(outcomes) == 0 {
		rep.problem(&rep.Lost, "%s: no outcome was delivered", name)
		if !e.listed[name] {
			rep.problem(&rep.Silent, "%s: it was asked for, has no outcome and is not listed", name)
		}
	}
	if len(outcomes) > 1 && !planOf(e.seed, keyOf(name)).Twice || len(outcomes) > 2 {
		rep.Redelivered++
	}
	unknown, refused := false, false
	for _, o := range outcomes {
		if !o.same(outcomes[0]) {
			rep.problem(&rep.Lost, "%s: two callers were told different outcomes, %s of Job %s and %s of Job %s", name, outcomes[0].Outcome, outcomes[0].JobID, o.Outcome, o.JobID)
			break
		}
	}
	for _, o := range outcomes {
		unknown, refused = unknown || o.Outcome == outcome.OutcomeUnknown, refused || o.Refused != ""
		if o.Wrong != "" {
			rep.problem(&rep.Lost, "%s: %s", name, o.Wrong)
		}
	}
	switch {
	case refused && len(endings) > 0:
		rep.problem(&rep.Lost, "%s: it was told as not said, and the Job heard it", name)
		return
	case refused:
		return
	}
	e.checkJournal(rep, name, outcomes)
	switch {
	case unknown:
		rep.Unknown++ // whatever became of it, it was reported
		if !e.listed[name] {
			rep.problem(&rep.Silent, "%s: its outcome is unknown, and it is not listed", name)
		}
		return
	case len(endings) == 0:
		rep.problem(&rep.Lost, "%s: no Job was told it", name)
		return
	case len(endings) > 1:
		rep.problem(&rep.Doubled, "%s: Jobs were told it %d times", name, len(endings))
		return
	case len(outcomes) == 0:
		return
	}
	j, o := endings[0], outcomes[0]
	if string(o.Outcome) != string(j.Status) || o.JobID != j.jobID || o.Output != j.Last {
		rep.problem(&rep.Lost, "%s: a caller was told that Job %s is %s: %q; Job %s is %s: %q", name, o.JobID, o.Outcome, o.Output, j.jobID, j.Status, j.Last)
	}
}

// checkJournal checks that the journal holds what was delivered.
func (e *evidence) checkJournal(rep *report, name string, outcomes []delivered) {
	res := e.journaled[name]
	switch {
	case res == nil && e.forgotten(name): // as a soak's worker asks for
	case res == nil:
		rep.problem(&rep.Lost, "%s: its journal has no result: %v", name, e.unreadable[name])
	case len(outcomes) > 0 && !outcomes[0].same(delivered{Outcome: res.Outcome, JobID: res.JobID, Output: res.Output}):
		rep.problem(&rep.Lost, "%s: its journal tells %s of Job %s, the caller was told %s of Job %s", name, res.Outcome, res.JobID, outcomes[0].Outcome, outcomes[0].JobID)
	}
}
