package typed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/schema"
	"github.com/duvotool/duvotool/outcome"
)

// OutputOf is answers that decode into the Go type T.
func OutputOf[T any]() (*engine.Output, error) {
	s, err := schema.Of(reflect.TypeFor[T](), true)
	if err != nil {
		return nil, err
	}
	return &engine.Output{Schema: s, GoType: reflect.TypeFor[T](), Check: func(data []byte) error {
		_, err := Decode[T](data)
		return err
	}}, nil
}

// Answers returns what is answered where a program wants the type T: nil for a
// string, else what the tool has already, which must be T, or one that is made of T.
func Answers[T any](out *engine.Output, tool string) (*engine.Output, error) {
	t := reflect.TypeFor[T]()
	switch {
	case out == nil && t.Kind() == reflect.String:
	case out == nil:
		own, err := OutputOf[T]()
		if err != nil {
			return nil, errtext.Errorf("duvotool: As: the output %s: %w", t, err)
		}
		return own, nil
	case out.GoType != t:
		return nil, fmt.Errorf("duvotool: As: %s answers %s, not %s", tool, out.GoType, t)
	}
	return out, nil
}

// Answer reads the answer of a Job that has completed; out is that of [Answers]. It
// fills the Data of a Result of whose caller no type was asked for.
func Answer[T any](out *engine.Output, res *outcome.Result) (T, error) {
	var none T
	if out == nil {
		return reflect.ValueOf(res.Output).Convert(reflect.TypeFor[T]()).Interface().(T), nil
	}
	if res.Data == nil {
		var problem string
		if res.Data, problem = out.Find(res.Output); res.Data == nil {
			return none, &outcome.OutputError{JobID: res.JobID, Problem: problem}
		}
	}
	v, err := Decode[T](res.Data)
	if err != nil {
		return none, &outcome.OutputError{JobID: res.JobID, Problem: err.Error()}
	}
	return v, nil
}

// Decode decodes JSON that fits the schema of T, unless a name in it would be taken
// for another one. Numbers in an any are json.Number, so that none loses a digit.
func Decode[T any](data []byte) (T, error) {
	var v, none T
	read, err := schema.Decode(data)
	if err == nil {
		err = schema.CheckNames(reflect.TypeFor[T](), read)
	}
	if err != nil {
		return none, err
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
		return none, err
	}
	return v, nil
}
