package main

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// An asked is one time that a policy was asked.
type asked struct {
	key    string // of the operation
	worker int
	at     time.Time
}

// checkVanished checks that what a registry lists no more had come to an end elsewhere.
// What has no Job yet may have started nothing, and belongs to whoever calls again.
func (e *evidence) checkVanished(rep *report, outcomes map[string][]delivered) {
	for _, x := range e.events {
		if x.Kind == vanished && x.JobID != "" && !slices.ContainsFunc(outcomes[x.Key], func(o delivered) bool { return o.At.Before(x.At) }) {
			rep.problem(&rep.Silent, "%s, Job %s: since %s replica %d does not list it, and it had not come to an end; the last that was told of it there is %s",
				x.Key, x.JobID, x.From.Format("15:04:05.000"), x.Worker, x.Text)
		}
	}
}

// allTroubles lists what happened to replicas: what the harness did, and what they tell.
func (e *evidence) allTroubles() []trouble {
	troubles, closings := slices.Clone(e.troubles), map[string]happened{}
	for _, x := range e.events {
		t := trouble{"", x.Worker, x.Kind, x.At, x.At}
		switch {
		case x.Kind == closing:
			closings[x.Text] = x
			continue
		case x.Kind == closed:
			t.from = closings[x.Text].At
			delete(closings, x.Text)
		case x.Kind == callerLeft:
			t.key = x.Key
		case x.Kind == lapsed:
			t.from = x.From
		case x.Kind == cutOff && x.Text != "Duvo":
			t.to = x.Until
		case x.Kind == writeFailed:
			t.kind = "not recorded"
		default:
			continue
		}
		troubles = append(troubles, t)
	}
	for _, x := range closings { // it ended in the middle of that
		t := trouble{"", x.Worker, closing, x.At, x.At.Add(closePatience)}
		for _, end := range e.troubles {
			if end.worker == x.Worker && end.to.After(x.At) && end.to.Before(t.to) {
				t.to = end.to
			}
		}
		troubles = append(troubles, t)
	}
	return troubles
}

// checkAsked checks that replicas ask a policy once about each text of a request, unless
// something happened to the replica that asked before, until it was asked again.
func (e *evidence) checkAsked(rep *report) {
	troubles := e.allTroubles()
	all := map[string][]asked{} // by operation, request and digest
	for _, x := range e.events {
		if x.Kind == policyAsked {
			rep.Policy++
			all[x.Key+" "+x.Text] = append(all[x.Key+" "+x.Text], asked{x.Key, x.Worker, x.At})
		}
	}
	rep.Again = map[string]int{}
	for about, times := range all {
		slices.SortFunc(times, func(a, b asked) int { return a.at.Compare(b.at) })
		for i := range len(times) - 1 {
			switch why := whyAgain(times[i], times[i+1], troubles); why {
			case "":
				key, request, _ := strings.Cut(about, " ")
				rep.problem(&rep.Needless, "%s: the policy was asked about request %s at %s by replica %d, and again at %s by replica %d, to none of which anything had happened", key, request,
					times[i].at.Format("15:04:05.000"), times[i].worker, times[i+1].at.Format("15:04:05.000"), times[i+1].worker)
			default:
				rep.Again[why]++
			}
		}
	}
}

// whyAgain tells what happened to the replica that asked first, until the second was;
// or, where nothing did, to the second.
func whyAgain(first, second asked, troubles []trouble) string {
	why := func(worker int) string {
		var best trouble
		for _, t := range troubles {
			if (t.worker == worker || t.worker < 0) && (t.key == "" || t.key == first.key) && !t.from.After(second.at) && !t.to.Before(first.at) {
				if best.kind == "" || cmp.Or(t.from.Compare(best.from), strings.Compare(t.kind, best.kind)) < 0 {
					best = t
				}
			}
		}
		return best.kind
	}
	if kind := why(first.worker); kind != "" {
		return kind
	}
	if kind := why(second.worker); kind != "" {
		return "the second was " + kind
	}
	return ""
}
