package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// progress prints what happens to Jobs and keeps the last result. On a terminal
// the last line is alive: it tells how long it has taken so far, and what is
// waited for. Its observe is called from one goroutine.
type progress struct {
	out  *terminal.Screen
	asks bool // the operator's prompt shows requests in full

	mu     sync.Mutex
	began  time.Time
	wait   string // what is waited for
	ended  bool
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
		p.out.Status(fmt.Sprintf("[%5.1fs] waiting for %s", time.Since(p.began).Seconds(), p.wait))
	}
}

func (p *progress) observe(e outcome.Event) {
	say := func(format string, args ...any) {
		fmt.Fprintf(p.out, "[%5.1fs] "+format+"\n", append([]any{e.At.Sub(p.began).Seconds()}, args...)...)
	}
	switch e.Kind {
	case outcome.EventQueued:
		say("the call waits for its turn; waiting before it: %d", e.Before)
	case outcome.EventStarted:
		say("Job %s of %q started", e.JobID, hitl.SafeLine(e.Assignment.Name, 80))
		p.waitFor("the Job")
	case outcome.EventStatus:
		say("the Job is %s", hitl.SafeLine(string(e.Status), 40))
		p.waitFor("the Job, which is " + hitl.SafeLine(string(e.Status), 40))
	case outcome.EventRequested:
		p.waitFor("the policy: " + hitl.SafeLine(e.Request.Title, 60))
		if p.asks {
			say("the Job asks you: %s", hitl.SafeLine(e.Request.Title, 200))
			break
		}
		say("the Job asks:\n%s", e.Request)
	case outcome.EventDecided:
		say("%s by %s", e.Decision.Verdict, hitl.SafeLine(e.Decision.By, 80))
		p.waitFor("Duvo to take the decision")
	case outcome.EventDelivered:
		say("the decision was %s", e.Decision.Delivery)
		p.waitFor("the Job")
	case outcome.EventFinished:
		p.result = e.Result
		say("the outcome: %s", e.Result.Outcome)
		p.waitFor("the model")
	case outcome.EventParked:
		say("the call ended without an outcome")
		p.waitFor("the model")
	}
}
