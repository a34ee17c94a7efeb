package duvotool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/react"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/tmc/langchaingo/tools"
)

// A Tool hands work to one Assignment. It is langchaingo's tools.Tool, and has
// a typed [Tool.Run] besides. It is safe for concurrent use. Get it from a
// [Registry].
type Tool struct {
	reg         *Registry
	assignment  duvo.Assignment
	name        string
	folder      string // the path of its folder
	description string
	undescribed bool
	cfg         toolConfig
}

// latest returns the tool as the last refresh saw its Assignment: with the name
// and the options that it was handed out with, and all else as it is now. Of an
// Assignment that is no longer offered it is what was known.
func (t *Tool) latest() *Tool {
	now := t.reg.kept(t.assignment.ID)
	if now == nil || now == t || sameAssignment(now.assignment, t.assignment) && now.folder == t.folder && now.description == t.description {
		return t // no copy for each call's operation to keep
	}
	own := *t
	own.assignment, own.folder, own.description, own.undescribed = now.assignment, now.folder, now.description, now.undescribed
	return &own
}

var _ tools.Tool = (*Tool)(nil)

const (
	maxDescription = 1024 // characters
	maxShownName   = 200
)

func (r *Registry) newTool(a duvo.Assignment, name string, tree folderTree, b bound) (*Tool, error) {
	t := &Tool{reg: r, assignment: a, name: name, folder: tree[a.FolderID].path, cfg: r.cfg.tool.clone()}
	for i, c := range r.cfg.configure {
		if !b.holds(i, a.ID) && !c.selector.match(a, tree) {
			continue
		}
		for _, o := range c.options {
			if err := o.applyTool(&t.cfg); err != nil {
				return nil, errtext.Errorf("duvotool: %w", err)
			}
		}
	}
	if a.LatestBuild != nil {
		t.description = safetext.OneLine(a.LatestBuild.Description, maxDescription)
	}
	if t.description == "" {
		t.undescribed = true
		t.description = fmt.Sprintf("The Duvo Assignment %q. Nobody has described what it does.", safetext.OneLine(a.Name, maxShownName))
	}
	return t, nil
}

// errNilTool is the error of calls on a nil tool, such as the first result of
// [Registry.FindTool] where the second is false.
var errNilTool = fmt.Errorf("duvotool: a call of a nil *Tool: %w", ErrNoTool)

// Name returns the tool's name, as the model writes it.
func (t *Tool) Name() string { return t.name }

// Description returns what the model reads of the tool: the description of the
// Assignment's latest Build, as the last discovery or refresh saw it, on one line
// of at most 1,024 characters. That of a typed tool then tells its arguments, for
// agents that do not offer [Tool.Schema].
func (t *Tool) Description() string { return t.withHint(t.latest().description) }

// FunctionDescription is Description without the arguments, for agents that
// offer [Tool.Schema].
func (t *Tool) FunctionDescription() string { return t.latest().description }

// Folder returns the path of the Assignment's folder in Duvo, as in
// "Support/Refunds". It is empty where the Assignment lies in none, or the
// backend knows no folders.
func (t *Tool) Folder() string { return t.latest().folder }

// Assignment returns the Assignment, as the last discovery or refresh saw it. It is
// the caller's own.
func (t *Tool) Assignment() duvo.Assignment { return cloneAssignment(t.latest().assignment) }

// Call runs a Job on the model's input and returns what the model is to read:
// [Result.Observation] where the outcome is known, or why the input cannot be
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
	end := t.reg.callbackStart(ctx, input)
	out, err := t.observe(t.Run(ctx, react.Input(input)))
	end(out, err)
	return out, err
}

// observe turns what a call came to into what the model reads.
func (t *Tool) observe(res *Result, err error) (string, error) {
	var bad *InputError
	switch {
	case errors.As(err, &bad):
		return bad.Observation(), nil
	case err != nil:
		return "", err
	}
	return res.Observation(), nil
}

// Run runs a Job on the message and waits for its end. The error is nil
// whenever the outcome is known, also when the Job failed: see
// [Result.Outcome] and [Result.Err]. Otherwise it is an [*InputError], where
// no Job was started, or a [*JobError]. For a typed tool the message is the
// JSON arguments, as for Call.
//
// When ctx ends Run returns at once; the Job goes on in Duvo and the error
// holds what is needed to come back to it.
func (t *Tool) Run(ctx context.Context, message string) (*Result, error) {
	return t.runMessage(ctx, func() (string, error) { return t.inputMessage(message) })
}

// runMessage is Run with what makes the message to the Job.
func (t *Tool) runMessage(ctx context.Context, make func() (string, error)) (*Result, error) {
	message, err := t.messageOf(ctx, make)
	if err != nil {
		return nil, err
	}
	return t.reg.run(ctx, t.latest(), message, nil)
}

// messageOf makes the message to the Job, and checks it.
func (t *Tool) messageOf(ctx context.Context, make func() (string, error)) (string, error) {
	if t == nil {
		return "", errNilTool
	}
	if err := ctx.Err(); err != nil {
		return "", &JobError{Phase: PhaseNew, Assignment: t.assignment.Name, Err: context.Cause(ctx)}
	}
	message, err := make()
	if err != nil {
		return "", err
	}
	return message, t.checkInput(message)
}

func (t *Tool) checkInput(message string) error {
	switch {
	case strings.TrimSpace(message) == "":
		return &InputError{Tool: t.name, Problem: "the input is empty; say in plain words what is to be done, with every detail the worker needs"}
	case len(message) > t.cfg.maxInput:
		return t.tooLong(len(message))
	case !utf8.ValidString(message):
		return &InputError{Tool: t.name, Problem: "the input is not valid UTF-8 text"}
	}
	return nil
}

// An InputError is an input for which no Job was started. Call tells it to the
// model; Run returns it.
type InputError struct {
	Tool    string
	Problem string
	Gone    bool // the Assignment is no longer there: no other input will do
}

// Error tells the problem.
func (e *InputError) Error() string { return errtext.Once("duvotool: " + e.Tool + ": " + e.Problem) }

// Observation is what the model reads.
func (e *InputError) Observation() string {
	return "No Job was started: " + e.Problem + "."
}
