package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
)

var errNoFiles = errors.New("the files of the call that began this operation are not here; call again with them")

// stage makes the sandbox that the Job is started with.
func (op *operation) stage(r *run, f lifecycle.StageFiles) {
	answer := func(id string, err error) lifecycle.Event {
		if err == nil && id == "" {
			err = errors.New("the backend made a sandbox without an ID")
		}
		if err == nil {
			return lifecycle.Staged{Name: f.Name, Sandbox: id}
		}
		r.note(lifecycle.CauseFiles, err)
		op.logger("").Warn("duvotool: making a sandbox", "error", hitl.SafeLine(err.Error(), 500))
		if duvo.Temporary(err) {
			return lifecycle.Staged{Name: f.Name, Failed: lifecycle.Nothing}
		}
		return lifecycle.Staged{Name: f.Name, Failed: lifecycle.Refusal}
	}
	op.do(func() lifecycle.Event { return answer(op.makeSandbox(r)) }, func(err error) lifecycle.Event { return answer("", err) })
}

func (op *operation) makeSandbox(r *run) (id string, err error) {
	u := r.undertake()
	defer r.done(u)
	ctx := u.ctx
	files, _ := ctx.Value(filesKey{}).(fs.FS)
	switch {
	case files != nil:
		b, ok := op.eng.backend.(fileStager)
		if !ok {
			return "", fmt.Errorf("the backend %T cannot stage files", op.eng.backend)
		}
		return b.StageFiles(ctx, files)
	case op.known().Order.Files:
		return "", errNoFiles
	}
	return emptySandbox(ctx, op.eng.backend)
}

func emptySandbox(ctx context.Context, b Port) (string, error) {
	box, err := b.(sandboxMaker).CreateSandbox(ctx) // checked by Discover
	return box.ID, err
}
