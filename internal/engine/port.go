package engine

import (
	"context"
	"errors"
	"io/fs"
	"iter"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// A Port is what an engine needs of Duvo; see Backend of package duvotool. What it
// may be able to do besides are the other interfaces here.
type Port interface {
	StartJob(context.Context, duvo.StartJob) (duvo.Job, error)
	Job(ctx context.Context, id string) (duvo.Job, error)
	Messages(ctx context.Context, jobID string) iter.Seq2[duvo.Message, error]
	Respond(context.Context, duvo.Response) error
}

type stopper interface {
	StopJob(ctx context.Context, id string) error
}

type messenger interface {
	PostMessage(ctx context.Context, jobID, text, idempotencyKey string) (duvo.Message, error)
}

type fileStager interface {
	StageFiles(context.Context, fs.FS) (sandboxID string, err error)
}

type sandboxMaker interface {
	CreateSandbox(context.Context) (duvo.Sandbox, error)
}

// classOf tells what a read that failed proves.
func classOf(err error) lifecycle.Class {
	switch {
	case errors.Is(err, outcome.ErrOtherJob):
		return lifecycle.Foreign
	case errors.Is(err, duvo.ErrNotFound):
		return lifecycle.Missing
	case errors.Is(err, duvo.ErrTooLarge): // and it will be the next time
		return lifecycle.Odd
	case errors.Is(err, duvo.ErrUnauthorized), errors.Is(err, duvo.ErrForbidden):
		return lifecycle.NotAllowed
	case duvo.Temporary(err), errors.Is(err, context.Canceled):
		return lifecycle.Down
	}
	return lifecycle.Odd
}

// Hosting is what a [Seat] asks of whoever hosts its operation.
type Hosting struct {
	Post func(lifecycle.Event)    // takes in what came of an effect; may be called at any time, by several goroutines at once
	Hold func(jobID string) error // makes a Job the operation's; an error that matches ErrForeignJob tells that it is another's
}
