package main

import (
	"bufio"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// How long it takes until a decision on one replica reaches Duvo, about a Job that
// another one owns, which lives or was killed just now.

// settled is how long an owner is left alone before it is killed, so that it sends
// nothing at that moment.
const settled = 300 * time.Millisecond

// A stopwatch measures decisions made on a replica that this process has.
type stopwatch struct {
	h    *harness
	reg  *duvotool.Registry
	next int // number of a key
}

// A lap is how long after it began a decision was accepted, and Duvo had it.
type lap struct{ accepted, inDuvo time.Duration }

// times measures so many decisions of each kind, and prints what it finds.
func times(ctx context.Context, c config, rounds int, w io.Writer) error {
	for _, m := range []struct {
		what, without string
		kill          bool
	}{
		{"decided on another replica than the owner", "", false},
		{"the same, where nobody receives what replicas broadcast", withoutTell, false},
		{"decided on another replica, since the owner was killed by SIGKILL", "", true},
	} {
		c.Without = m.without
		laps, err := lapsOf(ctx, c, rounds, m.kill)
		if err != nil {
			return fmt.Errorf("%s: %w", m.what, err)
		}
		accepted, inDuvo := []time.Duration{}, []time.Duration{}
		for _, l := range laps {
			accepted, inDuvo = append(accepted, l.accepted), append(inDuvo, l.inDuvo)
		}
		fmt.Fprintf(w, "%s (%s, lease %v, %d times): in Duvo after %s; told that it counts after %s\n", m.what, c.Journal, c.Lease, rounds, medianAndMost(inDuvo), medianAndMost(accepted))
	}
	return nil
}

func medianAndMost(all []time.Duration) string {
	slices.Sort(all)
	return fmt.Sprintf("%v at the median, %v at most", all[len(all)/2].Round(time.Millisecond), all[len(all)-1].Round(time.Millisecond))
}

// lapsOf measures decisions of one kind.
func lapsOf(ctx context.Context, c config, rounds int, kill bool) (laps []lap, err error) {
	c.Workers, c.NoFaults, c.Faults, c.Replicas = 1, true, 0, 2
	h := &harness{c: c, secret: crand.Text(), rand: rand.New(rand.NewPCG(c.Seed, 3)), finished: map[string]int{}}
	if h.dir, err = os.MkdirTemp("", "duvotool-chaos-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(h.dir)
	stop, err := h.startEmulator()
	if err != nil {
		return nil, err
	}
	defer stop()
	stopServing, err := h.serveJournal()
	if err != nil {
		return nil, err
	}
	defer stopServing()
	s := &stopwatch{h: h}
	if s.reg, err = measuredReplica(ctx, childConfig{Where: h.where, Lease: c.Lease}, worsen(h.shared.(journal.Leases), c.Without)); err != nil {
		return nil, err
	}
	defer s.reg.Close(ctx)
	var o *owner
	for range rounds {
		if o == nil {
			if o, err = s.startOwner(); err != nil {
				return nil, err
			}
			defer func(o *owner) { o.end() }(o)
		}
		l, err := s.lap(ctx, o, kill)
		if err != nil {
			return nil, err
		}
		if laps = append(laps, l); kill {
			o = nil
		}
	}
	return laps, nil
}

var putsOff = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })

// measuredReplica makes a registry whose policy puts everything off.
func measuredReplica(ctx context.Context, c childConfig, j journal.Leases) (*duvotool.Registry, error) {
	client, err := duvo.New(duvo.WithAPIKey(c.Where.Key), duvo.WithTeam(c.Where.Team), duvo.WithBaseURL(c.Where.URL), duvo.WithTimeout(clientTimeout))
	if err != nil {
		return nil, err
	}
	return duvotool.Discover(ctx, client, duvotool.WithJournal(j), duvotool.WithLease(c.Lease), duvotool.WithPolicy(putsOff), duvotool.WithPollInterval(pollInterval),
		duvotool.WithPostTimeout(postTimeout), duvotool.WithSettleTime(settleTime), duvotool.WithLogger(slog.New(slog.DiscardHandler)))
}

// plainKey returns a key whose Job asks one thing, that people decide.
func (s *stopwatch) plainKey() string {
	for {
		key := keyName(s.next)
		s.next++
		p := planOf(s.h.c.Seed, key)
		if t := p.Turns[0]; len(p.Turns) == 1 && len(t.Asks) == 1 && t.Asks[0].Mode == asksOperators {
			return key
		}
	}
}

// An owner is a process with a replica that runs what it is told to.
type owner struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
}

func (s *stopwatch) startOwner() (*owner, error) {
	cmd, err := child(childConfig{Role: roleOwner, Seed: s.h.c.Seed, Where: s.h.where, Journal: s.h.served, Database: s.h.dsn, Lease: s.h.c.Lease, Without: s.h.c.Without})
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	o := &owner{cmd: cmd}
	if o.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	o.stdout = bufio.NewScanner(stdout)
	return o, cmd.Start()
}

func (o *owner) end() {
	_ = o.stdin.Close()
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
}

// lap lets the owner run a Job until it waits, and decides here.
func (s *stopwatch) lap(ctx context.Context, o *owner, kill bool) (l lap, err error) {
	key := s.plainKey()
	if _, err := fmt.Fprintln(o.stdin, key); err != nil {
		return l, err
	}
	if !o.stdout.Scan() {
		return l, errors.New("the owner has ended")
	}
	var req *hitl.Request
	for req == nil {
		for _, r := range s.reg.Pending() {
			if r.Key == key {
				req = &r
			}
		}
		if !sleepUntil(ctx.Done(), 5*time.Millisecond) {
			return l, context.Cause(ctx)
		}
	}
	sleepUntil(ctx.Done(), settled)
	began := time.Now()
	if kill {
		if err := o.cmd.Process.Kill(); err != nil {
			return l, err
		}
	}
	for err := errors.New(""); err != nil; {
		if err = s.reg.Decide(ctx, *req, hitl.Approve("somebody", "")); err != nil && !sleepUntil(ctx.Done(), 10*time.Millisecond) {
			return l, err
		}
	}
	l.accepted = time.Since(began)
	at, err := s.responded(ctx, key)
	l.inDuvo = at.Sub(began)
	return l, err
}

// responded asks the emulator when it got the response.
func (s *stopwatch) responded(ctx context.Context, key string) (time.Time, error) {
	for {
		resp, err := http.Get(s.h.where.URL + recordsPath)
		if err != nil {
			return time.Time{}, err
		}
		var seen saw
		err = json.NewDecoder(resp.Body).Decode(&seen)
		_ = resp.Body.Close()
		if err != nil {
			return time.Time{}, err
		}
		for _, j := range seen.Jobs {
			if j.Input == key && len(j.Requests) == 1 && j.Requests[0].Response != nil {
				return j.Requests[0].Response.At, nil
			}
		}
		if !sleepUntil(ctx.Done(), 5*time.Millisecond) {
			return time.Time{}, context.Cause(ctx)
		}
	}
}

// runOwner is an owner's process: it runs the keys on its standard input, and prints each
// once its Job waits.
func runOwner(c childConfig) error {
	ctx := context.Background()
	var j journal.Leases = newServed(c.Journal)
	if c.Database != "" {
		shared, shut, err := openShared(ctx, c.Database)
		if err != nil {
			return err
		}
		defer shut()
		j = shared
	}
	reg, err := measuredReplica(ctx, c, worsen(j, c.Without))
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		key := strings.TrimSpace(in.Text())
		for _, t := range reg.All() {
			if t.Assignment().Name != assignmentName(planOf(c.Seed, key).Assignment) {
				continue
			}
			res, err := t.Run(duvotool.WithOperationKey(ctx, key), key)
			if err != nil {
				return err
			}
			if res.Outcome != outcome.OutcomePending {
				return fmt.Errorf("%s: %s", key, res.Outcome)
			}
			fmt.Println(key)
		}
	}
	return reg.Close(ctx)
}
