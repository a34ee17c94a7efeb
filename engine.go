package duvotool

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
	backend Backend
	cfg     engineConfig
	log     *slog.Logger
	life    *lifetime.Lifetime
	watcher *watch.Watcher
	events  *eventQueue
	ops     *operations
	queue   *queue
	ledger  *ledger // nil: there is no journal
	catalog catalogOf

	tokens     pairs  // the Jobs that webhooks with which tokens were about
	boxes      pairs  // the sandboxes of Jobs that were read to find one
	deliveries recent // of webhooks, by their IDs
	early      recent // Jobs that a webhook told of before their start returned
}

// A catalogOf is what an engine asks of whoever knows the Assignments.
type catalogOf interface {
	// offered reports whether an Assignment may be started.
	offered(id string) bool
	// workFor returns the work of an Assignment, also where it is no longer offered.
	workFor(a duvo.Assignment, folder string) (*work, error)
}

func newEngine(b Backend, cfg engineConfig, log *slog.Logger, life *lifetime.Lifetime, tell func(outcome.Event), c catalogOf) *Engine {
	e := &Engine{backend: b, cfg: cfg, log: log, life: life, catalog: c, boxes: pairs{max: locateKept}}
	e.watcher = watch.NewWatcher(b, life, log, cfg.pollEvery, cfg.trustLists)
	e.events = newEventQueue(tell, log)
	e.queue = newQueue(cfg.jobLimit)
	e.ledger = newLedger(cfg, life)
	e.ops = newOperations(e)
	return e
}
