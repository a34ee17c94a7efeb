package duvotooltest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// An Operator is a person who answers by a script: what was scripted for a
// title, or else for any request. It fails on a request that the script does
// not know. It is a policy, recorded as a person, and safe for concurrent use.
type Operator struct {
	by string

	mu      sync.Mutex
	byTitle map[string]line
	other   *line
	asked   []hitl.Request
}

type line struct {
	after time.Duration
	d     hitl.Decision
}

// NewOperator returns an operator of this name, without a script.
func NewOperator(by string) *Operator { return &Operator{by: by, byTitle: map[string]line{}} }

// Approves lets the operator approve requests with this title; with an empty
// one, all that are not scripted otherwise.
func (o *Operator) Approves(title string) *Operator {
	return o.Says(title, 0, hitl.Approve(o.by, "approved by script"))
}

// Denies lets the operator deny requests with this title.
func (o *Operator) Denies(title, reason string) *Operator {
	return o.Says(title, 0, hitl.Deny(o.by, reason))
}

// Answers lets the operator answer requests with this title.
func (o *Operator) Answers(title string, answers map[string]string) *Operator {
	return o.Says(title, 0, hitl.Answer(o.by, answers))
}

// Says lets the operator decide so, after a while.
func (o *Operator) Says(title string, after time.Duration, d hitl.Decision) *Operator {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := line{after, d}
	if title == "" {
		o.other = &l
	} else {
		o.byTitle[title] = l
	}
	return o
}

// Asked returns the requests that the operator was asked about, in order.
func (o *Operator) Asked() []hitl.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]hitl.Request(nil), o.asked...)
}

// Decide answers by the script.
func (o *Operator) Decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	o.mu.Lock()
	o.asked = append(o.asked, req)
	l, ok := o.byTitle[req.Title]
	if !ok && o.other != nil {
		l, ok = *o.other, true
	}
	o.mu.Unlock()
	if !ok {
		return hitl.Decision{}, fmt.Errorf("duvotooltest: %s has no script for %q", o.by, hitl.SafeLine(req.Title, 100))
	}
	t := time.NewTimer(l.after)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return hitl.Decision{}, context.Cause(ctx)
	}
	d := l.d
	if d.Source == "" {
		d.Source = hitl.SourcePerson
	}
	return d, nil
}

// String names the operator.
func (o *Operator) String() string { return "Operator(" + o.by + ")" }
