package duvotool

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/guard"
)

// A Health tells how a registry is, as far as it knows: what it has to do, what waits,
// and what of that on which it depends does not work. It holds no text of a Job or a
// person, and no secret; the IDs and the key are those of the oldest request.
type Health struct {
	At         time.Time `json:"at"`         // when it was looked at
	Closing    bool      `json:"closing"`    // Close was called
	Discovered bool      `json:"discovered"` // the Assignments are known; see DiscoverLater

	Calls     int `json:"calls"`     // that wait for a Result
	InFlight  int `json:"in_flight"` // operations that are worked on
	Queued    int `json:"queued"`    // of them: those that wait for their turn, see WithJobLimit
	Unstarted int `json:"unstarted"` // of them: those whose start was tried in vain, or without an answer, and is gone on with
	Waiting   int `json:"waiting"`   // human requests that nobody has decided yet, be it the policy, a person here or one in Duvo
	GivenUp   int `json:"given_up"`  // operations that nobody works on, because reads of their Jobs made no sense; Jobs lists them
	Unknown   int `json:"unknown"`   // operations whose outcome is unknown until a person reconciles it; Jobs lists them

	Oldest   WaitingSince  `json:"oldest"` // of the human requests
	Watcher  WatcherHealth `json:"watcher"`
	Observer QueueHealth   `json:"observer"`
	Journal  StoreHealth   `json:"journal"`
	Audit    StoreHealth   `json:"audit"`
	Lease    LeaseHealth   `json:"lease"`
	Webhooks WebhookHealth `json:"webhooks"`

	// Rate is what is left of the key's limit; zero where the backend does not tell.
	Rate duvo.RateLimit `json:"rate"`
}

// WaitingSince is the human request that has waited for the longest time.
type WaitingSince struct {
	Since     time.Time `json:"since,omitzero"` // when it was first seen; zero: none waits
	JobID     string    `json:"job,omitempty"`
	RequestID string    `json:"request,omitempty"`
	Key       string    `json:"key,omitempty"` // the operation key
}

// WatcherHealth tells how the reading of Jobs goes.
type WatcherHealth struct {
	Watched      int       `json:"watched"`                // Jobs that are read
	Sweeping     bool      `json:"sweeping"`               // changes are looked for in lists of Jobs, rather than by a read of each
	LastRead     time.Time `json:"last_read,omitzero"`     // when a Job was last read successfully; zero: never
	LastSwept    time.Time `json:"last_swept,omitzero"`    // when the lists were last gone through to the end; zero: never
	LastWorked   time.Time `json:"last_worked,omitzero"`   // when a read of a Job or of a list was last begun or answered; zero: never
	FailingSince time.Time `json:"failing_since,omitzero"` // since when no read was answered well, though some were sent; zero: the last one was, or only its own Job was at fault
	Down         bool      `json:"down"`                   // so many reads have failed that one at a time asks whether Duvo is back
	Stuck        bool      `json:"stuck"`                  // a read has been due or under way for ten minutes and nothing is done, though the rate limit allows it
}

// QueueHealth tells how far the observer of [WithObserver] is behind.
type QueueHealth struct {
	Backlog int       `json:"backlog"`        // events that it has not been told
	Bytes   int64     `json:"bytes"`          // of what Jobs have said, that they hold
	Dropped int64     `json:"dropped"`        // events that were left out since the registry was made, or what was said in them
	Since   time.Time `json:"since,omitzero"` // since when it has been working on one event; zero: it works on none
}

// StoreHealth tells whether the journal or the audit log can be written: nothing new is
// started while it cannot.
type StoreHealth struct {
	Used    bool      `json:"used"`           // there is one
	Failing bool      `json:"failing"`        // it could not be written when that was last tried
	Since   time.Time `json:"since,omitzero"` // since when it is so; zero: nothing was tried
	Tried   time.Time `json:"tried,omitzero"` // when it was last tried; zero: never

	silent   bool // it was asked, and did not answer in time
	reliable bool // it can be asked, so what it last said is not merely what it last was
}

// LeaseHealth tells of the lease of a replica, where the journal has leases: without it
// nothing is sent, and other replicas take over what this one owns.
type LeaseHealth struct {
	Used  bool      `json:"used"`           // the journal has leases
	Held  bool      `json:"held"`           // it lasts now
	Until time.Time `json:"until,omitzero"` // when it runs out, or did; zero: it was never had
}

// WebhookHealth tells what became of Duvo's deliveries.
type WebhookHealth struct {
	Taken       int64     `json:"taken"`
	Refused     int64     `json:"refused"` // not signed with a secret of ours, too old, or no delivery
	LastTaken   time.Time `json:"last_taken,omitzero"`
	LastRefused time.Time `json:"last_refused,omitzero"`
}

// stuckAfter is how long nothing is done before the watcher counts as stuck: longer than
// any request takes with all that it waits for, but for the rate limit.
const stuckAfter = 10 * time.Minute

// Health tells how the registry is, as far as it knows. It asks nobody and waits for
// nothing: what it tells of the journal and the audit log is how they were when they were
// last written. It may be called at any time, at once with all else, also after
// [Registry.Close]. It looks at each operation, which takes about 1 ms for 10,000 of
// them; no call waits for longer than a third of that.
func (r *Registry) Health() Health {
	load, backlog, hooks := r.eng.Load(), r.eng.Backlog(), r.webhook.Counts()
	h := r.alive()
	h.Calls, h.InFlight, h.Queued, h.Unstarted = load.Calls, load.InFlight, load.Queued, load.Unstarted
	h.Waiting, h.GivenUp, h.Unknown = load.Waiting, load.GivenUp, load.Unknown
	h.Oldest = WaitingSince(load.Oldest)
	h.Observer = QueueHealth{backlog.Events, backlog.Bytes, backlog.Dropped, backlog.Since}
	h.Webhooks = WebhookHealth(hooks)
	return h
}

// alive is what of Health takes the same time however much there is to do.
func (r *Registry) alive() Health {
	now := time.Now()
	h := Health{At: now, Closing: r.life.IsClosed(), Discovered: r.Discovered(), Journal: storeHealth(r.eng.Journal()), Audit: storeHealth(r.eng.Audit())}
	lease := r.eng.Lease()
	h.Lease = LeaseHealth{lease.There, lease.Held, lease.Until}
	if b, ok := r.backend.(RateTeller); ok {
		_ = guard.Run(errRate, func() error { h.Rate = b.RateLimit(); return nil })
	}
	w := r.eng.Watching()
	held := h.Rate.Held.After(now) || h.Rate.Limit > 0 && h.Rate.Left == 0
	h.Watcher = WatcherHealth{w.Watched, w.Sweeping, w.LastRead, w.LastListed, w.LastWorked, w.FailingSince, w.Down, w.Behind > stuckAfter && !held}
	return h
}

var errRate = errors.New("the backend panicked")

func storeHealth(w engine.Writes) StoreHealth {
	return StoreHealth{Used: w.There, Failing: w.Failing, Since: w.Since, Tried: w.Tried, reliable: w.Probed}
}

// CheckHealth is Health that first asks the journal and the audit log whether they can be
// written, if they tell that without a record (see journal.Prober and audit.Prober), and
// waits for the answers until ctx ends. Calls at the same time share one answer.
func (r *Registry) CheckHealth(ctx context.Context) Health {
	journalAnswers, auditAnswers := r.eng.Probe(ctx)
	h := r.Health()
	h.Journal.silent, h.Audit.silent = !journalAnswers, !auditAnswers
	return h
}

// Dead tells why only a restart of the process helps; empty: none is needed. That is so
// where the watcher is stuck. What a restart does not mend is not among it: Duvo may be
// down, the disk full, or an observer slow.
func (h Health) Dead() []string {
	if h.Watcher.Stuck {
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
// asked by [Registry.CheckHealth], did not answer. One that cannot be asked, and could not
// be written a minute ago, counts as writable again, so that somebody tries. That Duvo is
// down is not among it: all replicas would be unready at once, and what is in flight
// still goes on.
func (h Health) Unready() []string {
	var why []string
	if h.Closing {
		why = append(why, "it is closing")
	}
	if !h.Discovered {
		why = append(why, "the Assignments are not known yet")
	}
	if h.Lease.Used && !h.Lease.Held && !h.Closing {
		why = append(why, "its lease has run out")
	}
	for _, s := range []struct {
		name string
		StoreHealth
	}{{"journal", h.Journal}, {"audit log", h.Audit}} {
		switch {
		case s.silent:
			why = append(why, "the "+s.name+" does not answer")
		case s.Failing && (s.reliable || h.At.Sub(s.Tried) < forgetAfter):
			why = append(why, "the "+s.name+" cannot be written")
		}
	}
	return why
}

// A RateTeller is a [Backend] that knows what is left of the key's rate limit; see
// [Health].
type RateTeller interface {
	RateLimit() duvo.RateLimit
}

// answersWithin bounds what [Registry.Readiness] waits for journal and audit.
const answersWithin = 5 * time.Second

// Liveness returns a handler that answers GET and HEAD with 200, or with 503 where
// [Health.Dead] tells why the process should be started anew. It asks nobody. The body is
// JSON, {"ok":true} or {"ok":false,"why":[...]}, in words of this package alone: it needs
// no authentication. Give whoever asks a patience of a second or more, and act on three
// failures in a row.
func (r *Registry) Liveness() http.Handler {
	return probeHandler(func(context.Context) []string { return r.alive().Dead() })
}

// Readiness is Liveness by [Health.Unready]: whether calls should come to this process.
// It asks the journal and the audit log, and waits five seconds for them at most.
func (r *Registry) Readiness() http.Handler {
	return probeHandler(func(ctx context.Context) []string {
		ctx, cancel := context.WithTimeout(ctx, answersWithin)
		defer cancel()
		journalAnswers, auditAnswers := r.eng.Probe(ctx)
		h := r.alive()
		h.Journal.silent, h.Audit.silent = !journalAnswers, !auditAnswers
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
