package duvotool

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/duvotool/duvotool/internal/errorwords"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// A Callable is a tool that a model may be offered, whatever framework it is called
// from: every tool of a registry is one, those of Assignments and its own (check_job,
// continue_job, duvo_search, duvo_run and duvo). Each is safe for concurrent use. An
// adapter needs nothing else; [RunCalls] runs what a model asks for.
type Callable interface {
	// Name is unique among a registry's tools.
	Name() string
	// FunctionDescription is what the model reads of the tool beside its schema.
	FunctionDescription() string
	// SchemaFor is the schema of the arguments in a dialect.
	SchemaFor(Dialect) (json.RawMessage, error)
	// Invoke calls the tool with the arguments of a model's call. The Reply is what
	// the model is to read, also beside an error; the error is for what it cannot
	// mend, as that of [Tool.Call].
	Invoke(ctx context.Context, arguments json.RawMessage) (Reply, error)
}

// A Reply is what a call of a [Callable] came to.
type Reply struct {
	// Text is safe to show a model, and never empty.
	Text string
	// IsError tells that nothing came of the call: its arguments cannot be used, what
	// it names is not there, its Job failed or no longer exists, or it ended in an
	// error. A denial and a Job that still waits are none.
	IsError bool
	// Result is that of the Job which the call was about. Nil: there is none, or it is
	// not known; an [outcome.JobError] tells of that.
	Result *outcome.Result
}

var (
	_ Callable = (*Tool)(nil)
	_ Callable = (*ownTool)(nil)
)

// Callables are [Registry.Tools] for adapters. The slice is the caller's.
func (r *Registry) Callables() []Callable {
	var out []Callable
	for _, t := range r.Tools() {
		out = append(out, t.(Callable)) // all are
	}
	return out
}

// AsCallable returns a tool of a registry, such as [Registry.SearchTool], as what
// adapters take; false for any other tool.
func AsCallable(t tools.Tool) (Callable, bool) {
	c, ok := t.(Callable)
	return c, ok
}

// invoke frames a call: it is told to the callbacks.
func (r *Registry) invoke(ctx context.Context, input string, call func() (Reply, error)) (Reply, error) {
	end := r.callbackStart(ctx, input)
	reply, err := call()
	if err != nil {
		end("", err)
		return reply, err
	}
	end(reply.Text, nil)
	return reply, nil
}

// text is what langchaingo's tools return of a reply.
func (r Reply) text(err error) (string, error) {
	if err != nil {
		return "", err
	}
	return r.Text, nil
}

// ErrorText tells a model what a call came to that ended in an error: what became
// of its Job, and the kind of failure. The error's own words are the program's: a
// policy, a journal or a backend may have put into them what is no business of a
// model, so nothing of them is told but the text of an [*outcome.InputError], which
// is meant for it. Log the error itself where the program's operators see it.
//
// It is empty for a nil error.
func ErrorText(err error) string { return errorwords.Text(err) }

// replyOf turns what a call came to into what the model reads.
func replyOf(res *outcome.Result, err error) (Reply, error) {
	var bad *outcome.InputError
	switch {
	case errors.As(err, &bad):
		return refused(bad.Observation()), nil
	case err != nil:
		return refused(ErrorText(err)), err
	}
	failed := res.Outcome == outcome.OutcomeFailed || res.Outcome == outcome.OutcomeGone
	return Reply{Text: res.Observation(), IsError: failed, Result: res}, nil
}

// refused is the reply to a call of which nothing came.
func refused(text string) Reply { return Reply{Text: text, IsError: true} }
