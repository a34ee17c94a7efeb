package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// plainInput is what a tool without options takes. Its message is made elsewhere.
var plainInput = &inputSpec{schema: plainSchema}

// Schema returns the JSON Schema of the arguments that [Tool.CallArguments]
// takes, in the [Neutral] dialect: that of [InputOf] or [InputSchema], else an
// object with one required text, "input". It is of an object, has no references, and
// is the caller's. What a model is offered that is not taken beyond that, its
// descriptions tell.
func (t *Tool) Schema() json.RawMessage {
	for _, d := range []Dialect{Neutral, OpenAI} { // the second one takes any name, for a tool that OfferTo keeps from others
		if text, err := t.SchemaFor(d); err == nil {
			return text
		}
	}
	return t.schema().JSON()
}

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
	reply, err := t.Invoke(ctx, arguments)
	return reply.text(err)
}

// message turns JSON arguments into what the Job is told, or returns an
// *InputError. written tells that Go wrote them, for whom a nil list is null.
func (t *Tool) message(arguments []byte, written bool) (string, error) {
	if len(arguments) > t.work.Settings.MaxInput {
		return "", t.tooLong(len(arguments))
	}
	s := t.schema()
	read := s.Read
	if written {
		read = schema.Decode
	}
	v, err := read(arguments)
	if errors.Is(err, schema.ErrTwice) {
		return "", t.badArguments(err.Error())
	}
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

// inputMessage turns what Call and Run are given into what the Job is told.
func (t *Tool) inputMessage(input string) (string, error) {
	if t.input == nil {
		return input, nil
	}
	if len(input) > t.work.Settings.MaxInput {
		return "", t.tooLong(len(input))
	}
	return t.message([]byte(input), false)
}
