package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/health"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/guard"
)

// stuckAfter is how long nothing is done before the watcher counts as stuck: longer than
// any request takes with all that it waits for, but for the rate limit.
const stuckAfter = 10 * time.Minute

// Health tells how the registry is, as far as it knows. It asks nobody and waits for
// nothing: what it tells of the journal and the audit log is how they were when they were
// last written. It may be called at any time, at once with all else, also after
// [Registry.Close]. It looks at each operation, which takes about 1 ms for 10,000 of
// them; no call waits for longer than a third of that.
func (r *Registry) Health() health.Report {
	load, backlog, hooks := r.eng.Load(), r.eng.Backlog(), r.webhook.Counts()
	h := r.alive()
	h.Calls, h.InFlight, h.Queued, h.Unstarted = load.Calls, load.InFlight, load.Queued, load.Unstarted
	h.Waiting, h.GivenUp, h.Unknown = load.Waiting, load.GivenUp, load.Unknown
	h.Oldest = health.Oldest(load.Oldest)
	h.Observer = health.Queue{Backlog: backlog.Events, Bytes: backlog.Bytes, Dropped: backlog.Dropped, Since: backlog.Since}
	h.Webhooks = health.Webhooks(hooks)
	return h
}

// alive is what of Health takes the same time however much there is to do.
func (r *Registry) alive() health.Report {
	now := time.Now()
	h := health.Report{At: now, Closing: r.life.IsClosed(), Discovered: r.Discovered(), Journal: storeHealth(r.eng.Journal()), Audit: storeHealth(r.eng.Audit())}
	lease := r.eng.Lease()
	h.Lease = health.Lease{Used: lease.There, Held: lease.Held, Until: lease.Until}
	if b, ok := r.backend.(RateTeller); ok {
		_ = guard.Run(errRate, func() error { h.Rate = b.RateLimit(); return nil })
	}
	w := r.eng.Watching()
	held := h.Rate.Held.After(now) || h.Rate.Limit > 0 && h.Rate.Left == 0
	h.Watcher = health.Watcher{Watched: w.Watched, Sweeping: w.Sweeping, LastRead: w.LastRead, LastSwept: w.LastListed, LastWorked: w.LastWorked,
		FailingSince: w.FailingSince, Down: w.Down, Stuck: w.Behind > stuckAfter && !held}
	return h
}

var errRate = errors.New("the backend panicked")

func storeHealth(w engine.Writes) health.Store {
	return health.Store{Used: w.There, Failing: w.Failing, Since: w.Since, Tried: w.Tried, Probed: w.Probed}
}

// CheckHealth is Health that first asks the journal and the audit log whether they can be
// written, if they tell that without a record (see journal.Prober and audit.Prober), and
// waits for the answers until ctx ends. Calls at the same time share one answer.
func (r *Registry) CheckHealth(ctx context.Context) health.Report {
	journalAnswers, auditAnswers := r.eng.Probe(ctx)
	h := r.Health()
	h.Journal.Silent, h.Audit.Silent = !journalAnswers, !auditAnswers
	return h
}

// A RateTeller is a [Backend] that knows what is left of the key's rate limit; see
// [health.Report].
type RateTeller interface {
	RateLimit() duvo.RateLimit
}

// answersWithin bounds what [Registry.Readiness] waits for journal and audit.
const answersWithin = 5 * time.Second

// Liveness returns a handler that answers GET and HEAD with 200, or with 503 where
// [health.Report.Dead] tells why the process should be started anew. It asks nobody. The body is
// JSON, {"ok":true} or {"ok":false,"why":[...]}, in words of this package alone: it needs
// no authentication. Give whoever asks a patience of a second or more, and act on three
// failures in a row.
func (r *Registry) Liveness() http.Handler {
	return probeHandler(func(context.Context) []string { return r.alive().Dead() })
}

// Readiness is Liveness by [health.Report.Unready]: whether calls should come to this process.
// It asks the journal and the audit log, and waits five seconds for them at most.
func (r *Registry) Readiness() http.Handler {
	return probeHandler(func(ctx context.Context) []string {
		ctx, cancel := context.WithTimeout(ctx, answersWithin)
		defer cancel()
		journalAnswers, auditAnswers := r.eng.Probe(ctx)
		h := r.alive()
		h.Journal.Silent, h.Audit.Silent = !journalAnswers, !auditAnswers
		return h.Unready()
	})
}

// probeHandler answers by what is wrong.
func probeHandler(wrong func(context.Context) []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if req.Method != http.MethodGet && req.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		body := struct {
			OK  bool     `json:"ok"`
			Why []string `json:"why,omitempty"`
		}{Why: wrong(req.Context())}
		body.OK = len(body.Why) == 0
		text, err := json.Marshal(body)
		if err != nil {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if !body.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(append(text, '\n'))
	})
}
