// Package engine runs operations: each is one piece of work under one key, at most
// one Job however many calls wait for it and however often they come back. It
// starts the Job, reads it through package watch, asks the policy, sends what was
// decided, and collects what the Job said; what it must remember it writes to the
// journal. It knows Assignments by the [Work] that it is handed, and neither
// catalogs nor tools.
//
// operation.go has callers, runs and the mailbox; operations.go keys; job.go what
// comes next for a Job; start.go, locate.go and files.go its start; decide.go,
// respond.go, claims.go and suspend.go its requests; collect.go, answer.go and
// followup.go its end and what comes after; entry.go, ledger.go and journalguard.go
// what the journal holds; resume.go what is done after a restart.
package engine

import (
	"log/slog"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// An Engine runs operations: it starts the Jobs behind calls, reads them, asks
// policies, sends what they decided, and collects what the Jobs said. It knows
// Assignments by the work that it is handed, and neither catalogs nor tools.
type Engine struct {
	backend Port
	cfg     Config
	log     *slog.Logger
	life    *lifetime.Lifetime
	watcher *watch.Watcher
	events  *eventQueue
	ops     *operations
	queue   *queue
	ledger  *ledger // nil: there is no journal
	catalog Catalog

	tokens     pairs  // the Jobs that webhooks with which tokens were about
	boxes      pairs  // the sandboxes of Jobs that were read to find one
	deliveries recent // of webhooks, by their IDs
	early      recent // Jobs that a webhook told of before their start returned
}

// A Catalog is what an engine asks of whoever knows the Assignments.
type Catalog interface {
	// Offered reports whether an Assignment may be started.
	Offered(id string) bool
	// WorkFor returns the work of an Assignment, also where it is no longer offered.
	WorkFor(a duvo.Assignment, folder string) (*Work, error)
}

func New(b Port, cfg Config, log *slog.Logger, life *lifetime.Lifetime, tell func(outcome.Event), c Catalog) *Engine {
	e := &Engine{backend: b, cfg: cfg, log: log, life: life, catalog: c, boxes: pairs{max: locateKept}}
	e.watcher = watch.NewWatcher(b, life, log, cfg.PollEvery, cfg.TrustLists)
	e.events = newEventQueue(tell, log)
	e.queue = newQueue(cfg.JobLimit)
	e.ledger = newLedger(cfg, life)
	e.ops = newOperations(e)
	return e
}
