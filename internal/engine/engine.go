// Package engine runs operations: each is one piece of work under one key, at most
// one Job however many calls wait for it and however often they come back. It
// starts the Job, reads it through package watch, asks the policy, sends what was
// decided, and collects what the Job said; what it must remember it writes to the
// journal. It knows Assignments by the [Work] that it is handed, and neither
// catalogs nor tools.
//
// operation.go has the mailbox and the state; run.go what belongs to a stretch of
// work; calls.go those who wait; effects.go carries effects out: record.go, send.go,
// read.go, ask.go, collect.go, files.go, locate.go and claims.go each some of them;
// result.go and tell.go say what came of it. callkeys.go, operations.go, reread.go,
// once.go and handles.go find operations by their keys, and barriers.go what bars a
// start; people.go, manage.go, lookup.go and reconcile.go are for the program;
// ledger.go and journalguard.go for the journal.
package engine

import (
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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
	replica string                 // this engine, unlike any other
	born    time.Time              // when the monotonic clock of the lifecycle began
	options sync.Map               // lifecycle.Options, by *Work
	print   atomic.Pointer[string] // the latest of credential
	last    struct {
		sync.Mutex
		at time.Time // that now returned
	}

	tokens     pairs  // the Jobs that webhooks with which tokens were about
	boxes      pairs  // the sandboxes of Jobs that were read to find one
	deliveries recent // of webhooks, by their IDs
	early      recent // Jobs that a webhook told of before their start returned
	auditing   auditTrouble

	closing closing
}

// A Catalog is what an engine asks of whoever knows the Assignments.
type Catalog interface {
	// Offered reports whether an Assignment may be started.
	Offered(id string) bool
	// WorkFor returns the work of an Assignment, also where it is no longer offered.
	WorkFor(a duvo.Assignment, folder string) (*Work, error)
}

// New makes an engine, which has taken up nothing yet.
func New(b Port, cfg Config, log *slog.Logger, life *lifetime.Lifetime, tell func(outcome.Event), c Catalog) *Engine {
	e := &Engine{backend: b, cfg: cfg, log: log, life: life, catalog: c, replica: rand.Text(), born: time.Now(), boxes: pairs{max: locateKept}}
	e.watcher = watch.NewWatcher(b, life, log, cfg.PollEvery, cfg.TrustLists)
	e.watcher.Now = e.now
	e.events = newEventQueue(tell, log, life)
	e.queue = newQueue(cfg.JobLimit)
	e.ledger = newLedger(cfg, life)
	e.ops = newOperations(e)
	e.closing.begin()
	return e
}
