package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/duvotool/duvotool/outcome"
)

// A fate is what a line of the report begins with.
type fate string

const (
	ended   fate = "ended"   // its Job has completed, with a refund or without: its words tell
	waits   fate = "waits"   // for a person
	working fate = "working" // it is still at work
	failed  fate = "FAILED"  // its Job has ended otherwise; its key starts no other
	unknown fate = "UNKNOWN" // nobody can tell whether a Job was started; see Registry.Reconcile
	notDone fate = "NOT DONE"
)

// of tells a line's fate, and what else there is to know.
func of(d done) (fate, string) {
	switch {
	case errors.Is(d.err, outcome.ErrKeyReused):
		return notDone, "its key stands for another refund; give it a key of its own"
	case d.err != nil:
		return notDone, d.err.Error()
	case d.res.Outcome == outcome.OutcomeCompleted:
		return ended, d.res.Output
	case d.res.Outcome == outcome.OutcomePending && d.res.Status == duvo.StatusWaiting:
		return waits, "decide it in Duvo: Job " + d.res.JobID
	case d.res.Outcome == outcome.OutcomePending, d.res.Outcome == outcome.OutcomeExpired:
		return working, "Job " + d.res.JobID
	case d.res.Outcome == outcome.OutcomeUnknown:
		return unknown, "a person must look in Duvo whether there is a Job for it"
	}
	return failed, fmt.Sprintf("Job %s is %s: %s", d.res.JobID, d.res.Outcome, d.res.Output)
}

// report prints what became of all lines and returns the exit code.
func report(out io.Writer, began time.Time, all []done, a *allowance) int {
	counts := map[fate]int{}
	earlier := 0
	for _, d := range all {
		f, says := of(d)
		counts[f]++
		if f == ended && d.res.Repeated && d.res.EndedAt.Before(began) {
			earlier++
			continue // an earlier run has told it
		}
		fmt.Fprintf(out, "%-8s  %s  %s: %s\n", f, hitl.SafeLine(d.key, 80), d.input(), hitl.SafeLine(says, 200))
	}
	now := time.Now()
	n, _ := a.count("", now)
	fmt.Fprintf(out, "%d lines: %d ended (%d before this run)", len(all), counts[ended], earlier)
	for _, c := range []struct {
		of   fate
		says string
	}{{waits, "waiting for people"}, {working, "still at work"}, {failed, "FAILED"}, {unknown, "UNKNOWN"}, {notDone, "NOT DONE"}} {
		if counts[c.of] > 0 {
			fmt.Fprintf(out, ", %d %s", counts[c.of], c.says)
		}
	}
	fmt.Fprintf(out, "\napproved by this program within %d hours: %d of %d\n", window/time.Hour, n, a.limit)
	switch {
	case counts[failed]+counts[unknown]+counts[notDone] > 0:
		return usage.Failed
	case counts[waits]+counts[working] > 0:
		return left
	}
	return usage.OK
}
