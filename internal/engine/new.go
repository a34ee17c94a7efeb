package engine

import (
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/internal/workers"
	"github.com/duvotool/duvotool/outcome"
)

// New makes an engine, which has taken up nothing yet.
func New(b Port, cfg Config, log *slog.Logger, life *lifetime.Lifetime, tell func(outcome.Event), c Catalog) *Engine {
	e := &Engine{backend: b, cfg: cfg, log: log, life: life, catalog: c, replica: rand.Text(), born: time.Now(), pool: workers.New(), boxes: pairs{max: locateKept}}
	e.watcher = watch.NewWatcher(b, life, e.pool, log, cfg.PollEvery, cfg.TrustLists)
	e.watcher.Now = e.now
	e.dispatch = (*operation).take
	e.events = newEventQueue(tell, log, life)
	e.queue = newQueue(cfg.JobLimit)
	e.ledger = newLedger(cfg, life)
	e.replicas = newReplica(e)
	e.ops = newOperations(e)
	e.closing.begin()
	return e
}
