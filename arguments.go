package duvotool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/outcome"
)

// plainSchema is that of a tool which takes plain text.
var plainSchema = mustSchema(`{"type":"object","properties":{"input":{"type":"string",
	"description":"What is to be done, in plain words, with every detail the worker needs."}},
	"required":["input"],"additionalProperties":false}`)

func mustSchema(text string) *schema.Schema {
	s, err := schema.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return s
}

// Schema returns the JSON Schema of the arguments that [Tool.CallArguments]
// takes: that of [InputOf] or [InputSchema], else an object with one required
// text, "input". It is of an object, has no references, and is the caller's.
func (t *Tool) Schema() json.RawMessage { return slices.Clone(t.schema().JSON()) }

func (t *Tool) schema() *schema.Schema {
	if t.input == nil {
		return plainSchema
	}
	return t.input.schema
}

// CallArguments is [Tool.Call] with the arguments of a model's tool call, as
// JSON that fits [Tool.Schema]. It is for adapters to frameworks that offer
// schemas. Arguments that do not fit are an observation, and cost no Job.
func (t *Tool) CallArguments(ctx context.Context, arguments json.RawMessage) (string, error) {
	if t == nil {
		return "", errNilTool
	}
	end := t.reg.callbackStart(ctx, string(arguments))
	out, err := t.observe(t.runMessage(ctx, func() (string, error) { return t.message(arguments, false) }))
	end(out, err)
	return out, err
}

// message turns JSON arguments into what the Job is told, or returns an
// *InputError. written tells that Go wrote them, for whom a nil list is null.
func (t *Tool) message(arguments []byte, written bool) (string, error) {
	if len(arguments) > t.work.Settings.MaxInput {
		return "", t.tooLong(len(arguments))
	}
	s := t.schema()
	v, err := schema.Decode(arguments)
	if err != nil {
		return "", t.badArguments("they are not JSON: " + err.Error() + "; expected " + s.Fields())
	}
	v = s.Tidy(v, written)
	if problem := s.Check(v, "the whole", true); problem != "" {
		return "", t.badArguments(problem)
	}
	if t.input == nil {
		return strings.TrimSpace(v.(map[string]any)["input"].(string)), nil
	}
	return t.render(schema.Canonical(v))
}

// render makes the message of arguments that fit.
func (t *Tool) render(arguments []byte) (message string, err error) {
	err = guard.Run(engine.ErrRenderPanic, func() (err error) {
		if message, err = t.input.message(arguments); err != nil {
			return t.badArguments(err.Error()) // its words are the program's too
		}
		return nil
	})
	if errors.Is(err, engine.ErrRenderPanic) {
		err = &outcome.JobError{Phase: outcome.PhaseNew, Assignment: t.work.Assignment.Name, Err: err}
	}
	if err != nil {
		return "", err
	}
	return message, nil
}

func (t *Tool) badArguments(problem string) *outcome.InputError {
	return &outcome.InputError{Tool: t.work.Name, Problem: "the arguments cannot be used: " + safetext.OneLine(problem, engine.MaxProblem)}
}

func (t *Tool) tooLong(size int) *outcome.InputError {
	return &outcome.InputError{Tool: t.work.Name, Problem: fmt.Sprintf("the input has %d bytes, and at most %d are taken; shorten it", size, t.work.Settings.MaxInput)}
}

// fence is a block of code that a model puts around JSON.
var fence = regexp.MustCompile("(?s)^```[a-zA-Z0-9]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```$")

// jsonInput finds the arguments in what an agent that knows only texts hands
// over: without a code fence, and out of the wrappings of a text in JSON and of
// langchaingo's one argument.
func (t *Tool) jsonInput(input string) []byte {
	text := []byte(strings.TrimSpace(input))
	for range 3 {
		if m := fence.FindSubmatch(text); m != nil {
			text = bytes.TrimSpace(m[1])
		}
		var s string
		if json.Unmarshal(text, &s) == nil && strings.HasPrefix(strings.TrimSpace(s), "{") {
			text = []byte(strings.TrimSpace(s))
			continue
		}
		var wrapped map[string]json.RawMessage
		const one = "__arg1"
		if json.Unmarshal(text, &wrapped) == nil && len(wrapped) == 1 && wrapped[one] != nil && !t.schema().Has(one) {
			text = bytes.TrimSpace(wrapped[one])
			continue
		}
		break
	}
	return text
}

// inputMessage turns what Call and Run are given into what the Job is told.
func (t *Tool) inputMessage(input string) (string, error) {
	if t.input == nil {
		return input, nil
	}
	if len(input) > t.work.Settings.MaxInput {
		return "", t.tooLong(len(input))
	}
	return t.message(t.jsonInput(input), false)
}

// maxHint bounds what a description tells of the arguments, in characters.
const maxHint = 1000

// withHint adds to a typed tool's description what its arguments are, for models
// that are not shown the schema.
func (t *Tool) withHint(description string) string {
	if t.input == nil {
		return description
	}
	if !strings.HasSuffix(description, ".") {
		description += "."
	}
	return description + " The input is " + safetext.OneLine(t.input.schema.Fields(), maxHint) + "."
}
