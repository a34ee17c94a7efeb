package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/textwrap"
	"github.com/duvotool/duvotool/outcome"
)

// progress prints what happens to Jobs and keeps the last result. On a terminal
// the last line is alive: it tells how long it has taken so far, and what is
// waited for. Its observe is called from one goroutine.
type progress struct {
	out  *terminal.Screen
	as   look
	asks bool // the operator's prompt shows requests in full

	mu     sync.Mutex
	began  time.Time
	wait   string // what is waited for
	ended  bool
	job    string            // the ID of the latest Job
	last   outcome.EventKind // of what happened to it that tells whether something was sent
	result *outcome.Result
}

const redraw = 250 * time.Millisecond

// start begins to redraw the live line until the returned function is called.
func (p *progress) start() (stop func()) {
	p.began = time.Now()
	p.waitFor("the model")
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.mu.Lock()
				p.draw()
				p.mu.Unlock()
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = true
		p.out.Status("")
	}
}

func (p *progress) waitFor(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = what
	p.draw()
}

// draw is called with mu held.
func (p *progress) draw() {
	if !p.ended {
		p.out.Status(clock(time.Since(p.began)) + "waiting for " + p.wait)
	}
}

// clock is how long it has taken, as lines begin with it.
func clock(d time.Duration) string { return fmt.Sprintf("%6.1f s  ", d.Seconds()) }

// say prints a line, and lines below it as they are.
func (p *progress) say(at time.Time, format string, args ...any) {
	when := clock(at.Sub(p.began))
	line, below, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	line = textwrap.Hang(when, strings.Repeat(" ", len(when)), line, p.as.columns())
	fmt.Fprint(p.out, p.as.in(faint, when)+line[len(when):]+"\n"+textwrap.Text(below, p.as.columns()))
}

// observe prints what a person wants to know, and nothing that the prompt, or the
// outcome, says as well.
func (p *progress) observe(e outcome.Event) {
	p.note(e)
	switch e.Kind {
	case outcome.EventQueued:
		p.say(e.At, "the call waits for its turn; waiting before it: %d", e.Before)
	case outcome.EventStarted:
		p.say(e.At, "%q has it: Job %s", hitl.SafeLine(e.Assignment.Name, 80), e.JobID)
		p.waitFor("the Job")
	case outcome.EventStatus:
		p.waitFor("the Job, which is " + hitl.SafeLine(string(e.Status), 40))
	case outcome.EventRequested:
		p.waitFor("the policy: " + hitl.SafeLine(e.Request.Title, 60))
		if !p.asks {
			p.say(e.At, "the Job asks:\n%s", e.Request)
		}
	case outcome.EventDecided:
		p.say(e.At, "%s by %s", e.Decision.Verdict, hitl.SafeLine(e.Decision.By, 80))
		p.waitFor("Duvo to take the decision")
	case outcome.EventDelivered:
		p.say(e.At, "Duvo: the decision was %s", e.Decision.Delivery)
		p.waitFor("the Job")
	case outcome.EventFinished:
		p.say(e.At, "the Job has ended: %s", e.Result.Outcome)
		p.waitFor("the model")
	case outcome.EventParked:
		p.waitFor("the model")
	}
}

// note keeps what is told at the end.
func (p *progress) note(e outcome.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case outcome.EventStarted, outcome.EventRequested, outcome.EventDecided, outcome.EventDelivered, outcome.EventFinished:
		p.job, p.last = e.JobID, e.Kind
	}
	if e.Kind == outcome.EventFinished {
		p.result = e.Result
	}
}

// left tells what a program that ends before its Job leaves behind.
func (p *progress) left() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var what string
	switch p.last {
	case "":
		return "No Job is known to have started.\n"
	case outcome.EventStarted:
		what = "Nobody was asked, and nothing was decided."
	case outcome.EventRequested:
		what = "Nobody has decided: nothing was sent to Duvo."
	case outcome.EventDecided:
		what = "It was decided; whether that was sent shows in Duvo."
	case outcome.EventDelivered:
		what = "What was decided has been sent to Duvo."
	case outcome.EventFinished:
		return fmt.Sprintf("Job %s had ended: %s.\n", p.job, p.result.Outcome)
	}
	if os.Getenv(duvo.EnvAPIKey) == "" {
		return what + fmt.Sprintf(" Job %s ends with the emulator in this program; in Duvo it would go on, or wait.\n", p.job)
	}
	return what + fmt.Sprintf(" Job %s is left as it is: it goes on in Duvo, or waits there for a decision.\n", p.job)
}
