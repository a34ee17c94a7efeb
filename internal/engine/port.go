package engine

import (
	"context"
	"io/fs"
	"iter"

	"github.com/duvotool/duvotool/duvo"
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
