package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

const (
	hookURL    = "https://service.example.com/duvo"
	hookSecret = "whsec_c2VjcmV0IG9mIHRoZSBkYXkgdGhhdCBpcyBub25l"

	postTakes = 2 * time.Second // what changes something in Duvo
	dayLong   = 24 * time.Hour  // in which work comes in
	nightLong = 9 * time.Hour   // for what is decided late, and for clients to hear of it
)

// A day is the world around the service.
type day struct {
	t     *testing.T
	began time.Time
	dir   string
	duvo  *duvotest.Duvo
	gate  *gate
	key   string // that the service is given

	journalFull, auditFull atomic.Bool
	life                   atomic.Pointer[life] // nil: the service does not run
	lives                  int
	hooks                  atomic.Int64

	jobs    int
	people  sync.WaitGroup
	mu      sync.Mutex // guards the rest
	wishes  []*wish
	tries   []try
	answers map[int]int // of the service, by status

	unknown, responses int // of the report
	lines              int64
	audited            int64 // bytes of all files of the audit
}

// A wish is what a client has asked for.
type wish struct {
	accepted bool
	posts    int
	last     work // as it was told last
}

// A try is a decision that somebody has posted.
type try struct {
	by, request, digest, verdict string
	status                       int
}

// A gate is the way to Duvo.
type gate struct {
	duvo *duvotest.Duvo
	down atomic.Bool
	key  atomic.Pointer[string] // that is accepted

	mu        sync.Mutex
	begun     map[string]time.Time // the latest request of each operation
	responses map[string][]string  // the bodies that Duvo took, by request ID
}

// ServeHTTP refuses all keys but the one, which the emulator knows under its own name.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	own := "dv_wrong"
	if r.Header.Get("Authorization") == "Bearer "+*g.key.Load() {
		own = g.duvo.Key()
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+own)
	g.duvo.ServeHTTP(w, r)
}

// fault is what befalls a request: Duvo is down in several ways, and what changes
// something takes its time, so that kills fall into it.
func (g *gate) fault(op string, r *http.Request) *duvotest.Fault {
	g.mu.Lock()
	g.begun[op] = time.Now()
	g.mu.Unlock()
	switch {
	case g.down.Load() && r.Method == http.MethodPost && len(r.URL.Path)%2 == 0:
		return &duvotest.Fault{Kind: duvotest.StatusBefore, Status: http.StatusServiceUnavailable}
	case g.down.Load():
		return &duvotest.Fault{Kind: duvotest.ResetBefore}
	case r.Method == http.MethodPost:
		return &duvotest.Fault{Latency: postTakes}
	}
	return nil
}

func (g *gate) took(request, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.responses[request] = append(g.responses[request], body)
}

// accept changes the key that is accepted.
func (g *gate) accept(key string) { g.key.Store(&key) }

func newDay(t *testing.T, dir string, jobs int) *day {
	d := &day{t: t, began: time.Now(), dir: dir, key: "dv_first", jobs: jobs, wishes: make([]*wish, jobs), answers: map[int]int{}}
	for i := range d.wishes {
		d.wishes[i] = &wish{}
	}
	d.duvo = duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Orders", Script: d.script}), duvotest.WithHistory(1000), duvotest.WithRateLimit(300),
		duvotest.WithWebhookSecret(hookSecret), duvotest.WithWebhookClient(duvotest.InMemory(http.HandlerFunc(d.hook))))
	d.gate = &gate{duvo: d.duvo, begun: map[string]time.Time{}, responses: map[string][]string{}}
	d.gate.accept(d.key)
	d.duvo.InjectFunc(d.gate.fault)
	return d
}

// hook is where Duvo's webhooks come in: every tenth is lost, and all while the
// service does not run.
func (d *day) hook(w http.ResponseWriter, r *http.Request) {
	l := d.life.Load()
	if n := d.hooks.Add(1); l == nil || n%10 == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	l.handler.ServeHTTP(w, r)
}

// at lets something happen at a time of the day.
func (d *day) at(at time.Duration, what string, f func()) {
	time.Sleep(time.Until(d.began.Add(at)))
	d.t.Logf("%8s  %s", at, what)
	f()
}

// A life is one process of the service, as far as it can be seen from outside.
type life struct {
	d       *day
	reg     *duvotool.Registry
	handler http.Handler
	http    *http.Client // that reaches it
	journal *bolt.Journal
	audit   *audit.File
	dead    atomic.Bool
}

var errDead = errors.New("this process was killed")

func (d *day) start() {
	l := &life{d: d}
	var err error
	l.journal, err = bolt.Open(filepath.Join(d.dir, "journal.db"))
	require.NoError(d.t, err)
	l.audit, err = openAudit(d.dir, 32<<10) // so that a day has several files
	require.NoError(d.t, err)
	client, err := duvo.New(duvo.WithAPIKey(d.key), duvo.WithTeam(d.duvo.TeamID()), duvo.WithBaseURL(duvotest.MemoryURL), duvo.WithHTTPClient(&http.Client{Transport: l}))
	require.NoError(d.t, err)
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(d.t.Context(), discoverWithin)
	defer cancel()
	l.reg, err = duvotool.Discover(ctx, client, append(options(fullJournal{l.journal, l}, fullAudit{l.audit, l}, log), duvotool.WithWebhook(hookURL, hookSecret))...)
	require.NoError(d.t, err)
	l.handler = newService(l.reg, fromHeader("X-Person"), log).handler()
	l.http = duvotest.InMemory(l.handler)
	d.lives++
	d.life.Store(l)
}

// RoundTrip is the network of the process: nothing of the dead comes through, nor do
// they learn anything.
func (l *life) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.dead.Load() {
		return nil, errDead
	}
	body := []byte(nil)
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := duvotest.InMemory(l.d.gate).Transport.RoundTrip(r)
	if _, of, found := strings.Cut(r.URL.Path, "/human-requests/"); found && err == nil && resp.StatusCode == http.StatusOK {
		l.d.gate.took(strings.TrimSuffix(of, "/respond"), string(body))
	}
	if l.dead.Load() {
		if err == nil {
			_ = resp.Body.Close()
		}
		return nil, errDead
	}
	return resp, err
}

// stop ends the process as SIGTERM does.
func (d *day) stop() {
	l := d.life.Load()
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	require.NoError(d.t, l.reg.Close(ctx))
	d.life.Store(nil)
	require.NoError(d.t, errors.Join(l.audit.Close(), l.journal.Close()))
}

// kill ends it as SIGKILL does: of what it does from now on nothing reaches a disk or
// a network.
func (d *day) kill() {
	l := d.life.Swap(nil)
	l.dead.Store(true)
	require.NoError(d.t, errors.Join(l.audit.Close(), l.journal.Close()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	go func() {
		defer cancel()
		_ = l.reg.Close(ctx) // its goroutines, which no process has any more
	}()
}

// killDuring kills the process in the midst of a request, which then takes effect.
func (d *day) killDuring(op string) {
	for {
		d.gate.mu.Lock()
		begun := d.gate.begun[op]
		d.gate.mu.Unlock()
		if time.Since(begun) < postTakes {
			break
		}
		time.Sleep(postTakes / 2)
	}
	d.kill()
}

// second starts a process on the files of the one that runs.
func (d *day) second() {
	_, err := bolt.Open(filepath.Join(d.dir, "journal.db"))
	require.ErrorIs(d.t, err, bolt.ErrLocked)
	_, err = audit.OpenFile(filepath.Join(d.dir, "audit.jsonl"))
	require.ErrorIs(d.t, err, audit.ErrLocked)
}

// A fullJournal is the journal of a life, on a disk that may be full.
type fullJournal struct {
	*bolt.Journal
	l *life
}

func (f fullJournal) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if err := f.Ready(ctx); err != nil {
		return 0, err
	}
	n, err := f.Journal.Put(ctx, r)
	if f.l.dead.Load() {
		return 0, errDead
	}
	return n, err
}

func (f fullJournal) Ready(ctx context.Context) error {
	switch {
	case f.l.dead.Load():
		return errDead
	case f.l.d.journalFull.Load():
		return fmt.Errorf("%w: %w", journal.ErrUnavailable, syscall.ENOSPC)
	}
	return f.Journal.Ready(ctx)
}

// A fullAudit is the same of the audit.
type fullAudit struct {
	*audit.File
	l *life
}

func (f fullAudit) Record(ctx context.Context, r audit.Record) error {
	if err := f.Ready(ctx); err != nil {
		return err
	}
	return f.File.Record(ctx, r)
}

func (f fullAudit) Ready(ctx context.Context) error {
	switch {
	case f.l.dead.Load():
		return errDead
	case f.l.d.auditFull.Load():
		return fmt.Errorf("%w: %w", audit.ErrUnavailable, syscall.ENOSPC)
	}
	return f.File.Ready(ctx)
}
