// Package terminal asks a person at a terminal how a waiting Job is to be
// answered.
//
//	operator, err := terminal.New(os.Stdin, os.Stderr, "ops@example.com")
//	...
//	duvotool.Discover(ctx, client, duvotool.WithPolicy(operator))
package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
)

// ErrNoInput is returned when the input ends before the person has answered:
// nobody decided, so nothing is sent.
var ErrNoInput = errors.New("terminal: the input ended before the request was answered")

// An Operator is a policy that shows each request on a terminal and reads what
// the person types. It is safe for concurrent use; requests are shown one at a
// time. The requests' text is made safe to print.
type Operator struct {
	out io.Writer
	by  string

	turn chan struct{} // holds one token: whose turn it is to talk
	read sync.Once
	in   *bufio.Reader
	line chan string // from the one goroutine that reads; closed at the end of the input

	// abandoned tells that a request went away while the person was typing.
	// What they type next may still be meant for it. Guarded by turn.
	abandoned bool
}

var _ duvotool.Policy = (*Operator)(nil)

// New returns an operator that reads lines from in and writes to out. by says
// who sits there; it is recorded with each decision.
//
// The first request starts a goroutine that reads in, which ends with in.
func New(in io.Reader, out io.Writer, by string) (*Operator, error) {
	switch {
	case in == nil || out == nil:
		return nil, errors.New("terminal: the input or output is nil")
	case duvotool.PersonKey(by) == "":
		return nil, errors.New("terminal: it is not said who the operator is")
	}
	o := &Operator{out: out, by: by, turn: make(chan struct{}, 1), in: bufio.NewReaderSize(in, 64<<10), line: make(chan string)}
	o.turn <- struct{}{}
	return o, nil
}

// String names the policy.
func (o *Operator) String() string { return "terminal.Operator" }

// Decide shows the request and returns what the person decided. It returns
// when ctx ends, also while the person is typing.
func (o *Operator) Decide(ctx context.Context, req duvotool.Request) (duvotool.Decision, error) {
	select {
	case <-o.turn:
		defer func() { o.turn <- struct{}{} }()
	case <-ctx.Done():
		return duvotool.Decision{}, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return duvotool.Decision{}, context.Cause(ctx)
	}
	o.read.Do(func() { go o.readLines() })
	o.say("\nThe Job waits for your decision.\n%s", req)
	d, err := o.decide(ctx, req)
	if ctx.Err() != nil {
		o.abandoned = true
		o.say("\n(No longer needed: %s.)\n", strings.TrimPrefix(context.Cause(ctx).Error(), "duvotool: "))
	}
	d.Source = duvotool.SourcePerson
	return d, err
}

func (o *Operator) decide(ctx context.Context, req duvotool.Request) (duvotool.Decision, error) {
	if req.Kind == duvo.Question {
		return o.answer(ctx, req)
	}
	yes := "yes"
	if o.abandoned {
		// A "yes" typed for the request that went away must not approve this.
		yes = "yes " + req.Digest()[:4]
		o.say("The request before this one went away. To approve this one, type %q.\n", yes)
	}
	for {
		text, err := o.ask(ctx, fmt.Sprintf("Approve? [%s/no] ", yes))
		if err != nil {
			return duvotool.Decision{}, err
		}
		switch strings.ToLower(text) {
		case yes:
		case "y":
			if yes != "yes" {
				continue
			}
		case "no", "n":
			reason, err := o.ask(ctx, "Reason (may be empty): ")
			if err != nil {
				return duvotool.Decision{}, err
			}
			o.abandoned = false
			return duvotool.Deny(o.by, reason), nil
		default:
			continue
		}
		o.abandoned = false
		return duvotool.Approve(o.by, "approved at the terminal"), nil
	}
}

const deny = "/deny"

func (o *Operator) answer(ctx context.Context, req duvotool.Request) (duvotool.Decision, error) {
	if o.abandoned {
		if _, err := o.ask(ctx, "The request before this one went away. Press enter to answer this one. "); err != nil {
			return duvotool.Decision{}, err
		}
		o.abandoned = false
	}
	for {
		answers := map[string]string{}
		for i, q := range req.Questions {
			text, err := o.ask(ctx, o.prompt(i, q))
			if err != nil {
				return duvotool.Decision{}, err
			}
			if text == deny {
				return duvotool.Deny(o.by, "the operator did not answer"), nil
			}
			answers[q.Question] = choose(text, q)
		}
		err := req.CheckAnswers(answers)
		if err == nil {
			return duvotool.Answer(o.by, answers), nil
		}
		o.say("%s\n", err)
	}
}

func (o *Operator) prompt(i int, q duvo.QuestionItem) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d. %s\n", i+1, duvotool.SafeLine(q.Question, 500))
	for j, c := range q.Options {
		fmt.Fprintf(&b, "   [%d] %s\n", j+1, duvotool.SafeLine(c.Label, 200))
	}
	switch {
	case q.MultiSelect && len(q.Options) > 0:
		b.WriteString("Numbers, separated by commas")
	case len(q.Options) > 0:
		b.WriteString("Number or label")
	default:
		b.WriteString("Answer")
	}
	fmt.Fprintf(&b, ", or %s: ", deny)
	return b.String()
}

// choose turns numbers into the labels they stand for, unless a label is
// written that way itself.
func choose(text string, q duvo.QuestionItem) string {
	if len(q.Options) == 0 || slices.ContainsFunc(q.Options, func(c duvo.Choice) bool { return c.Label == text }) {
		return text
	}
	parts := []string{text}
	if q.MultiSelect {
		parts = strings.Split(text, ",")
	}
	var chosen []string
	for _, p := range parts {
		n, err := strconv.Atoi(strings.TrimSpace(p))
		if err != nil || n < 1 || n > len(q.Options) {
			return text
		}
		chosen = append(chosen, q.Options[n-1].Label)
	}
	return duvotool.JoinChoices(chosen...)
}

func (o *Operator) ask(ctx context.Context, prompt string) (string, error) {
	o.say("%s", prompt)
	select {
	case text, ok := <-o.line:
		if !ok {
			return "", ErrNoInput
		}
		return strings.TrimSpace(text), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (o *Operator) say(format string, args ...any) { fmt.Fprintf(o.out, format, args...) }

func (o *Operator) readLines() {
	defer close(o.line)
	for {
		text, err := o.in.ReadString('\n')
		if text != "" {
			o.line <- text
		}
		if err != nil {
			return
		}
	}
}
