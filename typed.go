package duvotool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/outcome"
)

// InputOf lets a tool take arguments of the Go type T, a struct, instead of
// plain text. The schema that a model is offered is T's: names from json tags,
// descriptions, enums and bounds from jsonschema tags, as
// github.com/invopop/jsonschema reads them; a field is required unless its json
// tag says omitempty or omitzero, or an embedded pointer leads to it. What
// encoding/json writes of a T fits: a pointer may be null, and of a nil slice or map
// that [Typed.Run] is given nothing is there. A time.Duration is a number of
// nanoseconds, and its description says so.
//
//	type Refund struct {
//		Order  int64  `json:"order" jsonschema:"minimum=1"`
//		Reason string `json:"reason" jsonschema:"enum=broken,enum=late,description=What went wrong"`
//		Note   string `json:"note,omitempty"`
//	}
//
// Arguments that do not fit start no Job: they are an [*outcome.InputError], whose text
// tells the model which field is wrong and what is expected there. Those that
// fit are sent to the Job as JSON, written in one way, so that the same
// arguments are the same operation; see [RenderInput] for another form. A null
// for an optional field is taken as its absence.
//
// Where the schema allows names that T does not have, one that differs from a
// field's in the case of its letters alone is refused.
//
// The option is refused for a type that has no schema of an object: one that
// holds itself, that decodes or encodes itself and does not tell its schema, or that
// has what no schema could tell, such as bounds of a number that is written as text.
func InputOf[T any]() ToolOption { return inputOption[T]("InputOf", nil) }

// RenderInput is [InputOf] with a message of your own to the Job: render is
// given the decoded arguments. An error refuses them, and its text goes to the
// model, as that of an InputError.
//
// The message is what makes two calls one operation, so render should depend on
// nothing but its argument. It may be called concurrently.
func RenderInput[T any](render func(T) (string, error)) ToolOption {
	if render == nil {
		return toolOptionFunc(func(*toolConfig) error { return errors.New("RenderInput: the function is nil") })
	}
	return inputOption("RenderInput", render)
}

func inputOption[T any](name string, render func(T) (string, error)) ToolOption {
	spec, err := newInputSpec(render)
	if err != nil {
		err = fmt.Errorf("%s[%s]: %w", name, reflect.TypeFor[T](), err)
	}
	return toolOptionFunc(func(t *toolConfig) error {
		if err == nil {
			t.input = spec
		}
		return err
	})
}

// InputSchema lets a tool take arguments that fit a JSON Schema of an object,
// given as JSON; see [InputOf]. It is of draft 2020-12 unless its $schema names
// another one from draft 4 on, and is then written in the words of 2020-12. What its
// references refer to is put in their place, because models' providers take none; so a
// reference must be to a place in the schema itself, and a recursive schema is
// refused. Parts of allOf are merged, and an object that nothing fits is refused.
// Patterns are in the syntax of package regexp.
func InputSchema(raw json.RawMessage) ToolOption {
	s, err := schema.Parse(raw)
	if err == nil {
		err = s.RequireObject()
	}
	return toolOptionFunc(func(t *toolConfig) error {
		if err != nil {
			return fmt.Errorf("InputSchema: %w", err)
		}
		t.input = &inputSpec{schema: s, message: func(arguments []byte) (string, error) { return string(arguments), nil }}
		return nil
	})
}

// OutputOf says what a completed Job is to answer: JSON that decodes into T, as
// the whole of its last words, in a code fence, or as the last object in them.
// What was found is in [outcome.Result.Data]; where nothing fits, [outcome.Result.Note] tells
// the model and you what is wrong. The outcome stays that of the Job.
//
// The Assignment must know what it is to answer. Say so in its SOP, or use
// [CorrectOnce], which tells it.
func OutputOf[T any]() ToolOption {
	spec, err := newOutputSpec[T]()
	return toolOptionFunc(func(t *toolConfig) error {
		if err != nil {
			return fmt.Errorf("OutputOf[%s]: %w", reflect.TypeFor[T](), err)
		}
		t.Output = spec
		return nil
	})
}

// CorrectOnce sends a Job that has completed, and whose answer is not what
// [OutputOf] asks for, a message that tells what is expected, once. That resumes
// the Job, so the call goes on waiting. It needs a backend that is a
// [JobMessenger], and does nothing without OutputOf or the Out of [As]. A message
// of [Registry.Continue] is not followed by one.
func CorrectOnce() ToolOption {
	return toolOptionFunc(func(t *toolConfig) error { t.Correct = true; return nil })
}

// inputSpec is what a typed tool takes. It is never changed.
type inputSpec struct {
	schema  *schema.Schema
	schemas written      // of it, as models are offered it
	goType  reflect.Type // nil: the schema was given as JSON
	message func(arguments []byte) (string, error)
}

func newInputSpec[T any](render func(T) (string, error)) (*inputSpec, error) {
	s, err := schema.Of(reflect.TypeFor[T](), false)
	if err != nil {
		return nil, err
	}
	if err := s.RequireObject(); err != nil {
		return nil, fmt.Errorf("%w; use a struct", err)
	}
	return &inputSpec{schema: s, goType: reflect.TypeFor[T](), message: func(arguments []byte) (string, error) {
		v, err := decodeInto[T](arguments)
		if err != nil {
			return "", err
		}
		if render == nil {
			return string(arguments), nil
		}
		return render(v)
	}}, nil
}

func newOutputSpec[T any]() (*engine.Output, error) {
	s, err := schema.Of(reflect.TypeFor[T](), true)
	if err != nil {
		return nil, err
	}
	return &engine.Output{Schema: s, GoType: reflect.TypeFor[T](), Check: func(data []byte) error {
		_, err := decodeInto[T](data)
		return err
	}}, nil
}

// decodeInto decodes JSON that fits the schema of T, unless a name in it would be
// taken for another one. Numbers in an any are
// json.Number, so that none loses a digit.
func decodeInto[T any](data []byte) (T, error) {
	var v T
	read, err := schema.Decode(data)
	if err == nil {
		err = schema.CheckNames(reflect.TypeFor[T](), read)
	}
	if err != nil {
		return v, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err = dec.Decode(&v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field := wrong.Field
		if field == "" {
			field = "a value"
		}
		want := fmt.Sprintf("what fits the Go type %s", wrong.Type)
		if k := wrong.Type.Kind(); k >= reflect.Int && k <= reflect.Uint64 {
			want = fmt.Sprintf("an integer that fits %d bits", wrong.Type.Bits())
		}
		err = fmt.Errorf("%s: expected %s, got %s", hitl.SafeLine(field, 200), want, hitl.SafeLine(wrong.Value, 60))
	}
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}

// Typed is a tool with the types of its ends, for programs that call it
// themselves. Make it with [As]. It is safe for concurrent use.
type Typed[In, Out any] struct {
	tool *Tool
	out  *engine.Output // nil: Out is string
}

// As gives a tool types. In is a struct, or a string that is the message as it
// is; Out is what the Job's answer decodes into, or a string that is the answer
// as it is.
//
// A tool that is configured with [InputOf] or [OutputOf] must be so with the
// same types. One that is not is used as if it were, by this Typed alone. With
// [InputSchema], In is written as JSON and must fit that schema.
func As[In, Out any](t *Tool) (*Typed[In, Out], error) {
	if t == nil {
		return nil, errors.New("duvotool: As: the tool is nil")
	}
	own := t.copy()
	in, out := reflect.TypeFor[In](), reflect.TypeFor[Out]()
	switch {
	case own.input == nil && in.Kind() == reflect.String:
	case own.input == nil:
		spec, err := newInputSpec[In](nil)
		if err != nil {
			return nil, errtext.Errorf("duvotool: As: the input %s: %w", in, err)
		}
		own.input = spec
	case own.input.goType != nil && own.input.goType != in:
		return nil, fmt.Errorf("duvotool: As: %s takes %s, not %s", t.work.Name, own.input.goType, in)
	}
	switch {
	case own.work.Settings.Output == nil && out.Kind() == reflect.String:
	case own.work.Settings.Output == nil:
		spec, err := newOutputSpec[Out]()
		if err != nil {
			return nil, errtext.Errorf("duvotool: As: the output %s: %w", out, err)
		}
		own.work.Settings.Output = spec
	case own.work.Settings.Output.GoType != out:
		return nil, fmt.Errorf("duvotool: As: %s answers %s, not %s", t.work.Name, own.work.Settings.Output.GoType, out)
	}
	return &Typed[In, Out]{tool: own, out: own.work.Settings.Output}, nil
}

// Run runs a Job on in and waits for its end, as [Tool.Run] does. The error is
// nil only if the Job completed and its answer decoded. The Result is there
// whenever the outcome is known, also beside an error: that of [outcome.Result.Err], or
// an [*outcome.OutputError].
func (t *Typed[In, Out]) Run(ctx context.Context, in In) (Out, *outcome.Result, error) {
	var none Out
	res, err := t.run(ctx, in)
	if err != nil {
		return none, nil, err
	}
	if err := res.Err(); err != nil {
		return none, res, err
	}
	if t.out == nil {
		return reflect.ValueOf(res.Output).Convert(reflect.TypeFor[Out]()).Interface().(Out), res, nil
	}
	if res.Data == nil { // it may be the operation of a caller who asked for no type
		var problem string
		if res.Data, problem = t.out.Find(res.Output); res.Data == nil {
			return none, res, &outcome.OutputError{JobID: res.JobID, Problem: problem}
		}
	}
	out, err := decodeInto[Out](res.Data)
	if err != nil {
		return none, res, &outcome.OutputError{JobID: res.JobID, Problem: err.Error()}
	}
	return out, res, nil
}

func (t *Typed[In, Out]) run(ctx context.Context, in In) (*outcome.Result, error) {
	if t.tool == nil {
		return nil, errNilTool
	}
	if t.tool.input == nil {
		return t.tool.Run(ctx, reflect.ValueOf(in).String())
	}
	arguments, err := t.tool.encode(in)
	if err != nil {
		return nil, err
	}
	return t.tool.runMessage(ctx, func() (string, error) { return t.tool.message(arguments, true) })
}

// encode writes arguments as JSON, which may call methods of the program's types.
func (t *Tool) encode(in any) (arguments []byte, err error) {
	err = guard.Run(engine.ErrRenderPanic, func() (err error) {
		if arguments, err = json.Marshal(&in); err != nil {
			err = &outcome.InputError{Tool: t.work.Name, Problem: "the input cannot be written as JSON: " + hitl.SafeLine(err.Error(), 300)}
		}
		return err
	})
	if errors.Is(err, engine.ErrRenderPanic) {
		err = &outcome.JobError{Phase: outcome.PhaseNew, Assignment: t.work.Assignment.Name, Err: err}
	}
	return arguments, err
}
