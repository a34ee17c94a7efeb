// Package health is how a registry of package duvotool is, as Registry.Health tells it: a
// [Report] of what it has to do, what waits, and what does not work.
package health

import (
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Report tells how a registry is, as far as it knows: what it has to do, what waits,
// and what of that on which it depends does not work. It holds no text of a Job or a
// person, and no secret; the IDs and the key are those of the oldest request.
type Report struct {
	At         time.Time `json:"at"`         // when it was looked at
	Closing    bool      `json:"closing"`    // Close was called
	Discovered bool      `json:"discovered"` // the Assignments are known; see duvotool.DiscoverLater

	Calls     int `json:"calls"`     // that wait for a Result
	InFlight  int `json:"in_flight"` // operations that are worked on
	Queued    int `json:"queued"`    // of them: those that wait for their turn, see duvotool.WithJobLimit
	Unstarted int `json:"unstarted"` // of them: those whose start was tried in vain, or without an answer, and is gone on with
	Waiting   int `json:"waiting"`   // human requests that nobody has decided yet, be it the policy, a person here or one in Duvo
	GivenUp   int `json:"given_up"`  // operations that nobody works on, because reads of their Jobs made no sense; Jobs lists them
	Unknown   int `json:"unknown"`   // operations whose outcome is unknown until a person reconciles it; Jobs lists them

	Oldest   Oldest   `json:"oldest"` // of the human requests
	Watcher  Watcher  `json:"watcher"`
	Observer Queue    `json:"observer"`
	Journal  Store    `json:"journal"`
	Audit    Store    `json:"audit"`
	Lease    Lease    `json:"lease"`
	Webhooks Webhooks `json:"webhooks"`

	// Rate is what is left of the key's limit; zero where the backend does not tell.
	Rate duvo.RateLimit `json:"rate"`
}

// Oldest is the human request that has waited for the longest time.
type Oldest struct {
	Since     time.Time `json:"since,omitzero"` // when it was first seen; zero: none waits
	JobID     string    `json:"job,omitempty"`
	RequestID string    `json:"request,omitempty"`
	Key       string    `json:"key,omitempty"` // the operation key
}

// Watcher tells how the reading of Jobs goes.
type Watcher struct {
	Watched      int       `json:"watched"`                // Jobs that are read
	Sweeping     bool      `json:"sweeping"`               // changes are looked for in lists of Jobs, rather than by a read of each
	LastRead     time.Time `json:"last_read,omitzero"`     // when a Job was last read successfully; zero: never
	LastSwept    time.Time `json:"last_swept,omitzero"`    // when the lists were last gone through to the end; zero: never
	LastWorked   time.Time `json:"last_worked,omitzero"`   // when a read of a Job or of a list was last begun or answered; zero: never
	FailingSince time.Time `json:"failing_since,omitzero"` // since when no read was answered well, though some were sent; zero: the last one was, or only its own Job was at fault
	Down         bool      `json:"down"`                   // so many reads have failed that one at a time asks whether Duvo is back
	Stuck        bool      `json:"stuck"`                  // a read has been due or under way for ten minutes and nothing is done, though the rate limit allows it
}

// Queue tells how far the observer of duvotool.WithObserver is behind.
type Queue struct {
	Backlog int       `json:"backlog"`        // events that it has not been told
	Bytes   int64     `json:"bytes"`          // of what Jobs have said, that they hold
	Dropped int64     `json:"dropped"`        // events that were left out since the registry was made, or what was said in them
	Since   time.Time `json:"since,omitzero"` // since when it has been working on one event; zero: it works on none
}

// Store tells whether the journal or the audit log can be written: nothing new is
// started while it cannot.
type Store struct {
	Used    bool      `json:"used"`           // there is one
	Failing bool      `json:"failing"`        // it could not be written when that was last tried
	Since   time.Time `json:"since,omitzero"` // since when it is so; zero: nothing was tried
	Tried   time.Time `json:"tried,omitzero"` // when it was last tried; zero: never

	Silent bool `json:"-"` // it was asked, and did not answer in time
	Probed bool `json:"-"` // it can be asked, so what it last said is not merely what it last was
}

// Lease tells of the lease of a replica, where the journal has leases: without it
// nothing is sent, and other replicas take over what this one owns.
type Lease struct {
	Used  bool      `json:"used"`           // the journal has leases
	Held  bool      `json:"held"`           // it lasts now
	Until time.Time `json:"until,omitzero"` // when it runs out, or did; zero: it was never had
}

// Webhooks tells what became of Duvo's deliveries.
type Webhooks struct {
	Taken       int64     `json:"taken"`
	Refused     int64     `json:"refused"` // not signed with a secret of ours, too old, or no delivery
	LastTaken   time.Time `json:"last_taken,omitzero"`
	LastRefused time.Time `json:"last_refused,omitzero"`
}

// Dead tells why only a restart of the process helps; empty: none is needed. That is so
// where the watcher is stuck. What a restart does not mend is not among it: Duvo may be
// down, the disk full, or an observer slow.
func (r Report) Dead() []string {
	if r.Watcher.Stuck {
		return []string{"the reading of Jobs is stuck"}
	}
	return nil
}

// forgetAfter is how long a failed write counts where nobody can be asked whether it
// would fail again: a call must try.
const forgetAfter = time.Minute

// Unready tells why the registry takes no calls now that could start a Job; empty: it
// takes them. That is so while it closes, before the Assignments are known, while a
// replica has lost its lease, and while the journal or the audit log cannot be written or,
// asked by Registry.CheckHealth, did not answer. One that cannot be asked, and could not
// be written a minute ago, counts as writable again, so that somebody tries. That Duvo is
// down is not among it: all replicas would be unready at once, and what is in flight
// still goes on.
func (r Report) Unready() []string {
	var why []string
	if r.Closing {
		why = append(why, "it is closing")
	}
	if !r.Discovered {
		why = append(why, "the Assignments are not known yet")
	}
	if r.Lease.Used && !r.Lease.Held && !r.Closing {
		why = append(why, "its lease has run out")
	}
	for _, s := range []struct {
		name string
		Store
	}{{"journal", r.Journal}, {"audit log", r.Audit}} {
		switch {
		case s.Silent:
			why = append(why, "the "+s.name+" does not answer")
		case s.Failing && (s.Probed || r.At.Sub(s.Tried) < forgetAfter):
			why = append(why, "the "+s.name+" cannot be written")
		}
	}
	return why
}
