package main

import (
	"fmt"
	"io"
	"time"

	"github.com/duvotool/duvotool"
)

// progress prints what happens to Jobs and keeps the last result. Its observe
// is called from one goroutine; read result after the registry was closed.
type progress struct {
	out    io.Writer
	asks   bool // the operator's prompt shows requests in full
	began  time.Time
	result *duvotool.Result
}

func (p *progress) observe(e duvotool.Event) {
	if p.began.IsZero() {
		p.began = e.At
	}
	say := func(format string, args ...any) {
		fmt.Fprintf(p.out, "[%5.1fs] "+format+"\n", append([]any{e.At.Sub(p.began).Seconds()}, args...)...)
	}
	switch e.Kind {
	case duvotool.EventStarted:
		say("Job %s of %q started", e.JobID, duvotool.SafeLine(e.Assignment.Name, 80))
	case duvotool.EventStatus:
		say("the Job is %s", duvotool.SafeLine(string(e.Status), 40))
	case duvotool.EventRequested:
		if p.asks {
			say("the Job asks you: %s", duvotool.SafeLine(e.Request.Title, 200))
			break
		}
		say("the Job asks:\n%s", e.Request)
	case duvotool.EventDecided:
		say("%s by %s", e.Decision.Verdict, duvotool.SafeLine(e.Decision.By, 80))
	case duvotool.EventDelivered:
		say("the decision was %s", e.Decision.Delivery)
	case duvotool.EventFinished:
		p.result = e.Result
		say("the outcome: %s", e.Result.Outcome)
	case duvotool.EventParked:
		say("the call ended without an outcome")
	}
}
