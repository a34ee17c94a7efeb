package duvotool

import (
	"context"
	"errors"
	"reflect"

	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/outcome"
)

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
	own := t.entry.Copy()
	var err error
	if own.Input, err = typed.As[In](t.entry.Input, t.entry.Work.Name); err != nil {
		return nil, err
	}
	if own.Work.Settings.Output, err = typed.Answers[Out](t.entry.Work.Settings.Output, t.entry.Work.Name); err != nil {
		return nil, err
	}
	return &Typed[In, Out]{tool: &Tool{t.reg, own}, out: own.Work.Settings.Output}, nil
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
	out, err := typed.Answer[Out](t.out, res)
	if err != nil {
		return none, res, err
	}
	return out, res, nil
}

func (t *Typed[In, Out]) run(ctx context.Context, in In) (*outcome.Result, error) {
	if t.tool == nil {
		return nil, errNilTool
	}
	return t.tool.runMessage(ctx, func() (string, error) {
		if t.tool.entry.Input == nil {
			return reflect.ValueOf(in).String(), nil
		}
		return t.tool.entry.Input.Value(t.tool.entry.Work, in)
	})
}
