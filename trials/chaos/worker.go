package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
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
	reg       *duvotool.Registry
	tools     map[string]*duvotool.Tool // by the Assignment's name
	outcomes  *lineFile
	decisions *lineFile
	people    sync.WaitGroup // who decide what was put off
	ready     chan struct{}  // closed once reg and tools are there
	enough    atomic.Bool
	closing   chan struct{} // closed when the process is asked to end
}

// runWorker is a worker's process. Its file 3 is the listener that webhooks come
// to, which outlives it; it prints each key whose outcome it has delivered.
func runWorker(c childConfig) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})).With("life", c.Life)
	slog.SetDefault(log)
	w := &worker{c: c, tools: map[string]*duvotool.Tool{}, ready: make(chan struct{}), closing: make(chan struct{})}
	go w.listenToParent()
	journal, err := bolt.Open(journalFile(c.Dir, c.Worker), bolt.WithLockTimeout(10*time.Second))
	if err != nil {
		return err
	}
	done, err := readLines[delivered](outcomesFile(c.Dir, c.Worker))
	if err != nil {
		return err
	}
	if w.outcomes, err = openLines(outcomesFile(c.Dir, c.Worker)); err != nil {
		return err
	}
	if w.decisions, err = openLines(decisionsFile(c.Dir, c.Worker)); err != nil {
		return err
	}
	if err := w.discover(journal, log); err != nil {
		return err
	}
	hooks, err := net.FileListener(os.NewFile(3, "webhooks"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: w.reg.Webhook()}
	go func() { _ = server.Serve(hooks) }()
	stop := make(chan struct{})
	go w.measure(stop)
	closed := make(chan error, 1)
	go w.closeWhenAsked(closed)
	err = w.runAll(done)
	close(stop)
	select {
	case <-w.closing:
		if err := <-closed; err != nil {
			return fmt.Errorf("%w: %w", errClosing, err)
		}
		err = errAsked
	default:
		if err == nil {
			w.people.Wait()
			err = w.shut()
		}
	}
	if err != nil && !errors.Is(err, errAsked) {
		return err
	}
	return errors.Join(err, server.Close(), journal.Close(), w.outcomes.close(), w.decisions.close())
}

// discover makes the worker's registry.
func (w *worker) discover(j journal.Journal, log *slog.Logger) error {
	c := w.c
	client, err := duvo.New(duvo.WithAPIKey(c.Where.Key), duvo.WithTeam(c.Where.Team), duvo.WithBaseURL(c.Where.URL),
		duvo.WithTimeout(clientTimeout), duvo.WithRetries(8, 2*time.Second),
		duvo.WithHTTPClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 10 * time.Second}}))
	if err != nil {
		return err
	}
	opts := []duvotool.Option{
		duvotool.WithJournal(breakJournal(j, c.Break)), duvotool.WithPolicy(hitl.PolicyFunc(w.decide)), duvotool.WithObserver(w.observe),
		duvotool.WithWebhook(c.Hooks, c.Secret), duvotool.WithLogger(log), duvotool.WithPollInterval(pollInterval),
		duvotool.WithPostTimeout(postTimeout), duvotool.WithSettleTime(settleTime),
	}
	if c.Jobs == 0 {
		opts = append(opts, duvotool.WithRetention(soakRetention))
	}
	if c.NoIdempotency {
		opts = append(opts, duvotool.WithMarkedStarts())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	w.reg, err = duvotool.Discover(ctx, client, opts...)
	if err != nil {
		return err
	}
	for _, t := range w.reg.All() {
		w.tools[t.Assignment().Name] = t
	}
	close(w.ready)
	log.Info("began", "resumed", len(w.reg.Resumed()))
	return nil
}

// What a worker's process ends with, beside success and failure.
var (
	errAsked   = errors.New("it was asked to end")
	errClosing = errors.New("closing the registry")
)

// closeWhenAsked closes the registry on SIGTERM.
func (w *worker) closeWhenAsked(closed chan<- error) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	close(w.closing)
	closed <- w.shut()
}

// shut closes the registry, which must end in good time.
func (w *worker) shut() error {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	return w.reg.Close(ctx)
}

// listenToParent ends the process with the harness.
func (w *worker) listenToParent() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if in.Text() == enough {
			w.enough.Store(true)
		}
	}
	os.Exit(4)
}

// runAll runs all keys of the worker that have no outcome yet.
func (w *worker) runAll(done []delivered) error {
	delivered := map[string]bool{}
	for _, d := range done {
		delivered[d.Key] = true
	}
	slots := make(chan struct{}, w.c.InFlight)
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for n := w.c.Worker; (w.c.Jobs == 0 || n < w.c.Jobs) && failed.Load() == nil; n += w.c.Workers {
		key := keyName(n)
		if delivered[key] {
			delete(delivered, key)
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

// runKey runs a key until its outcome is delivered.
func (w *worker) runKey(key string) error {
	p := planOf(w.c.Seed, key)
	callers := 1
	if p.Twice {
		callers = 2
	}
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		wg.Go(func() { errs[i] = w.call(key, p, i == 0) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Println(key)
	return nil
}

// call calls the tool until there is an outcome, and delivers it.
func (w *worker) call(key string, p plan, first bool) error {
	ctx := duvotool.WithOperationKey(context.Background(), key)
	t := w.tools[assignmentName(p.Assignment)]
	if t == nil {
		return fmt.Errorf("there is no Assignment %d", p.Assignment)
	}
	line := delivered{Key: key, Life: w.c.Life}
	if first && p.Impatient > 0 {
		short, cancel := context.WithTimeout(ctx, p.Impatient)
		_, err := t.Run(short, key)
		cancel()
		var je *outcome.JobError
		if err != nil && (!errors.As(err, &je) || je.Key != key) {
			line.Wrong = fmt.Sprintf("the error of a call that was left does not tell its key: %v", err)
		}
	}
	for attempt := 1; ; attempt++ {
		res, err := t.Run(ctx, key)
		switch {
		case err == nil && res.Outcome != outcome.OutcomePending:
			line.At, line.Outcome, line.JobID, line.Output = time.Now(), res.Outcome, res.JobID, res.Output
			return w.outcomes.add(line)
		case errors.Is(err, outcome.ErrClosed):
			var je *outcome.JobError
			if !errors.As(err, &je) || je.Key != key {
				line.Wrong = fmt.Sprintf("the error of a call that Close has ended does not tell its key: %v", err)
				return errors.Join(w.outcomes.add(line), errAsked)
			}
			return errAsked
		case err == nil && attempt > 1000: // it waits for somebody who does not come
			line.At, line.Outcome, line.JobID, line.Output = time.Now(), res.Outcome, res.JobID, res.Output
			return w.outcomes.add(line)
		case err != nil:
			slog.Warn("a call failed", "key", key, "attempt", attempt, "error", err.Error())
			if attempt > 1000 {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// measure samples what the process uses, while it takes keys.
func (w *worker) measure(stop chan struct{}) {
	f, err := openLines(samplesFile(w.c.Dir, w.c.Worker))
	if err != nil {
		slog.Error("samples", "error", err.Error())
		return
	}
	defer f.close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if w.enough.Load() {
			return
		}
		if err := f.add(sampleNow(w.c.Life)); err != nil {
			slog.Error("samples", "error", err.Error())
			return
		}
	}
}

func sampleNow(life int) sample {
	s := sample{At: time.Now(), Life: life, Goroutines: runtime.NumGoroutine()}
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	s.Heap = int64(heap[0].Value.Uint64())
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return s // this system does not tell
	}
	defer f.Close()
	text, _ := io.ReadAll(f)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		switch name {
		case "VmRSS":
			s.RSS = kib << 10
		case "RssAnon":
			s.Anonymous = kib << 10
		}
	}
	return s
}
