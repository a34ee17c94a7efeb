package duvotool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/duvotool/duvotool/duvo"
)

// A FileStager is a [Backend] that can put files where a Job finds them.
// [WithFiles] needs one.
type FileStager interface {
	// StageFiles puts the files into a new sandbox. No error of it has started
	// a Job.
	StageFiles(context.Context, fs.FS) (sandboxID string, err error)
}

// A SandboxMaker is a [Backend] that can make sandboxes. [WithMarkedStarts] needs
// one.
type SandboxMaker interface {
	CreateSandbox(context.Context) (duvo.Sandbox, error)
}

var (
	_ FileStager   = (*duvo.Client)(nil)
	_ SandboxMaker = (*duvo.Client)(nil)
)

type filesKey struct{}

// WithFiles returns a context for one call, whose Job finds these files in its
// sandbox; see [duvo.Client.StageFiles] for what is taken. They come from the
// host program, never from the model. It needs a backend that is a
// [FileStager].
//
// The files are staged by the first call of an operation, before its Job is
// started. They are not part of what an operation key stands for: a call that
// repeats another stages nothing.
func WithFiles(ctx context.Context, files fs.FS) context.Context {
	return context.WithValue(ctx, filesKey{}, files)
}

// WithMarkedStarts starts every Job with a sandbox of its own, be it empty. So
// the Job of a start whose answer was lost can be told from all others, and is
// looked for before the start is sent again, which then is right also on a
// server that does not honour the Idempotency-Key. It costs a request a Job, and
// needs a backend that is a [SandboxMaker] and a [JobLister].
//
// A Job that is called [WithFiles] has such a sandbox in any case, and with
// [WithWebhook] a delivery that comes tells the Job as well.
func WithMarkedStarts() ToolOption {
	return toolOptionFunc(func(t *toolConfig) error { t.marked = true; return nil })
}

var errNoFiles = errors.New("the files of the call that began this operation are not here; call again with them")

// stage makes the sandbox that the Job is started with, if it is to have one. It
// returns false if the run has ended.
func (op *operation) stage() bool {
	s := &op.job
	files, _ := op.run.ctx.Value(filesKey{}).(fs.FS)
	if s.sandbox != "" || s.doubtful || files == nil && !s.files && !op.tool.cfg.marked {
		return true
	}
	make := func(ctx context.Context) (string, error) { return "", errNoFiles }
	switch {
	case files != nil:
		s.files = true
		if b, ok := op.reg.backend.(FileStager); ok {
			make = func(ctx context.Context) (string, error) { return b.StageFiles(ctx, files) }
		} else {
			make = func(context.Context) (string, error) {
				return "", fmt.Errorf("the backend %T cannot stage files", op.reg.backend)
			}
		}
	case !s.files:
		make = func(ctx context.Context) (string, error) {
			box, err := op.reg.backend.(SandboxMaker).CreateSandbox(ctx) // checked by Discover
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
		op.reg.log.Warn("duvotool: making a sandbox", "operation", op.key, "attempt", attempt, "error", SafeLine(err.Error(), 500))
		if !duvo.Temporary(err) || attempt == startAttempts {
			op.fail(err)
			return false
		}
		if !op.pause(err, attempt, false) {
			return false
		}
	}
}
