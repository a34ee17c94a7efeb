package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/journal"
)

// The worker's times. What is sent again is sent later than any effect of what
// was sent before can come: postTimeout and settleTime are added up for that.
const (
	clientTimeout = 1500 * time.Millisecond
	postTimeout   = 2 * time.Second
	settleTime    = time.Second
	pollInterval  = 200 * time.Millisecond
	soakRetention = time.Minute
)

// enough is the line on a worker's standard input after which it takes no more
// keys. It ends with its standard input.
const enough = "enough"

// breakJournal makes a journal worse, for tests of the checker.
var breakJournal = func(j journal.Journal, _ int) journal.Journal { return j }

// A worker runs its share of the operation keys.
type worker struct {
	c         childConfig
	log       *slog.Logger
	journal   journal.Journal
	audit     diskAudit
	outcomes  *lineFile
	decisions *lineFile
	events    *lineFile

	opening sync.Mutex // held by whoever closes the registry or makes another
	mu      sync.Mutex // guards the rest
	now     *life      // nil: there is none at the moment
	opened  chan struct{}
	dice    dice
	resume  bool // each registry takes up what the journal holds

	people  sync.WaitGroup // who decide, stop and reconcile
	enough  atomic.Bool
	told    chan struct{} // closed once it is enough
	cuts    *cuts         // nil: it is no replica
	life    atomic.Int64  // registries that it has made
	closing chan struct{} // closed when the process is asked to end
	over    chan struct{} // closed when all is done
}

// runWorker is a worker's process. Its file 3 is the listener that webhooks come
// to, which outlives it; it prints each key of which everything was delivered.
func runWorker(c childConfig) error {
	w := &worker{c: c, opened: make(chan struct{}), told: make(chan struct{}), closing: make(chan struct{}), over: make(chan struct{}),
		dice: dice{rand.New(rand.NewPCG(c.Seed, uint64(c.Worker)<<32|uint64(c.Life)))}}
	w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})).With("life", c.Life)
	slog.SetDefault(w.log)
	go w.listenToParent()
	done, shut, err := w.openFiles()
	if err != nil {
		return err
	}
	if err := w.open(); err != nil {
		return err
	}
	hooks, err := net.FileListener(os.NewFile(3, "webhooks"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(w.serveHook)}
	go func() { _ = server.Serve(hooks) }()
	go w.measure(w.over)
	if !c.NoFaults {
		go w.audit.disk.live(w.over)
		go w.closeNowAndThen()
	}
	if w.cuts != nil && !c.NoFaults {
		go w.cuts.live(w.over, c.Lease)
	}
	asked := make(chan error, 1)
	go w.closeWhenAsked(asked)
	err = w.runAll(done)
	if c.Replica && err == nil { // people of other replicas' Jobs sit here
		select {
		case <-w.told:
		case <-w.closing:
		}
	}
	close(w.over)
	select {
	case <-w.closing:
		if err := <-asked; err != nil {
			return fmt.Errorf("%w: %w", errClosing, err)
		}
		err = errAsked
	default:
		if err == nil {
			w.people.Wait()
			if err = w.finish(); err != nil {
				err = fmt.Errorf("%w: %w", errClosing, err)
			}
		}
	}
	if err != nil && !errors.Is(err, errAsked) {
		return err
	}
	return errors.Join(err, server.Close(), shut())
}

// openFiles opens what the worker writes to. done are the keys of which everything
// was delivered in earlier lives.
func (w *worker) openFiles() (done map[string]bool, shut func() error, err error) {
	dir, n := w.c.Dir, w.c.Worker
	old, err := readLines[happened](eventsFile(dir, n))
	if err != nil {
		return nil, nil, err
	}
	done = map[string]bool{}
	for _, h := range old {
		if h.Kind == allDone {
			done[h.Key] = true
		}
	}
	for path, to := range map[string]**lineFile{outcomesFile(dir, n): &w.outcomes, decisionsFile(dir, n): &w.decisions, eventsFile(dir, n): &w.events} {
		if *to, err = openLines(path); err != nil {
			return nil, nil, err
		}
	}
	w.events.lazy = true
	file, err := audit.OpenFile(auditFile(dir, n))
	if err != nil {
		return nil, nil, err
	}
	d := &disk{happened: w.happen, dice: dice{rand.New(rand.NewPCG(w.c.Seed, 1<<63|uint64(n)<<32|uint64(w.c.Life)))}}
	w.audit = diskAudit{file, d}
	shutJournal, err := w.openJournal(d)
	if err != nil {
		return nil, nil, err
	}
	return done, func() error {
		return errors.Join(shutJournal(), file.Close(), w.outcomes.close(), w.decisions.close(), w.events.close())
	}, nil
}

// openJournal opens the worker's journal: its own on disk, or one that it shares.
func (w *worker) openJournal(d *disk) (shut func() error, err error) {
	shut = func() error { return nil }
	if w.c.Replica {
		var shared journal.Leases = newServed(w.c.Journal)
		if w.c.Database != "" {
			if shared, shut, err = openShared(context.Background(), w.c.Database); err != nil {
				return nil, err
			}
		}
		w.cuts = &cuts{happened: w.happen, dice: dice{rand.New(rand.NewPCG(w.c.Seed, 1<<62|uint64(w.c.Worker)<<32|uint64(w.c.Life)))}}
		w.journal = &replicaJournal{Leases: worsen(shared, w.c.Without), disk: d, cuts: w.cuts, note: w.happen, renewed: map[string]time.Time{}}
		return shut, nil
	}
	if w.c.Journal != "" {
		w.journal = diskJournal{breakJournal(newServed(w.c.Journal), w.c.Break), d}
		return shut, nil
	}
	b, err := bolt.Open(journalFile(w.c.Dir, w.c.Worker), bolt.WithLockTimeout(10*time.Second))
	if err != nil {
		return nil, err
	}
	w.journal = diskJournal{breakJournal(b, w.c.Break), d}
	return b.Close, nil
}

// What a worker's process ends with, beside success and failure.
var (
	errAsked   = errors.New("it was asked to end")
	errClosing = errors.New("closing the registry")
)

// closeWhenAsked closes the registry on SIGTERM.
func (w *worker) closeWhenAsked(asked chan<- error) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	close(w.closing)
	asked <- w.shut()
}

// shut closes the registry, which must end in good time.
func (w *worker) shut() error {
	w.opening.Lock()
	defer w.opening.Unlock()
	w.mu.Lock()
	l := w.now
	w.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.close()
}

// finish closes the registry once nothing of its journal is under way any more: what
// was told while it could not be recorded is, and so is what another process that died
// has left, which no registry WithoutResume takes up.
func (w *worker) finish() error {
	w.mu.Lock()
	w.resume = true
	w.mu.Unlock()
	if err := w.reopen(); err != nil {
		return err
	}
	if l := w.current(); l != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.reg.Wait(ctx); err != nil {
			w.log.Error("what is under way at the end does not end", "jobs", len(l.reg.Jobs()))
		}
	}
	return w.shut()
}

// closeNowAndThen closes the registry at random moments, while calls are queued, and
// makes another one on the same journal.
func (w *worker) closeNowAndThen() {
	for {
		w.mu.Lock()
		wait := w.dice.between(time.Second, 15*time.Second)
		if w.c.Replica {
			wait *= 2 // several at once are as good as one alone
		}
		w.mu.Unlock()
		if !sleepUntil(w.over, wait) {
			return
		}
		if err := w.reopen(); err != nil {
			fmt.Fprintf(os.Stderr, "%s chaos worker: %v\n", time.Now().Format(time.RFC3339Nano), err)
			os.Exit(exitCode(err))
		}
	}
}

func (w *worker) reopen() error {
	w.opening.Lock()
	defer w.opening.Unlock()
	select {
	case <-w.closing:
		return nil
	default:
	}
	w.mu.Lock()
	l := w.now
	w.now, w.opened = nil, make(chan struct{})
	w.mu.Unlock()
	for _, i := range l.reg.Jobs() {
		if !w.c.Replica && i.JobID == "" && !i.Unknown && i.Phase == "new" {
			w.happen(happened{Kind: closedQueued, Key: i.Key})
		}
	}
	w.happen(happened{Kind: closing, Text: l.name()})
	err := l.close()
	w.happen(happened{Kind: closed, Text: l.name()})
	if err != nil {
		return fmt.Errorf("%w: %w", errClosing, err)
	}
	return w.open()
}

// current returns the registry, once there is one; nil if the process is asked to
// end meanwhile.
func (w *worker) current() *life {
	for {
		w.mu.Lock()
		l, opened := w.now, w.opened
		w.mu.Unlock()
		select {
		case <-w.closing:
			return nil
		default:
		}
		if l != nil {
			return l
		}
		select {
		case <-opened:
		case <-w.closing:
			return nil
		}
	}
}

// serveHook hands webhooks to the registry of the moment.
func (w *worker) serveHook(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	l := w.now
	w.mu.Unlock()
	if l == nil {
		http.Error(rw, "closed", http.StatusServiceUnavailable)
		return
	}
	l.reg.Webhook().ServeHTTP(rw, r)
}

// listenToParent ends the process with the harness.
func (w *worker) listenToParent() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == enough && !w.enough.Swap(true) {
			close(w.told)
		}
	}
	os.Exit(4)
}

// runAll runs all keys of the worker of which not everything was delivered.
func (w *worker) runAll(done map[string]bool) error {
	slots := make(chan struct{}, w.c.InFlight)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for n := 0; (w.c.Jobs == 0 || n < w.c.Jobs) && failed.Load() == nil; n++ {
		key := keyName(n)
		if !w.c.runs(n) {
			continue
		}
		if done[key] {
			delete(done, key)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-w.closing:
			failed.CompareAndSwap(nil, &errAsked)
			continue
		}
		if w.c.Jobs == 0 && w.enough.Load() {
			break // what was begun earlier has a lower number
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := w.runKey(key); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
