package typed

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/outcome"
)

// Message turns a model's JSON arguments into what the Job is told, or returns an
// [*outcome.InputError] that tells the model what to mend.
func (in *Input) Message(w *engine.Work, arguments []byte) (string, error) {
	return in.messageOf(w, arguments, false)
}

// Text turns what stands for all of a tool's input into what the Job is told: plain
// text as it is, the arguments of a typed tool as JSON.
func (in *Input) Text(w *engine.Work, input string) (string, error) {
	if in == nil {
		return input, nil
	}
	return in.messageOf(w, []byte(input), false)
}

// Value turns arguments that a program gives as a Go value into what the Job is told.
// It may call methods of the program's types.
func (in *Input) Value(w *engine.Work, v any) (string, error) {
	var arguments []byte
	err := guard.Run(engine.ErrRenderPanic, func() (err error) {
		if arguments, err = json.Marshal(&v); err != nil {
			err = &outcome.InputError{Tool: w.Name, Problem: "the input cannot be written as JSON: " + hitl.SafeLine(err.Error(), 300)}
		}
		return err
	})
	if err != nil {
		return "", renderError(w, err)
	}
	return in.messageOf(w, arguments, true)
}

// FollowUp turns what is to be said to a Job that has ended into the message. To a
// typed tool's Jobs only arguments can be said: what was checked at the start would
// else be undone by what follows.
func (in *Input) FollowUp(w *engine.Work, text string) (string, error) {
	message, err := in.Text(w, text)
	if in != nil && err == nil && !schema.NothingBeside([]byte(text)) {
		err = &outcome.InputError{Problem: "there is something beside them"}
	}
	var bad *outcome.InputError
	if in != nil && errors.As(err, &bad) {
		return "", &outcome.InputError{Tool: w.Name, Problem: "what follows on a call of this tool must be arguments like those of the call, as JSON and with nothing beside it: " + bad.Problem}
	}
	return message, err
}

// Check refuses a message that no Job is told.
func Check(w *engine.Work, message string) error {
	switch {
	case strings.TrimSpace(message) == "":
		return &outcome.InputError{Tool: w.Name, Problem: "the input is empty; say in plain words what is to be done, with every detail the worker needs"}
	case len(message) > w.Settings.MaxInput:
		return tooLong(w, len(message))
	case !utf8.ValidString(message):
		return &outcome.InputError{Tool: w.Name, Problem: "the input is not valid UTF-8 text"}
	}
	return nil
}

// messageOf makes the message of arguments; written tells that Go wrote them, for
// whom a nil list is null.
func (in *Input) messageOf(w *engine.Work, arguments []byte, written bool) (string, error) {
	if len(arguments) > w.Settings.MaxInput {
		return "", tooLong(w, len(arguments))
	}
	s := in.orPlain().schema
	read := s.Read
	if written {
		read = schema.Decode
	}
	v, err := read(arguments)
	if errors.Is(err, schema.ErrTwice) {
		return "", unusable(w, err.Error())
	}
	if err != nil {
		return "", unusable(w, "they are not JSON: "+err.Error()+"; expected "+s.Fields())
	}
	v = s.Tidy(v, written)
	if problem := s.Check(v, "the whole", true); problem != "" {
		return "", unusable(w, problem)
	}
	if in == nil {
		return strings.TrimSpace(v.(map[string]any)["input"].(string)), nil
	}
	return in.render(w, schema.Canonical(v))
}

// render makes the message of arguments that fit.
func (in *Input) render(w *engine.Work, arguments []byte) (message string, err error) {
	err = guard.Run(engine.ErrRenderPanic, func() (err error) {
		if message, err = in.message(arguments); err != nil {
			return unusable(w, err.Error()) // its words are the program's too
		}
		return nil
	})
	if err != nil {
		return "", renderError(w, err)
	}
	return message, nil
}

// renderError is the error of a call in which the program's own code panicked.
func renderError(w *engine.Work, err error) error {
	if errors.Is(err, engine.ErrRenderPanic) {
		return &outcome.JobError{Phase: outcome.PhaseNew, Assignment: w.Assignment.Name, Err: err}
	}
	return err
}

func unusable(w *engine.Work, problem string) *outcome.InputError {
	return &outcome.InputError{Tool: w.Name, Problem: "the arguments cannot be used: " + safetext.OneLine(problem, engine.MaxProblem)}
}

func tooLong(w *engine.Work, size int) *outcome.InputError {
	return &outcome.InputError{Tool: w.Name, Problem: fmt.Sprintf("the input has %d bytes, and at most %d are taken; shorten it", size, w.Settings.MaxInput)}
}
