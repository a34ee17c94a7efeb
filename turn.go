package duvotool

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/runscope"
	"github.com/duvotool/duvotool/outcome"
)

// A ModelCall is one tool call of a model's answer.
type ModelCall struct {
	ID        string          // the provider's, for pairing call and reply; empty: it has none
	Name      string          // as the model wrote it
	Arguments json.RawMessage // as the model wrote them; empty: none

	// Key is the operation key of the call, as of [WithOperationKey]. It comes from
	// the program, and names the work. The ID is none: a model that repeats itself
	// gives a new one, and the second call would be a second Job. Empty: the scope of
	// the context decides.
	Key string
}

// A CallReply is what one call of a turn came to.
type CallReply struct {
	ID, Name string // as the call has them
	Reply
	// Err is the error of the call, for the program's logs; Text says what of it a
	// model may read. An [*outcome.JobError] has the key with which its Job is taken up.
	Err error
}

// MaxTurnCalls is how many calls of one turn are made at most.
const MaxTurnCalls = 128

// RunCalls runs the tool calls of one turn of a model, whatever the framework, and
// returns their replies, in the order of the calls. They run at the same time, as far
// as the registry's limits go. A call that fails, that names no tool or that has
// arguments which make no sense is told in its reply and takes nothing from the others,
// and neither does one that panics.
//
// The error is for the end of the context or the registry only, and joins those of all
// calls that were cut off. The replies are complete even so.
//
// Give it the very tools that the model was shown in this turn, such as
// [Registry.Callables] once before the request: a name may be another's after a
// refresh. A name counts without regard to case, and with a prefix such as
// "functions."; a similar one is not called, but told.
//
// The operations are those of ctx: give it a scope with [WithOperationScope], so that
// a model that repeats itself in a later turn starts no second Job. Within the turn it
// starts none in any case.
func RunCalls(ctx context.Context, offered []Callable, calls []ModelCall) ([]CallReply, error) {
	if runscope.Of(ctx) == "" {
		ctx = runscope.With(ctx, strings.ToLower(rand.Text()))
	}
	names := make([]string, len(offered))
	byName := map[string]Callable{}
	for i, t := range offered {
		names[i] = t.Name()
		byName[names[i]] = t
	}
	out := make([]CallReply, len(calls))
	var running sync.WaitGroup
	var inTurn []func()
	for i, c := range calls {
		out[i].ID, out[i].Name = c.ID, c.Name
		name, problem := offer.Lookup(c.Name, names)
		if i >= MaxTurnCalls {
			problem = fmt.Sprintf("The tool was not called: %d calls in one turn are too many; at most %d are made.", len(calls), MaxTurnCalls)
		}
		if problem != "" {
			out[i].Reply = refused(problem)
			continue
		}
		t := byName[name]
		run := func() { out[i].Reply, out[i].Err = runCall(ctx, t, c) }
		if one, ok := t.(interface{ OneAtATime() bool }); ok && one.OneAtATime() {
			inTurn = append(inTurn, run)
			continue
		}
		running.Go(run)
	}
	for _, run := range inTurn {
		run()
	}
	running.Wait()
	return out, cutOff(ctx, out)
}

// cutOff joins the errors of the calls that ended with their context or registry.
func cutOff(ctx context.Context, replies []CallReply) error {
	var ends []error
	for _, r := range replies {
		if r.Err != nil && (ctx.Err() != nil || errors.Is(r.Err, outcome.ErrClosed)) {
			ends = append(ends, r.Err)
		}
	}
	return errors.Join(ends...)
}

var errToolPanic = errors.New("duvotool: a tool panicked")

// runCall makes one call. What it does besides returning is its error.
func runCall(ctx context.Context, t Callable, c ModelCall) (r Reply, err error) {
	if c.Key != "" {
		ctx = WithOperationKey(ctx, c.Key)
	}
	args := c.Arguments
	if len(strings.TrimSpace(string(args))) == 0 {
		args = json.RawMessage("{}")
	}
	broke := guard.Run(errToolPanic, func() error { r, err = t.Invoke(ctx, args); return nil })
	switch {
	case broke != nil:
		return refused("The tool failed: it panicked or ended its goroutine. What it had begun may have been done."), broke
	case err != nil && r.Text == "":
		r = refused(ErrorText(err))
	case r.Text == "":
		r.Text = "The tool said nothing."
	}
	return r, err
}
