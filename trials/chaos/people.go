package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// decide is the policy. What it decides is drawn anew each time that it is asked,
// so that a response which is made up after a crash, instead of being taken from
// the journal, says something else half of the time.
func (w *worker) decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	a, err := planOf(w.c.Seed, keyOf(req.Key)).asked(req.Title)
	if err != nil {
		return hitl.Decision{}, err
	}
	switch a.Mode {
	case asksInbox:
		return hitl.Leave(), nil
	case asksOperators:
		return hitl.Suspend(), nil
	case asksSlowly, asksRace:
		t := time.NewTimer(a.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return hitl.Decision{}, context.Cause(ctx)
		}
	}
	d := w.draw("policy", a)
	return d, w.note(req, d)
}

// draw makes up a decision that fits.
func (w *worker) draw(by string, a ask) hitl.Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case a.Mode == asksQuestion:
		return hitl.Answer(by, map[string]string{theQuestion.Question: theQuestion.Options[w.dice.IntN(len(theQuestion.Options))].Label})
	case a.Mode == asksNever, w.dice.one(2):
		return hitl.Deny(by, "because")
	}
	return hitl.Approve(by, "because")
}

// note writes a decision down before anybody learns of it.
func (w *worker) note(req hitl.Request, d hitl.Decision) error {
	return w.decisions.add(decided{At: time.Now(), Life: w.c.Life, By: d.By, Key: req.Key, JobID: req.JobID, RequestID: req.ID, Verdict: d.Verdict, Answers: d.Answers})
}

// callPeople calls people to what was put off, and to Jobs that are to be stopped.
func (w *worker) callPeople(l *life, e outcome.Event) {
	p := planOf(w.c.Seed, keyOf(e.Key))
	switch {
	case e.Kind == outcome.EventSuspended && e.Request != nil:
		a, err := p.asked(e.Request.Title)
		if err != nil {
			slog.Error("put off", "error", err.Error())
			return
		}
		for i := range 2 {
			req := *e.Request
			w.people.Go(func() { w.operate(l, fmt.Sprint("operator ", i+1), req, a, nil) })
		}
	case e.Kind == outcome.EventStarted && p.StopAfter > 0, e.Kind == outcome.EventResumed && e.JobID != "" && p.StopAfter > 0:
		w.people.Go(func() { w.stop(l, e.Key, e.JobID, p.StopAfter) })
	}
}

// operate is a person who decides what was put off, at about the same time as
// another, and otherwise than that one. What they are told is written down. Where it
// does not count, again is called, unless it is nil.
func (w *worker) operate(l *life, by string, req hitl.Request, a ask, again func()) {
	time.Sleep(a.Delay)
	d := hitl.Approve(by, "because")
	if by == "operator 2" {
		d = hitl.Deny(by, "because")
	}
	if err := w.note(req, d); err != nil {
		slog.Error("decisions", "error", err.Error())
		return
	}
	<-l.ready // it may be put off while the registry is made
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := l.reg.Decide(ctx, req, d)
	if err != nil && again != nil {
		again()
	}
	told := decided{At: time.Now(), Life: w.c.Life, By: by, Key: req.Key, JobID: req.JobID, RequestID: req.ID, Verdict: d.Verdict, Told: true}
	if err != nil {
		told.Error = err.Error()
	}
	if err := w.decisions.add(told); err != nil {
		slog.Error("decisions", "error", err.Error())
	}
}

// stop is a person who stops a Job.
func (w *worker) stop(l *life, key, jobID string, after time.Duration) {
	if !sleepUntil(l.over, after) {
		return
	}
	<-l.ready
	w.happen(happened{Kind: stopAsked, Key: key, JobID: jobID})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	res, err := l.reg.Stop(ctx, jobID, "somebody")
	told := happened{Kind: stopTold, Key: key, JobID: jobID}
	switch {
	case err == nil:
		told.Text = string(res.Outcome)
	case ctx.Err() != nil:
		told.Kind, told.Text = wrongSilent, "who stops the Job was told nothing for a minute"
	default:
		told.Text = err.Error()
	}
	w.happen(told)
}

// reconcile is a person who looks into Duvo after an outcome that is unknown, once
// whatever was sent must have had its effect, and says what is there.
func (w *worker) reconcile(l *life, res *outcome.Result) {
	name := res.Key
	w.happen(happened{Kind: toldUnknown, Key: name, Text: res.Note})
	if !sleepUntil(l.over, postTimeout+latestEffect) {
		return
	}
	jobs, err := w.lookInto(name)
	if err != nil || len(jobs) > 1 {
		slog.Error("looking into Duvo", "key", name, "jobs", len(jobs), "error", fmt.Sprint(err))
		return
	}
	info := outcome.JobInfo{Key: name}
	listed := slices.ContainsFunc(l.reg.Jobs(), func(i outcome.JobInfo) bool { return i.Key == name && i.Unknown })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	said, jobID := happened{Kind: notStarted, Key: name}, ""
	if len(jobs) == 1 {
		jobID = jobs[0]
		said.Kind, said.JobID = found, jobID
	}
	rows, err := l.reg.Candidates(ctx, info)
	isFollowUp := name != keyOf(name)
	if err == nil && jobID != "" && !isFollowUp && !slices.ContainsFunc(rows, func(j duvo.Job) bool { return j.ID == jobID }) {
		w.happen(happened{Kind: wrongNotCandidate, Key: name, JobID: jobID, Text: fmt.Sprintf("of %d candidates it is none", len(rows))})
	}
	if err == nil && !listed {
		w.happen(happened{Kind: wrongSilent, Key: name, Text: "its outcome is unknown, and it is not listed"})
	}
	w.happen(said)
	if err := l.reg.Reconcile(ctx, info, jobID, "somebody"); err != nil {
		w.happen(happened{Kind: notReconciled, Key: name, JobID: jobID, Text: err.Error()})
		return
	}
	w.happen(happened{Kind: reconciled, Key: name, JobID: jobID})
}

// lookInto returns the Jobs in which an operation has said what it had to.
func (w *worker) lookInto(name string) (jobs []string, err error) {
	resp, err := http.Get(w.c.Where.URL + lookPath + "?said=" + url.QueryEscape(name))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return jobs, json.NewDecoder(resp.Body).Decode(&jobs)
}
