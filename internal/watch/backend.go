package watch

import (
	"context"
	"errors"
	"time"

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

// Others are the watchers of other processes that read Jobs of the same lists. One
// of all is elected to read the lists; see [Watcher.Elect]. It looks after the Jobs
// of the others too, which it knows by [Watcher.Foreign], and tells them what it
// sees; they take that in by [Watcher.TakeHints] as if their own sweep had shown it.
// What is told may be lost: a Job of which nothing is heard for long is read by its
// age, as it is without lists.
//
// Its methods are called with the watcher's lock held: they must neither block nor
// call the watcher.
type Others interface {
	// Want tells whether the lists are worth their requests, so that the watcher
	// would read them if it was elected. It does not want to until it says so.
	Want(bool)
	// Tell tells the others what the lists show.
	Tell(Hints)
}

// Hints are what the watcher that reads the lists tells the others. They are told in
// order; those who have missed some ask for all by [Watcher.Again].
type Hints struct {
	Whole   bool            `json:"whole,omitempty"`   // what was told before counts until it runs out, and is not renewed
	Looked  map[string]bool `json:"looked,omitempty"`  // Jobs that sweeps look after from now on, for as long as Lasts; false: no longer
	Rows    map[string]Row  `json:"rows,omitempty"`    // what lists show of Jobs, where that is something new
	Missing []string        `json:"missing,omitempty"` // Jobs that lists should show and do not, or not any more
	Swept   bool            `json:"swept,omitempty"`   // a sweep has ended: all Jobs that are looked after are, for as long as Lasts
	Lasts   time.Duration   `json:"lasts,omitempty"`
	Over    bool            `json:"over,omitempty"` // nobody looks after any Job
	Rest    time.Duration   `json:"rest,omitempty"` // for so long the lists are not worth it
}

// A Row is what a list shows of a Job.
type Row struct {
	Status  duvo.Status `json:"s"`
	Updated stamp       `json:"u,omitempty"`

	// Where the row may take the place of a read.
	Completed  bool   `json:"c,omitempty"`
	Assignment string `json:"a,omitempty"`
	Build      string `json:"b,omitempty"`
}
