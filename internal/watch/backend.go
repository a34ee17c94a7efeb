package watch

import (
	"context"
	"errors"

	"github.com/duvotool/duvotool/duvo"
)

// A Reader reads one Job.
type Reader interface {
	Job(ctx context.Context, id string) (duvo.Job, error)
}

// A Lister reads pages of the list of Jobs. A [Reader] may be one.
type Lister interface {
	JobPage(context.Context, duvo.JobFilter) (duvo.JobPage, error)
}

var errPanic = errors.New("duvotool: panic")
