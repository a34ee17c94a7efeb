package duvotool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
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

var _ tools.Tool = (*Tool)(nil)

const (
	maxDescription = 1024 // characters
	maxShownName   = 200
)

func (r *Registry) newTool(a duvo.Assignment, name string, tree folderTree) (*Tool, error) {
	t := &Tool{reg: r, assignment: a, name: name, folder: tree[a.FolderID].path, cfg: r.cfg.tool.clone()}
	for _, c := range r.cfg.configure {
		if !c.selector.match(a, tree) {
			continue
		}
		for _, o := range c.options {
			if err := o.applyTool(&t.cfg); err != nil {
				return nil, fmt.Errorf("duvotool: %w", err)
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

// Name returns the tool's name, as the model writes it.
func (t *Tool) Name() string { return t.name }

// Description returns what the model reads of the tool: the description of the
// Assignment's latest Build, on one line of at most 1,024 characters.
func (t *Tool) Description() string { return t.description }

// Folder returns the path of the Assignment's folder in Duvo, as in
// "Support/Refunds". It is empty where the Assignment lies in none, or the
// backend knows no folders.
func (t *Tool) Folder() string { return t.folder }

// Assignment returns the Assignment, as it was discovered.
func (t *Tool) Assignment() duvo.Assignment { return t.assignment }

// Call runs a Job on the model's input and returns what the model is to read:
// [Result.Observation] where the outcome is known, or why the input cannot be
// used. The error is for what the model cannot mend; see the package
// documentation for which is which.
func (t *Tool) Call(ctx context.Context, input string) (string, error) {
	end := t.reg.callbackStart(ctx, input)
	out, err := t.call(ctx, input)
	end(out, err)
	return out, err
}

func (t *Tool) call(ctx context.Context, input string) (string, error) {
	res, err := t.Run(ctx, react.Input(input))
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
// no Job was started, or a [*JobError].
//
// When ctx ends Run returns at once; the Job goes on in Duvo and the error
// holds what is needed to come back to it.
func (t *Tool) Run(ctx context.Context, message string) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &JobError{Phase: PhaseNew, Assignment: t.assignment.Name, Err: context.Cause(ctx)}
	}
	if err := t.checkInput(message); err != nil {
		return nil, err
	}
	return t.reg.run(ctx, t, message)
}

func (t *Tool) checkInput(message string) error {
	switch {
	case strings.TrimSpace(message) == "":
		return &InputError{Tool: t.name, Problem: "the input is empty; say in plain words what is to be done, with every detail the worker needs"}
	case len(message) > t.cfg.maxInput:
		return &InputError{Tool: t.name, Problem: fmt.Sprintf("the input has %d bytes, and at most %d are taken; shorten it", len(message), t.cfg.maxInput)}
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
func (e *InputError) Error() string { return "duvotool: " + e.Tool + ": " + e.Problem }

// Observation is what the model reads.
func (e *InputError) Observation() string {
	return "No Job was started: " + e.Problem + "."
}
