package main

import (
	"bufio"
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// A config is what a run of the harness is asked for.
type config struct {
	Jobs          int
	Kills         int
	Faults        float64 // the part of all requests
	NoIdempotency bool
	Seed          uint64
	Workers       int
	InFlight      int           // of all workers
	Soak          time.Duration // instead of a number of Jobs
	Dir           string        // for the files; empty: a temporary one, kept if the run fails
	Break         int           // for tests, see breakJournal
	Replicas      int           // workers that all share one journal with leases; zero: see Workers
	Journal       string        // of replicas
	Lease         time.Duration // of a replica
	NoFaults      bool          // nothing goes wrong
	Without       string        // what the replicas' journal lacks, see worsen
	Compare       bool          // what several replicas send with what one does
	Times         int           // decisions of each kind that are measured, instead of a run
	Progress      io.Writer     // nil: none

	// Patience is how long a run goes on in which nothing is delivered; then it
	// is checked as it is.
	Patience time.Duration
}

const defaultPatience = 3 * time.Minute

var errStandstill = errors.New("nothing was delivered for a long time")

// A harness is one run.
type harness struct {
	c        config
	dir      string
	secret   string // that signs webhooks
	where    where
	workers  []*tended
	shared   journal.Journal // of the workers that share one
	served   string          // where it is served; empty: there is none
	database database        // nil: there is none
	dsn      string          // the connection string of the journal's database

	mu        sync.Mutex // guards the rest, and the workers
	rand      *rand.Rand
	delivered int
	last      time.Time // when something was delivered
	kills     int
	closes    int // workers asked to end
	restarts  int // of workers that nobody had killed or asked to end
	notClosed int // workers that could not close their registry
	freezes   int
	databases int // times in which the database was down
	troubles  []trouble
	finished  map[string]int // keys, with how many replicas have finished them
}

// A tended is a worker that is started again whenever it ends before its time.
type tended struct {
	number int
	hooks  *os.File // the listener that its webhooks come to, which outlives it
	url    string

	// All below is guarded by harness.mu.
	cmd    *exec.Cmd // nil: it does not run
	stdin  io.WriteCloser
	killed bool
	since  time.Time // since when it is killed, or asked to end
	ended  bool      // it has done all it had to
	lives  int
}

// run runs the harness and checks what came of it. The error tells that it could
// not be run; what is found is in the report.
func run(ctx context.Context, c config) (rep report, err error) {
	if c.Replicas > 0 {
		c.Workers, c.Lease = c.Replicas, cmp.Or(c.Lease, time.Second)
	}
	h := &harness{finished: map[string]int{}, c: c, dir: c.Dir, secret: crand.Text(), rand: rand.New(rand.NewPCG(c.Seed, 3)), last: time.Now()}
	if h.dir == "" {
		if h.dir, err = os.MkdirTemp("", "duvotool-chaos-"); err != nil {
			return report{}, err
		}
		defer func() {
			if err == nil && rep.clean() {
				err = os.RemoveAll(h.dir)
			} else {
				rep.Dir = h.dir
			}
		}()
	} else if old, _ := filepath.Glob(filepath.Join(h.dir, "journal-*")); len(old) > 0 {
		return report{}, fmt.Errorf("%s has the files of another run", h.dir)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	stop, err := h.startEmulator()
	if err != nil {
		return report{}, fmt.Errorf("the emulator: %w", err)
	}
	defer stop()
	stopServing, err := h.serveJournal()
	if err != nil {
		return report{}, fmt.Errorf("the shared journal: %w", err)
	}
	defer stopServing()
	err = h.work(ctx)
	elapsed := time.Since(began)
	still := errors.Is(err, errStandstill)
	if err != nil && !still {
		return report{}, err
	}
	e, err := h.gather(ctx)
	if err != nil {
		return report{}, err
	}
	rep = e.check()
	rep.Drawn["keys run by two processes on one journal"] = h.both()
	if still {
		rep.problem(&rep.Lost, "the run was ended because nothing was delivered any more")
	}
	if h.notClosed > 0 {
		rep.problem(&rep.Lost, "%d workers could not close their registry; see their logs", h.notClosed)
	}
	rep.Closes = h.closes
	rep.Replicas, rep.Journal, rep.Freezes, rep.Databases = c.Replicas, c.Journal, h.freezes, h.databases
	rep.Seed, rep.Kills, rep.Restarts, rep.Seconds = c.Seed, h.kills, h.restarts, elapsed.Seconds()
	rep.Soak, err = h.soakFigures()
	return rep, err
}

// startEmulator starts the emulator's process, which stop ends.
func (h *harness) startEmulator() (stop func(), err error) {
	cmd, err := child(childConfig{Role: roleEmulator, Secret: h.secret, Seed: h.c.Seed, Faults: h.c.Faults, NoIdempotency: h.c.NoIdempotency, NoFaults: h.c.NoFaults})
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	if err := json.NewDecoder(stdout).Decode(&h.where); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// work lets the workers do all there is to do, and kills them meanwhile.
func (h *harness) work(ctx context.Context) error {
	for i := range h.c.Workers {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		defer f.Close()
		h.workers = append(h.workers, &tended{number: i, hooks: f, url: "http://" + l.Addr().String() + "/hooks"})
	}
	if h.c.Replicas > 0 {
		stop, err := h.balance()
		if err != nil {
			return err
		}
		defer stop()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all, others sync.WaitGroup
	for _, w := range h.workers {
		all.Go(func() {
			if err := h.tend(ctx, w); err != nil {
				cancel(err)
			}
		})
	}
	over, end := context.WithCancel(ctx)
	others.Go(func() { h.killAll(over) })
	h.disturb(over, &others, cancel)
	others.Go(func() { h.watch(over, cancel) })
	all.Wait()
	end()
	others.Wait()
	return context.Cause(ctx)
}

// tend starts a worker again and again, until it has done all.
func (h *harness) tend(ctx context.Context, w *tended) error {
	log, err := os.OpenFile(logFile(h.dir, w.number), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	inVain := 0
	for ctx.Err() == nil {
		h.mu.Lock()
		life, before := w.lives, h.delivered
		w.lives++
		h.mu.Unlock()
		err := h.live(ctx, w, life, log)
		h.mu.Lock()
		if w.killed {
			h.troubles = append(h.troubles, trouble{"", w.number, "killed or asked to end", w.since, time.Now()})
		}
		killed, after := w.killed, h.delivered
		w.cmd, w.killed, w.ended = nil, false, err == nil
		var exit *exec.ExitError
		switch {
		case err == nil:
		case errors.As(err, &exit) && exit.ExitCode() == exitClosing:
			h.notClosed++
		case !killed:
			h.restarts++
			h.troubles = append(h.troubles, trouble{"", w.number, "ended by itself", time.Now(), time.Now()})
		}
		h.mu.Unlock()
		switch {
		case err == nil:
			return nil
		case killed || after > before:
			inVain = 0
		default:
			if inVain++; inVain > 20 {
				return fmt.Errorf("worker %d ends again and again: %w; see %s", w.number, err, log.Name())
			}
			sleepUntil(ctx.Done(), time.Duration(inVain)*50*time.Millisecond) // the database may be down
		}
	}
	return nil
}

// live is one life of a worker. A nil error means that it has done all.
func (h *harness) live(ctx context.Context, w *tended, life int, log io.Writer) error {
	shared := ""
	if h.c.Replicas > 0 || w.number >= sharing(h.c.Workers) {
		shared = h.served
	}
	cmd, err := child(childConfig{Role: roleWorker, Journal: shared, Seed: h.c.Seed, NoIdempotency: h.c.NoIdempotency, Where: h.where, Dir: h.dir, Worker: w.number,
		Workers: h.c.Workers, Life: life, Jobs: h.c.Jobs, InFlight: max(h.c.InFlight/h.c.Workers, 1), Hooks: w.url, Secret: h.secret, Break: h.c.Break,
		Replica: h.c.Replicas > 0, Database: h.dsn, Lease: h.c.Lease, NoFaults: h.c.NoFaults, Killed: h.c.Kills > 0, Without: h.c.Without})
	if err != nil {
		return err
	}
	cmd.Stderr = log
	cmd.ExtraFiles = []*os.File{w.hooks}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	h.mu.Lock()
	w.cmd, w.stdin = cmd, stdin
	h.enoughLocked()
	h.mu.Unlock()
	dead := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer dead()
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		h.mu.Lock()
		if h.finished[lines.Text()]++; h.finished[lines.Text()] == h.callersOf(lines.Text()) {
			h.delivered++
		}
		h.last = time.Now()
		h.enoughLocked()
		h.mu.Unlock()
	}
	return cmd.Wait()
}

// callersOf tells how many workers run a key; zero where that is not known.
func (h *harness) callersOf(key string) int {
	if h.c.Replicas == 0 {
		return h.finished[key] // each line counts
	}
	return len(replicasOf(planOf(h.c.Seed, key), h.c.Replicas))
}

// enoughLocked tells replicas that all is done, if it is. Called with mu held.
func (h *harness) enoughLocked() {
	if h.c.Replicas == 0 || h.delivered < h.c.Jobs {
		return
	}
	for _, w := range h.workers {
		if w.cmd != nil {
			_, _ = io.WriteString(w.stdin, enough+"\n")
		}
	}
}

// watch tells of progress, ends a soak in its time, and a run that has come to a
// standstill.
func (h *harness) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	began, told := time.Now(), time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.mu.Lock()
		if h.c.Jobs == 0 && time.Since(began) >= h.c.Soak {
			for _, w := range h.workers {
				if w.cmd != nil {
					_, _ = io.WriteString(w.stdin, enough+"\n")
				}
			}
		}
		still := time.Since(h.last)
		if h.c.Progress != nil && time.Since(told) >= 10*time.Second {
			told = time.Now()
			fmt.Fprintf(h.c.Progress, "%v: %d delivered, %d kills, %d other restarts\n", time.Since(began).Round(time.Second), h.delivered, h.kills, h.restarts)
		}
		h.mu.Unlock()
		if still > cmp.Or(h.c.Patience, defaultPatience) {
			cancel(errStandstill)
			return
		}
	}
}
