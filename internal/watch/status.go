package watch

import (
	"errors"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Status is what a watcher knows of itself.
type Status struct {
	Watched      int           // Jobs
	Reading      int           // reads under way
	LastRead     time.Time     // when a Job was last read successfully, or a row of a list taken for that; zero: never
	LastListed   time.Time     // when a sweep of the lists last came to its end; zero: never
	LastWorked   time.Time     // when a read or a page was last begun or answered; zero: nothing was watched yet
	FailingSince time.Time     // since when no read and no page was answered well, though some were sent; zero: the last one was
	Sweeping     bool          // Jobs are looked for in lists, rather than read one by one
	Down         bool          // so many requests have failed in a row that one at a time asks whether the service is back
	Behind       time.Duration // how long nothing was begun or answered though something was due or under way
}

// deeds are when a watcher did what; zero: never.
type deeds struct {
	worked, read, listed instant
	failing              instant // since when nothing was answered well
}

// note takes in what came of a request.
func (d *deeds) note(err error, read bool, now instant) {
	d.worked = now
	switch {
	case err == nil:
		d.failing = 0
		if read {
			d.read = now
		}
	case !tellsOfService(err):
		d.failing = 0
	case d.failing.IsZero():
		d.failing = now
	}
}

// tellsOfService reports whether an error tells that Duvo does not answer, or does not
// take the key: of one Job it tells nothing.
func tellsOfService(err error) bool {
	return duvo.Temporary(err) || errors.Is(err, duvo.ErrUnauthorized) || errors.Is(err, duvo.ErrForbidden)
}
