package duvotool_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/health"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// probed asks a handler as a supervisor does.
func probed(h http.Handler) (status int, body string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// requireProbes holds both handlers to what they should say; empty: that all is well.
func requireProbes(t *testing.T, reg *duvotool.Registry, dead, unready string) {
	t.Helper()
	for _, c := range []struct {
		h   http.Handler
		why string
	}{{reg.Liveness(), dead}, {reg.Readiness(), unready}} {
		status, body := probed(c.h)
		if c.why == "" {
			require.Equal(t, http.StatusOK, status, body)
			require.Equal(t, `{"ok":true}`, body)
			continue
		}
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		require.Equal(t, `{"ok":false,"why":["`+c.why+`"]}`, body)
	}
}

// TestHealthTellsWhatWaits: calls, operations, those in line, and the request that waits
// for the longest time, until somebody has decided it.
func TestHealthTellsWhatWaits(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), decide(hitl.Suspend(), nil), duvotool.WithJobLimit(2))
		require.Zero(t, reg.Health().InFlight)
		require.Zero(t, reg.Health().Watcher.LastRead)
		for _, key := range []string{"first", "second"} {
			_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), key), key)
			require.NoError(t, err)
			time.Sleep(time.Minute)
		}
		ctx, cancel := context.WithCancel(duvotool.WithOperationKey(t.Context(), "third"))
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = mustTool(reg, "refunds").Run(ctx, "third") })
		synctest.Wait()
		h := reg.Health()
		require.Equal(t, []int{1, 3, 1, 2}, []int{h.Calls, h.InFlight, h.Queued, h.Waiting})
		first := reg.Pending()[0]
		require.Equal(t, health.Oldest{Since: first.FirstSeen, JobID: first.JobID, RequestID: first.ID, Key: "first"}, h.Oldest)
		require.Equal(t, 2, h.Watcher.Watched)
		require.WithinDuration(t, time.Now(), h.Watcher.LastRead, 2*time.Minute)
		require.False(t, h.Closing)
		require.True(t, h.Discovered)

		require.NoError(t, reg.Decide(t.Context(), first, hitl.Approve("kim", "")))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, "second", reg.Health().Oldest.Key)
		require.Zero(t, reg.Health().Queued, "the third has its turn")
		cancel()
		wg.Wait()
		require.NoError(t, reg.Close(t.Context()))
		h = reg.Health()
		require.True(t, h.Closing)
		require.Equal(t, []int{0, 0, 0, 0}, []int{h.Calls, h.InFlight, h.Queued, h.Waiting})
		requireProbes(t, reg, "", "it is closing")
	}, duvotest.WithAssignment(refunds))
}

// TestHealthOfReads: that Duvo does not answer is told, and neither kills the process nor
// sends calls elsewhere.
func TestHealthOfReads(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), decide(hitl.Suspend(), nil))
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Zero(t, reg.Health().Watcher.FailingSince)
		down := time.Now()
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault { return &duvotest.Fault{Kind: duvotest.StatusBefore} })
		time.Sleep(30 * time.Minute)
		w := reg.Health().Watcher
		require.WithinRange(t, w.FailingSince, down, down.Add(5*time.Minute))
		require.True(t, w.LastRead.Before(w.FailingSince))
		require.WithinDuration(t, time.Now(), w.LastWorked, 2*time.Minute)
		require.True(t, w.Down)
		requireProbes(t, reg, "", "")
		d.InjectFunc(nil)
		time.Sleep(5 * time.Minute)
		w = reg.Health().Watcher
		require.Zero(t, w.FailingSince)
		require.False(t, w.Down)
	}, duvotest.WithAssignment(refunds))
}

// A stuckBackend does not answer reads, whatever becomes of their contexts.
type stuckBackend struct {
	*fake
	release chan struct{}
	rate    duvo.RateLimit
}

func (b *stuckBackend) Job(ctx context.Context, id string) (duvo.Job, error) {
	<-b.release
	return b.fake.Job(ctx, id)
}

func (b *stuckBackend) RateLimit() duvo.RateLimit { return b.rate }

// TestHealthOfAStuckWatcher: reads that never end are what a restart mends; that Duvo
// asked for patience is not.
func TestHealthOfAStuckWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &stuckBackend{fake: &fake{job: running}, release: make(chan struct{})}
		reg := discover(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = reg.All()[0].Run(ctx, "x") })
		time.Sleep(10 * time.Minute)
		requireProbes(t, reg, "", "")
		time.Sleep(time.Minute)
		require.True(t, reg.Health().Watcher.Stuck)
		requireProbes(t, reg, "the reading of Jobs is stuck", "")
		b.rate = duvo.RateLimit{Limit: 100, Reset: time.Now().Add(time.Minute)}
		requireProbes(t, reg, "", "")
		b.rate = duvo.RateLimit{Held: time.Now().Add(time.Hour)}
		requireProbes(t, reg, "", "")
		b.rate = duvo.RateLimit{}
		close(b.release)
		time.Sleep(time.Minute)
		require.False(t, reg.Health().Watcher.Stuck)
		requireProbes(t, reg, "", "")
		cancel()
		wg.Wait()
	})
}

// A fullStore is a journal, and an audit log, that cannot be written while full.
type fullStore struct {
	journal.Journal
	mu   sync.Mutex
	full error
	hang chan struct{} // Ready does not answer before it is closed
}

func (f *fullStore) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = err
}

func (f *fullStore) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.full
}

func (f *fullStore) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if err := f.err(); err != nil {
		return 0, err
	}
	return f.Journal.Put(ctx, r)
}

func (f *fullStore) Record(context.Context, audit.Record) error { return f.err() }

// A proberStore is one that tells whether it can be written.
type proberStore struct{ *fullStore }

func (p proberStore) Ready(context.Context) error {
	if p.hang != nil {
		<-p.hang
	}
	return p.err()
}

const secretPath = "/var/lib/secret-place"

// TestHealthOfStores: a journal or audit log that cannot be written makes the replica
// unready, in words that hold nothing of its own, and ready again by itself.
func TestHealthOfStores(t *testing.T) {
	full := errors.New(secretPath + ": no space left on device")
	for name, option := range map[string]func(*fullStore, bool) duvotool.Option{
		"journal": func(f *fullStore, probed bool) duvotool.Option {
			if probed {
				return duvotool.WithJournal(proberStore{f})
			}
			return duvotool.WithJournal(f)
		},
		"audit log": func(f *fullStore, probed bool) duvotool.Option {
			if probed {
				return duvotool.WithAudit(proberStore{f})
			}
			return duvotool.WithAudit(f)
		},
	} {
		of := func(h health.Report) health.Store {
			if name == "journal" {
				return h.Journal
			}
			return h.Audit
		}
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				f := &fullStore{Journal: journal.NewMemory()}
				reg := discover(t, d.Client(), decide(hitl.Approve("kim", ""), nil), option(f, true))
				require.Equal(t, health.Store{Used: true}, asWritten(of(reg.Health())))
				requireProbes(t, reg, "", "")
				f.set(full)
				began := time.Now()
				requireProbes(t, reg, "", "the "+name+" cannot be written")
				time.Sleep(time.Hour)
				require.True(t, of(reg.Health()).Failing)
				require.Equal(t, began, of(reg.Health()).Since)
				requireProbes(t, reg, "", "the "+name+" cannot be written")
				text, err := json.Marshal(reg.CheckHealth(t.Context()))
				require.NoError(t, err)
				require.NotContains(t, string(text), "secret")
				f.set(nil)
				requireProbes(t, reg, "", "")
				require.False(t, of(reg.Health()).Failing)
				require.WithinDuration(t, began.Add(time.Hour), of(reg.Health()).Since, time.Second)
			}, duvotest.WithAssignment(refunds))
		})
		t.Run(name+" that cannot be asked", func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				f := &fullStore{Journal: journal.NewMemory()}
				reg := discover(t, d.Client(), decide(hitl.Approve("kim", ""), nil), option(f, false))
				f.set(full)
				requireProbes(t, reg, "", "")
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				_, err := mustTool(reg, "refunds").Run(ctx, "4711")
				require.Error(t, err)
				requireProbes(t, reg, "", "the "+name+" cannot be written")
				time.Sleep(2 * time.Minute)
				requireProbes(t, reg, "", "") // somebody must try
				require.True(t, of(reg.Health()).Failing)
				f.set(nil)
			}, duvotest.WithAssignment(refunds))
		})
		t.Run(name+" that hangs", func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				f := &fullStore{Journal: journal.NewMemory(), hang: make(chan struct{})}
				reg := discover(t, d.Client(), decide(hitl.Approve("kim", ""), nil), option(f, true))
				began := time.Now()
				var wg sync.WaitGroup
				for range 20 { // they share one question
					wg.Go(func() { requireProbes(t, reg, "", "the "+name+" does not answer") })
				}
				wg.Wait()
				require.Equal(t, 5*time.Second, time.Since(began))
				reg.Health() // waits for nobody
				require.Equal(t, 5*time.Second, time.Since(began))
				close(f.hang)
				requireProbes(t, reg, "", "")
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// asWritten is what was learnt of it by writing.
func asWritten(s health.Store) health.Store {
	return health.Store{Used: s.Used, Failing: s.Failing, Since: s.Since, Tried: s.Tried}
}

// TestHealthOfTheRest: what was given up and what is unknown, a slow observer, webhooks,
// and the rate limit.
func TestHealthOfTheRest(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		told := make(chan struct{})
		reg := discover(t, d.Client(), decide(hitl.Approve("kim", ""), nil),
			duvotool.WithObserver(func(outcome.Event) { <-told }))
		malform(d, "two requests", func() bool { return true })
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.Error(t, err)
		h := reg.Health()
		require.Equal(t, 1, h.GivenUp)
		require.Zero(t, h.InFlight)
		require.NotZero(t, h.Observer.Backlog)
		require.Equal(t, d.Jobs()[0].CreatedAt.Truncate(time.Second), h.Observer.Since.Truncate(time.Second))
		require.Equal(t, 1000, h.Rate.Limit)
		require.Positive(t, h.Rate.Left)
		close(told)
		synctest.Wait()

		hooked := discover(t, &fake{}, duvotool.WithWebhook("https://example.com/hook", hookSecret)) // nothing is sent there
		for _, secret := range []string{hookSecret, "wrong secret"} {
			hooked.Webhook().ServeHTTP(httptest.NewRecorder(), delivery(time.Now(), secret, "m", `{"event":"run_completed","run_id":"x"}`))
		}
		h = reg.Health()
		require.Equal(t, health.Webhooks{Taken: 1, Refused: 1, LastTaken: time.Now(), LastRefused: time.Now()}, hooked.Health().Webhooks)
		require.Zero(t, h.Observer.Backlog)
		require.Zero(t, h.Observer.Since)

		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "startRun" {
				return &duvotest.Fault{Kind: duvotest.StatusBefore}
			}
			return nil
		})
		res, err := mustTool(reg, "refunds").Run(duvotool.WithOperationScope(t.Context(), "s"), "4712")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		require.Equal(t, 1, reg.Health().Unknown)
	}, duvotest.WithAssignment(refunds), duvotest.WithRateLimit(1000))
}

// TestProbeHandlers: what they answer besides.
func TestProbeHandlers(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		d.Inject(duvotest.Fault{Op: "listAgents", Times: 3, Kind: duvotest.StatusBefore})
		reg := discover(t, d.Client(duvo.WithRetries(1, time.Second)), duvotool.DiscoverLater())
		requireProbes(t, reg, "", "the Assignments are not known yet")
		time.Sleep(time.Minute)
		requireProbes(t, reg, "", "")
		for _, h := range []http.Handler{reg.Liveness(), reg.Readiness()} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			for _, method := range []string{http.MethodPost, http.MethodOptions, http.MethodDelete} {
				w = httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
				require.Equal(t, http.StatusMethodNotAllowed, w.Code)
				require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
			}
		}
	}, duvotest.WithAssignment(refunds))
}

// TestHealthMeanwhile: it may be asked at any time.
func TestHealthMeanwhile(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), decide(hitl.Approve("kim", ""), nil), duvotool.WithJournal(journal.NewMemory()))
		var calls, asks sync.WaitGroup
		done := make(chan struct{})
		for range 4 {
			asks.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(100 * time.Millisecond):
						reg.CheckHealth(t.Context())
						_, _ = probed(reg.Readiness())
					}
				}
			})
		}
		for range 50 {
			calls.Go(func() { _, _ = mustTool(reg, "refunds").Run(t.Context(), "4711") })
		}
		calls.Wait()
		close(done)
		asks.Wait()
		require.Zero(t, reg.Health().InFlight)
	}, duvotest.WithAssignment(refunds))
}

// BenchmarkHealth measures Health with 10,000 operations that wait for a person.
func BenchmarkHealth(b *testing.B) {
	f := &fake{}
	f.asks(approval)
	reg, err := duvotool.Discover(b.Context(), f, decide(hitl.Suspend(), nil), duvotool.WithPollInterval(time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	defer reg.Close(context.Background())
	var wg sync.WaitGroup
	for range 10_000 {
		wg.Go(func() { _, _ = reg.All()[0].Start(b.Context(), "x") })
	}
	wg.Wait()
	if n := reg.Health().InFlight; n != 10_000 {
		b.Fatal(n, "operations")
	}
	for b.Loop() {
		reg.Health()
	}
}

// A lostLeases journal does not renew leases while lost.
type lostLeases struct {
	journal.Leases
	lost *fullStore
}

func (l lostLeases) Renew(ctx context.Context, replica string, lasts time.Duration) (journal.Renewal, error) {
	if err := l.lost.err(); err != nil {
		return journal.Renewal{}, err
	}
	return l.Leases.Renew(ctx, replica, lasts)
}

// TestHealthOfAReplica: one without its lease takes no calls, and is no case for a restart.
func TestHealthOfAReplica(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		lost := &fullStore{}
		reg := discover(t, d.Client(), decide(hitl.Approve("kim", ""), nil), duvotool.WithJournal(lostLeases{journal.NewShared(), lost}), duvotool.WithLease(30*time.Second))
		l := reg.Health().Lease
		require.True(t, l.Used && l.Held)
		require.WithinDuration(t, time.Now().Add(30*time.Second), l.Until, time.Second)
		requireProbes(t, reg, "", "")
		lost.set(journal.ErrUnavailable)
		time.Sleep(time.Minute)
		require.False(t, reg.Health().Lease.Held)
		requireProbes(t, reg, "", "its lease has run out")
		lost.set(nil)
		time.Sleep(time.Minute)
		requireProbes(t, reg, "", "")
	}, duvotest.WithAssignment(refunds))
}
