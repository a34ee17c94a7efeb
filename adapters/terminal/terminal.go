package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// ErrNoInput is returned when the input ends before the person has answered:
// nobody decided, so nothing is sent.
var ErrNoInput = errors.New("terminal: the input ended before the request was answered")

// soon is how long after the end of a request a person may still be typing for
// it.
const soon = 5 * time.Second

// An Operator is a policy that shows each request on a terminal and reads what
// the person types. It is safe for concurrent use; requests are shown one at a
// time, in the order in which they came, each with how many wait behind it. The requests' text is made safe to print.
type Operator struct {
	screen *Screen
	in     input
	by     string
}

var _ hitl.Policy = (*Operator)(nil)

// New returns an operator that reads lines from in and writes to out, which is
// best a [Screen] that the program's own lines go through as well. by says who
// sits there; it is recorded with each decision, and each decision is recorded
// as a person's: whether nobody else writes to in is for the caller to know.
//
// in is read only while a request is shown. Where it is no terminal the read is
// one of a goroutine, which ends with the line or with in.
func New(in io.Reader, out io.Writer, by string) (*Operator, error) {
	switch {
	case in == nil || out == nil:
		return nil, errors.New("terminal: the input or output is nil")
	case hitl.PersonKey(by) == "":
		return nil, errors.New("terminal: it is not said who the operator is")
	}
	o := &Operator{by: by, in: openTerminal(in)}
	if o.in == nil {
		o.in = newStream(in)
	}
	var ok bool
	if o.screen, ok = out.(*Screen); !ok {
		o.screen = NewScreen(out)
	}
	return o, nil
}

// String names the policy.
func (o *Operator) String() string { return "terminal.Operator" }

// Decide shows the request and returns what the person decided. It returns
// when ctx ends, also while the person is typing. An error, [ErrNoInput] among
// them, means that nobody has decided. Questions that no answer fits, see
// hitl.Request.CheckAnswerable, are shown with the reason and come to hitl.Nobody, as do
// requests of a kind that is unknown.
func (o *Operator) Decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	s := o.screen
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	if err := s.takeTurn(ctx); err != nil {
		return hitl.Decision{}, err
	}
	defer s.passTurn()
	c := &conversation{o: o, req: req, code: newCode(), coded: !o.in.fresh() || s.hasty()}
	d, err := c.run(ctx)
	s.lastEnd, s.lastGone = time.Now(), err != nil
	farewell := ""
	if ctx.Err() != nil {
		o.in.discard()
		err = context.Cause(ctx)
		s.lastGone = true
		farewell = c.wrap(fmt.Sprintf("(No longer needed: %s. What you typed for it does not count.)\n", whyGone(err)))
	}
	s.close(farewell)
	if err != nil {
		return hitl.Decision{}, err
	}
	if d.Source == "" {
		d.Source = hitl.SourcePerson
	}
	return d, nil
}

// whyGone tells why a request went away.
func whyGone(err error) string {
	switch err { // where nobody said more
	case context.Canceled:
		return "somebody else has decided, or nobody waits for it any more"
	case context.DeadlineExceeded:
		return "its time is over"
	}
	return hitl.SafeLine(strings.TrimPrefix(err.Error(), "duvotool: "), 200)
}
