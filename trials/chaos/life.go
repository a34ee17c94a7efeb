package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A life is a registry of a worker, from its making to its Close.
type life struct {
	w       *worker
	number  int64 // of the worker's registries
	reg     *duvotool.Registry
	tools   map[string]*duvotool.Tool // by the Assignment's name
	tracker *tracker
	once    sync.Once
	closed  atomic.Bool   // Close has returned
	over    chan struct{} // closed when it is about to be called
	ready   chan struct{} // closed once reg is there
}

// closePatience is how long Close may take.
const closePatience = 15 * time.Second

// name names the registry.
func (l *life) name() string { return fmt.Sprintf("%d.%d.%d", l.w.c.Worker, l.w.c.Life, l.number) }

// decide is the policy as this registry asks it.
func (l *life) decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	if l.w.c.Replica {
		l.w.happen(happened{Kind: policyAsked, Key: req.Key, JobID: req.JobID, Text: req.ID + " " + req.Digest()})
	}
	return l.w.decide(ctx, req)
}

// wire is the worker's way to Duvo.
func (w *worker) wire() http.RoundTripper {
	t := &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 10 * time.Second}
	if w.cuts != nil {
		return wire{w.cuts, t}
	}
	return t
}

// open makes the worker's registry.
func (w *worker) open() error {
	c := w.c
	l := &life{w: w, number: w.life.Add(1), tools: map[string]*duvotool.Tool{}, tracker: newTracker(w.happen), over: make(chan struct{}), ready: make(chan struct{})}
	l.tracker.replica = c.Replica
	client, err := duvo.New(duvo.WithAPIKey(c.Where.Key), duvo.WithTeam(c.Where.Team), duvo.WithBaseURL(c.Where.URL),
		duvo.WithTimeout(clientTimeout), duvo.WithRetries(8, 2*time.Second),
		duvo.WithHTTPClient(&http.Client{Transport: lifeWire{l, w.wire()}}))
	if err != nil {
		return err
	}
	opts := []duvotool.Option{
		duvotool.WithJournal(w.journal), duvotool.WithAudit(w.audit), duvotool.WithPolicy(hitl.PolicyFunc(l.decide)), duvotool.WithObserver(l.observe),
		duvotool.WithWebhook(c.Hooks, c.Secret), duvotool.WithLogger(w.log),
		duvotool.WithPostTimeout(postTimeout), duvotool.WithSettleTime(settleTime),
		duvotool.WithJobLimit(max(c.InFlight*2/3, 1)), // so that calls are queued
	}
	if c.Jobs == 0 {
		opts = append(opts, duvotool.WithRetention(soakRetention))
	}
	if c.NoIdempotency {
		opts = append(opts, duvotool.WithMarkedStarts())
	}
	if c.Replica {
		opts = append(opts, duvotool.WithLease(c.Lease))
	}
	if !c.NoFaults || c.Killed { // webhooks get lost
		opts = append(opts, duvotool.WithPollInterval(pollInterval))
	}
	w.mu.Lock()
	if c.Journal != "" && !c.Replica && !w.resume && w.dice.one(2) {
		opts = append(opts, duvotool.WithoutResume()) // the other one is at work
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if l.reg, err = duvotool.Discover(ctx, client, opts...); err != nil {
		return err
	}
	for _, t := range l.reg.All() {
		l.tools[t.Assignment().Name] = t
	}
	close(l.ready)
	go l.look()
	if c.Replica {
		go l.sit()
	}
	w.mu.Lock()
	w.now = l
	close(w.opened)
	w.mu.Unlock()
	w.log.Info("began", "resumed", len(l.reg.Resumed()))
	return nil
}

// look holds the registry's lists against what the observer was told, until it is
// closed.
func (l *life) look() {
	for sleepUntil(l.over, time.Second) {
		l.tracker.look(l.reg)
	}
}

// close closes the registry. It may be called again, and tells nothing new then.
func (l *life) close() error {
	first := false
	l.once.Do(func() { first = true })
	if !first {
		return nil
	}
	close(l.over)
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	began := time.Now()
	err := l.reg.Close(ctx)
	l.closed.Store(true)
	if err == nil {
		l.tracker.closed()
	} else if l.w.c.Replica && time.Since(began) < closePatience {
		// It could not give back what it owns. Others take it over all the same.
		l.w.happen(happened{Kind: closeFailed, Text: err.Error()})
		return nil
	} else { // for the log: who is still at it
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	}
	return err
}

// observe follows what the registry does, and calls people.
func (l *life) observe(e outcome.Event) {
	l.tracker.observe(e)
	if !l.w.c.Replica { // else they look at lists
		l.w.callPeople(l, e)
	}
}

// A lifeWire tells of requests that are sent after Close has returned.
type lifeWire struct {
	life *life
	next http.RoundTripper
}

var errClosedWire = errors.New("the registry is closed")

func (t lifeWire) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.life.closed.Load() {
		t.life.w.happen(happened{Kind: wrongAfterClose, Text: r.Method + " " + r.URL.Path})
		return nil, errClosedWire
	}
	return t.next.RoundTrip(r)
}
