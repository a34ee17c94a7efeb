package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

type filesKey struct{}

var errNoFiles = errors.New("the files of the call that began this operation are not here; call again with them")

// stage makes the sandbox that the Job is started with, if it is to have one. It
// returns false if the run has ended.
func (op *operation) stage() bool {
	s := &op.job
	files, _ := op.run.ctx.Value(filesKey{}).(fs.FS)
	if s.sandbox != "" || s.doubtful || files == nil && !s.files && !op.work.Settings.Marked {
		return true
	}
	make := func(ctx context.Context) (string, error) { return "", errNoFiles }
	switch {
	case files != nil:
		s.files = true
		if b, ok := op.eng.backend.(fileStager); ok {
			make = func(ctx context.Context) (string, error) { return b.StageFiles(ctx, files) }
		} else {
			make = func(context.Context) (string, error) {
				return "", fmt.Errorf("the backend %T cannot stage files", op.eng.backend)
			}
		}
	case !s.files:
		make = func(ctx context.Context) (string, error) {
			box, err := op.eng.backend.(sandboxMaker).CreateSandbox(ctx) // checked by Discover
			return box.ID, err
		}
	}
	for attempt := 1; ; attempt++ {
		id, err := make(op.run.ctx)
		switch {
		case op.cancelled():
			return false
		case err == nil && id == "":
			op.fail(errors.New("the backend made a sandbox without an ID"))
			return false
		case err == nil:
			s.sandbox = id
			return true
		}
		op.eng.log.Warn("duvotool: making a sandbox", "operation", op.key, "attempt", attempt, "error", hitl.SafeLine(err.Error(), 500))
		if !duvo.Temporary(err) || attempt == startAttempts {
			op.fail(err)
			return false
		}
		if !op.pause(err, attempt, false) {
			return false
		}
	}
}
