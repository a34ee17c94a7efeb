package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// decide is the policy. What it decides is drawn anew each time that it is asked,
// so that a response which is made up after a crash, instead of being taken from
// the journal, says something else half of the time.
func (w *worker) decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	a, err := planOf(w.c.Seed, req.Key).asked(req.Title)
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
	d := draw("policy", a)
	return d, w.note(req, d)
}

// draw makes up a decision that fits.
func draw(by string, a ask) hitl.Decision {
	switch {
	case a.Mode == asksQuestion:
		return hitl.Answer(by, map[string]string{theQuestion.Question: theQuestion.Options[rand.IntN(len(theQuestion.Options))].Label})
	case a.Mode == asksNever, rand.IntN(2) == 0:
		return hitl.Deny(by, "because")
	}
	return hitl.Approve(by, "because")
}

// note writes a decision down before anybody learns of it.
func (w *worker) note(req hitl.Request, d hitl.Decision) error {
	return w.decisions.add(decided{At: time.Now(), Life: w.c.Life, By: d.By, Key: req.Key, JobID: req.JobID, RequestID: req.ID, Verdict: d.Verdict, Answers: d.Answers})
}

// observe calls people to what was put off.
func (w *worker) observe(e outcome.Event) {
	if e.Kind != outcome.EventSuspended || e.Request == nil {
		return
	}
	a, err := planOf(w.c.Seed, e.Key).asked(e.Request.Title)
	if err != nil {
		slog.Error("put off", "error", err.Error())
		return
	}
	for i := range 2 {
		req := *e.Request
		w.people.Go(func() { w.operate(fmt.Sprint("operator ", i+1), req, a) })
	}
}

// operate is a person who decides what was put off, at about the same time as
// another, and otherwise than that one. What they are told is written down.
func (w *worker) operate(by string, req hitl.Request, a ask) {
	<-w.ready
	time.Sleep(a.Delay)
	d := hitl.Approve(by, "because")
	if by == "operator 2" {
		d = hitl.Deny(by, "because")
	}
	if err := w.note(req, d); err != nil {
		slog.Error("decisions", "error", err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := w.reg.Decide(ctx, req, d)
	told := decided{At: time.Now(), Life: w.c.Life, By: by, Key: req.Key, JobID: req.JobID, RequestID: req.ID, Verdict: d.Verdict, Told: true}
	if err != nil {
		told.Error = err.Error()
	}
	if err := w.decisions.add(told); err != nil {
		slog.Error("decisions", "error", err.Error())
	}
}
