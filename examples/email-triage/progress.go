package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/duvotool/duvotool"
)

// progress prints what happens to Jobs and keeps the last result. On a terminal
// its last line is alive: it tells how long it has taken so far, and what is
// waited for. Its observe is called from one goroutine.
type progress struct {
	out  io.Writer
	asks bool // the operator's prompt shows requests in full
	live bool // out is a terminal

	mu     sync.Mutex
	began  time.Time
	wait   string // what is waited for; empty: no live line
	result *duvotool.Result
}

const (
	redraw    = 250 * time.Millisecond
	clearLine = "\r\x1b[K"
)

// start begins to redraw the live line until the returned function is called.
func (p *progress) start() (stop func()) {
	p.began = time.Now()
	if !p.live {
		return func() {}
	}
	p.set("the model")
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
				p.mu.Lock()
				defer p.mu.Unlock()
				p.erase()
				p.live = false
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

func (p *progress) set(wait string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = wait
}

// draw and erase are called with mu held.
func (p *progress) draw() {
	if p.live && p.wait != "" {
		fmt.Fprintf(p.out, clearLine+"[%5.1fs] waiting for %s", time.Since(p.began).Seconds(), p.wait)
	}
}

func (p *progress) erase() {
	if p.live && p.wait != "" {
		fmt.Fprint(p.out, clearLine)
	}
}

func (p *progress) observe(e duvotool.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	defer p.draw()
	say := func(format string, args ...any) {
		fmt.Fprintf(p.out, "[%5.1fs] "+format+"\n", append([]any{e.At.Sub(p.began).Seconds()}, args...)...)
	}
	switch e.Kind {
	case duvotool.EventQueued:
		say("the call waits for its turn; waiting before it: %d", e.Before)
	case duvotool.EventStarted:
		say("Job %s of %q started", e.JobID, duvotool.SafeLine(e.Assignment.Name, 80))
		p.wait = "the Job"
	case duvotool.EventStatus:
		say("the Job is %s", duvotool.SafeLine(string(e.Status), 40))
		p.wait = "the Job, which is " + duvotool.SafeLine(string(e.Status), 40)
	case duvotool.EventRequested:
		p.wait = "the policy: " + duvotool.SafeLine(e.Request.Title, 60)
		if p.asks {
			say("the Job asks you: %s", duvotool.SafeLine(e.Request.Title, 200))
			p.wait = "" // the line is the operator's now
			break
		}
		say("the Job asks:\n%s", e.Request)
	case duvotool.EventDecided:
		say("%s by %s", e.Decision.Verdict, duvotool.SafeLine(e.Decision.By, 80))
		p.wait = "Duvo to take the decision"
	case duvotool.EventDelivered:
		say("the decision was %s", e.Decision.Delivery)
		p.wait = "the Job"
	case duvotool.EventFinished:
		p.result = e.Result
		say("the outcome: %s", e.Result.Outcome)
		p.wait = "the model"
	case duvotool.EventParked:
		say("the call ended without an outcome")
		p.wait = "the model"
	}
}
