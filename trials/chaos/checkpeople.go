package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// entries are the decisions that the journals hold about a Job, by all operations
// that were at it; whole is false where the result of one is missing.
func (e *evidence) entries(key, jobID string) (all []hitl.DecisionEntry, whole bool) {
	first := e.journaled[key]
	if first == nil || first.JobID != jobID {
		return nil, false
	}
	whole = true
	for _, t := range planOf(e.seed, key).Turns {
		if res := e.journaled[t.Name]; res != nil && res.JobID == jobID {
			all = append(all, res.Decisions...)
		} else if res == nil && e.wasAsked(t.Name) {
			whole = false
		}
	}
	return all, whole
}

func (e *evidence) wasAsked(name string) bool {
	return slices.ContainsFunc(e.outcomes, func(o delivered) bool { return o.Key == name && o.Refused == "" })
}

// checkRequests checks that what was answered by us was decided before, once, and
// that the journal tells so.
func (e *evidence) checkRequests(rep *report, key string, j jobSeen, decisions map[string][]decided) {
	entries, ours := e.entries(key, j.ID)
	for i, q := range j.Requests {
		rep.Asked++
		name := fmt.Sprintf("%s, request %q", key, q.Title)
		if q.Bypassed {
			rep.problem(&rep.Unauthorised, "%s: a message walked past it", name)
			continue
		}
		reached := 0
		var entry hitl.DecisionEntry
		for _, d := range entries {
			if d.RequestID == q.ID && (d.Delivery == hitl.Accepted || d.Delivery == hitl.Unconfirmed || d.Delivery == hitl.Sent) {
				reached++
				entry = d
			}
		}
		if reached > 1 {
			rep.problem(&rep.Doubled, "%s: the journal has %d decisions that were sent", name, reached)
		}
		switch r := q.Response; {
		case r == nil && j.Status == duvo.StatusStopped && i == len(j.Requests)-1:
		case r == nil && j.Status.Terminal():
			rep.problem(&rep.Lost, "%s: its Job ended without an answer", name)
		case r == nil && !e.isListed(key):
			rep.problem(&rep.Silent, "%s: it waits, and no registry lists it", name)
		case r == nil:
		case r.Elsewhere:
			rep.Elsewhere++
			if reached > 0 && entry.Delivery == hitl.Accepted {
				rep.problem(&rep.Unauthorised, "%s: the inbox answered it, and the journal says that we did", name)
			}
		default:
			rep.Answered++
			e.checkResponse(rep, name, q, decisions[q.ID], entry, reached > 0, ours)
		}
	}
}

// isListed reports whether an operation at the Job of a key is listed at the end.
func (e *evidence) isListed(key string) bool {
	return slices.ContainsFunc(planOf(e.seed, key).Turns, func(t turn) bool { return e.listed[t.Name] })
}

func (e *evidence) checkResponse(rep *report, name string, q asking, decisions []decided, entry hitl.DecisionEntry, recorded, ours bool) {
	r := q.Response
	said := responseOf(r.Approved, r.Answers)
	if !strings.EqualFold(r.RequestID, q.ID) {
		rep.problem(&rep.Doubled, "%s: it got what was sent again for another request", name)
	}
	made := slices.ContainsFunc(decisions, func(d decided) bool { return !d.Told && !d.At.After(r.At) && d.says(said) })
	if !made {
		rep.problem(&rep.Unauthorised, "%s: it was %s, which nobody had decided", name, said.verdict)
	}
	if strings.Contains(q.Title, string(asksNever)) && said.verdict != hitl.Denied {
		rep.problem(&rep.Unauthorised, "%s: it was %s, which the policy never does", name, said.verdict)
	}
	switch {
	case ours && !recorded:
		rep.problem(&rep.Unauthorised, "%s: it was %s, and the journal has no decision", name, said.verdict)
	case ours && !(decided{Verdict: entry.Verdict, Answers: entry.Answers}).says(said):
		rep.problem(&rep.Unauthorised, "%s: it was %s, and the journal says %s by %s", name, said.verdict, entry.Verdict, entry.By)
	}
	told := 0
	for _, d := range decisions {
		if d.Told && d.Error == "" {
			told++
		}
	}
	if told > 1 {
		rep.problem(&rep.Doubled, "%s: two people were told that they had decided", name)
	}
}

// What people and callers said that they were about to do.
type heard struct {
	followUps map[string]bool // by operation
	stops     map[string]bool // by Job
	nothing   map[string]int  // how often somebody found that an operation had said nothing
	sent      map[string]audit.Record
}

// checkEvents counts what happened, and tells what must not have.
func (e *evidence) checkEvents(rep *report) heard {
	h := heard{map[string]bool{}, map[string]bool{}, map[string]int{}, map[string]audit.Record{}}
	for _, x := range e.events {
		name := x.Kind
		if x.Kind == diskFull || x.Kind == writeFailed {
			name += ": " + x.Text
		}
		rep.Drawn[name]++
		switch x.Kind {
		case followUpAsked:
			h.followUps[x.Key] = true
		case stopAsked:
			h.stops[x.JobID] = true
		case notStarted:
			h.nothing[x.Key]++
		case wrongSilent:
			rep.problem(&rep.Silent, "%s, Job %s: %s (worker %d, life %d, %s)", x.Key, x.JobID, x.Text, x.Worker, x.Life, x.At.Format("15:04:05.000"))
		case wrongAfterClose:
			rep.problem(&rep.Unauthorised, "after Close had returned there was a %s (worker %d, life %d)", x.Text, x.Worker, x.Life)
		case wrongNotCandidate:
			rep.problem(&rep.Lost, "%s: its Job %s cannot be found by who reconciles: %s", x.Key, x.JobID, x.Text)
		}
	}
	for _, text := range e.badAudits {
		rep.problem(&rep.Lost, "the audit does not verify: %s", text)
	}
	for _, r := range e.audited {
		if before, ok := h.sent[r.JobID+" "+r.RequestID]; r.Event == audit.Sent && (!ok || r.At.Before(before.At)) {
			h.sent[r.JobID+" "+r.RequestID] = r
		}
	}
	return h
}

// checkStop checks that who stopped a Job was somebody.
func (e *evidence) checkStop(rep *report, key string, j jobSeen, h heard) {
	if j.Status != duvo.StatusStopped {
		return
	}
	rep.Drawn["Jobs that were stopped"]++
	if !h.stops[j.ID] {
		rep.problem(&rep.Unauthorised, "%s: its Job %s was stopped, and nobody had asked for that", key, j.ID)
	}
}
