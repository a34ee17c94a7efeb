package main

import (
	"log/slog"
	"time"
)

// A happened is a line about what a worker or its people did, or what was seen.
type happened struct {
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"`
	Worker int       `json:"worker"`
	Life   int       `json:"life"`
	Key    string    `json:"key,omitempty"` // of the operation
	JobID  string    `json:"job_id,omitempty"`
	Text   string    `json:"text,omitempty"`
	From   time.Time `json:"from,omitzero"`  // since when, of what lasts until At
	Until  time.Time `json:"until,omitzero"` // until when at least, of what begins at At
}

// What happens.
const (
	allDone       = "all done"                 // everything of a key was delivered
	followUpAsked = "follow-up asked"          // before it is
	stopAsked     = "stop asked"               // before it is
	stopTold      = "stop told"                // what the person was told
	toldUnknown   = "told unknown"             // a caller was
	notStarted    = "found: nothing"           // a person says so from now on
	found         = "found: a Job"             // the same
	reconciled    = "reconciled"               // it counts
	notReconciled = "not reconciled"           // it does not, and why
	diskFull      = "disk full"                // from now on, for a while
	writeFailed   = "write failed"             // because of that
	closing       = "registry begins to close" // while the process lives on
	closed        = "registry closed"          // the same
	closedQueued  = "call queued at a close"
	calledByBoth  = "called by both processes"
	duvoRefused   = "follow-up refused" // for good, and why

	// Of replicas.
	policyAsked = "policy asked" // of a request: Text is its ID and digest
	cutOff      = "cut off"      // from now on, for a while
	cutOver     = "cut off no more"
	callerLeft  = "caller left"
	vanished    = "listed no more"    // by a registry that was told of it, as if another had ended it
	lapsed      = "lease had run out" // since its last renewal, as the journal told
	closeFailed = "closed in vain"    // while it was cut off, the disk full or the database down
	tookOver    = "operation taken over"

	// What must not be.
	wrongSilent       = "given up silently"
	wrongAfterClose   = "sent after Close"
	wrongNotCandidate = "not a candidate"
)

// happen writes down what happened.
func (w *worker) happen(h happened) {
	h.At, h.Worker, h.Life = time.Now(), w.c.Worker, w.c.Life
	if err := w.events.add(h); err != nil {
		slog.Error("events", "error", err.Error())
	}
}
