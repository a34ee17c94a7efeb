package duvotool

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// A Tool hands work to one Assignment. It is langchaingo's tools.Tool, and has
// a typed [Tool.Run] besides. It is safe for concurrent use. Get it from a
// [Registry].
type Tool struct {
	reg   *Registry
	entry *catalog.Entry // as it was handed out
}

var _ tools.Tool = (*Tool)(nil)

// latest returns the entry as the last refresh saw its Assignment: with the name and
// the options that the tool was handed out with, and all else as it is now.
func (t *Tool) latest() *catalog.Entry {
	return t.entry.As(t.reg.latest.Load().Kept(t.entry.Work.Assignment.ID))
}

// errNilTool is the error of calls on a nil tool, such as the first result of
// [Registry.FindTool] where the second is false.
var errNilTool = errtext.Errorf("duvotool: a call of a nil *Tool: %w", hitl.ErrNoTool)

// Name returns the tool's name, as the model writes it.
func (t *Tool) Name() string { return t.entry.Work.Name }

// Description returns what the model reads of the tool: the description of the
// Assignment's latest Build, as the last discovery or refresh saw it, on one line.
// That of a typed tool then tells its arguments, for agents that do not offer
// [Tool.Schema]. All of it is at most 1,024 characters, a mark where it was cut
// included.
func (t *Tool) Description() string { return t.entry.Input.Hint(t.latest().Description) }

// FunctionDescription is Description without the arguments, for agents that
// offer [Tool.Schema].
func (t *Tool) FunctionDescription() string { return t.latest().Description }

// Folder returns the path of the Assignment's folder in Duvo, as in
// "Support/Refunds". It is empty where the Assignment lies in none, or the
// backend knows no folders.
func (t *Tool) Folder() string { return t.latest().Work.Folder }

// Assignment returns the Assignment, as the last discovery or refresh saw it. It is
// the caller's own.
func (t *Tool) Assignment() duvo.Assignment { return clone.Assignment(t.latest().Work.Assignment) }

// Call runs a Job on the model's input and returns what the model is to read:
// [outcome.Result.Observation] where the outcome is known, or why the input cannot be
// used. The error is for what the model cannot mend; see the package
// documentation for which is which.
//
// The input is plain text; that of a typed tool is JSON that fits [Tool.Schema],
// perhaps in a code fence. See [Tool.CallArguments] for frameworks that offer
// schemas.
func (t *Tool) Call(ctx context.Context, input string) (string, error) {
	if t == nil {
		return "", errNilTool
	}
	reply, err := t.reg.invoke(ctx, input, func() (Reply, error) { return replyOf(t.Run(ctx, react.Input(input))) })
	return reply.text(err)
}

// CallArguments is [Tool.Call] with the arguments of a model's tool call, as
// JSON that fits [Tool.Schema]. It is for adapters to frameworks that offer
// schemas. Arguments that do not fit are an observation, and cost no Job.
func (t *Tool) CallArguments(ctx context.Context, arguments json.RawMessage) (string, error) {
	if t == nil {
		return "", errNilTool
	}
	reply, err := t.Invoke(ctx, arguments)
	return reply.text(err)
}

// Run runs a Job on the message and waits for its end. The error is nil
// whenever the outcome is known, also when the Job failed: see
// [outcome.Result.Outcome] and [outcome.Result.Err]. Otherwise it is an [*outcome.InputError], where
// no Job was started, or a [*outcome.JobError]. For a typed tool the message is the
// JSON arguments, as for Call.
//
// When ctx ends Run returns at once; the Job goes on in Duvo and the error
// holds what is needed to come back to it.
func (t *Tool) Run(ctx context.Context, message string) (*outcome.Result, error) {
	return t.runMessage(ctx, func() (string, error) { return t.entry.Input.Text(t.entry.Work, message) })
}

// runMessage is Run with what makes the message to the Job.
func (t *Tool) runMessage(ctx context.Context, make func() (string, error)) (*outcome.Result, error) {
	message, err := t.messageOf(ctx, make)
	if err != nil {
		return nil, err
	}
	return t.reg.ops.Run(ctx, t.latest().Work, message)
}

// messageOf makes the message to the Job, and checks it.
func (t *Tool) messageOf(ctx context.Context, make func() (string, error)) (string, error) {
	if t == nil {
		return "", errNilTool
	}
	if err := ctx.Err(); err != nil {
		return "", &outcome.JobError{Phase: outcome.PhaseNew, Key: engine.KeyIn(ctx), Assignment: t.entry.Work.Assignment.Name, Err: context.Cause(ctx)}
	}
	message, err := make()
	if err != nil {
		return "", err
	}
	return message, typed.Check(t.entry.Work, message)
}

// Start is [Tool.Run] that does not wait: it returns once the operation is
// recorded, in the journal or, without one, by the registry. The Job, its policy
// and whatever else belongs to it go on without a caller, also in the next
// process if there is a journal.
//
// The Result is pending. Its Key, with [WithOperationKey], is that of a later Run
// or Call which waits for the end, and of [Registry.Lookup], which does not; its
// Handle is one for check_job; its JobID may still be empty. Where the key of the
// context stands for an operation that has ended, the Result is how it ended. The
// error is as for Run: an [*outcome.InputError] or a [*outcome.JobError], and then nothing goes on.
// What fails later, such as a start that Duvo refuses, is told by Run and Lookup. A
// start that does nothing because Duvo cannot be reached or refuses the key is tried
// again, ever more slowly, until it succeeds; until then [Registry.Jobs] lists it.
//
// When ctx ends before the operation is recorded nothing is started, unless the
// error's Phase says otherwise. After that its end changes nothing.
func (t *Tool) Start(ctx context.Context, input string) (*outcome.Result, error) {
	message, err := t.messageOf(ctx, func() (string, error) { return t.entry.Input.Text(t.entry.Work, input) })
	if err != nil {
		return nil, err
	}
	now := make(chan time.Time)
	close(now)
	return t.reg.ops.RunUntil(ctx, t.latest().Work, message, now)
}

// RunArguments is [Tool.Run] with the arguments of a model's tool call: JSON that fits
// [Tool.SchemaFor] in any dialect. What a model writes around it, a code fence or the
// quotation marks of a text, is taken off; a null for what may be left out is taken as
// left out. Arguments that do not fit are an [*outcome.InputError], whose text tells the
// model what to mend.
func (t *Tool) RunArguments(ctx context.Context, arguments json.RawMessage) (*outcome.Result, error) {
	return t.runMessage(ctx, func() (string, error) { return t.entry.Input.Message(t.entry.Work, arguments) })
}

// Invoke is [Tool.RunArguments] with what the model is to read.
func (t *Tool) Invoke(ctx context.Context, arguments json.RawMessage) (Reply, error) {
	if t == nil {
		return replyOf(nil, errNilTool)
	}
	return t.reg.invoke(ctx, string(arguments), func() (Reply, error) { return replyOf(t.RunArguments(ctx, arguments)) })
}

// String names the tool.
func (t *Tool) String() string {
	if t == nil || t.entry == nil {
		return "duvotool.Tool(none)"
	}
	return "duvotool.Tool(" + t.entry.Work.Name + ")"
}

// Format prints with every verb what String tells, and none of the options.
func (t *Tool) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue is what structured logs have of it.
func (t *Tool) LogValue() slog.Value { return slog.StringValue(t.String()) }
