package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/outcome"
)

// patience is how often a call is repeated before it is delivered as it is.
const patience = 1000

// runKey runs a key until everything of it is delivered.
func (w *worker) runKey(key string) error {
	p := planOf(w.c.Seed, key)
	both := p.Both && w.c.Worker >= sharing(w.c.Workers)
	if w.c.Replica {
		both = len(replicasOf(p, w.c.Workers)) > 1
	}
	if both {
		w.happen(happened{Kind: calledByBoth, Key: key})
	}
	callers := 1
	if p.Twice {
		callers = 2
	}
	err := together(callers, func(i int) error { return w.runChain(key, p, i == 0) })
	if err != nil {
		return err
	}
	w.happen(happened{Kind: allDone, Key: key})
	fmt.Println(key)
	return nil
}

// together calls f several times at once, and joins what comes of it.
func together(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// runChain is one caller: it calls the tool, and goes on with the Job.
func (w *worker) runChain(key string, p plan, first bool) error {
	res, err := w.call(key, first && p.Impatient > 0, p, func(ctx context.Context, l *life) (*outcome.Result, error) {
		t := l.tools[assignmentName(p.Assignment)]
		if t == nil {
			return nil, fmt.Errorf("there is no Assignment %d", p.Assignment)
		}
		return t.Run(ctx, key)
	})
	if err != nil {
		return err
	}
	more := p.Turns[1:]
	if p.AtOnce {
		return together(len(more), func(i int) error {
			_, err := w.goOn(res, more[i].Name, p)
			return err
		})
	}
	for _, t := range more {
		if res, err = w.goOn(res, t.Name, p); err != nil {
			return err
		}
	}
	return nil
}

// goOn says something to a Job that has ended so that it can go on.
func (w *worker) goOn(after *outcome.Result, name string, p plan) (*outcome.Result, error) {
	if after == nil || after.Outcome != outcome.OutcomeCompleted && after.Outcome != outcome.OutcomeInterrupted {
		return nil, nil
	}
	w.happen(happened{Kind: followUpAsked, Key: name, JobID: after.JobID})
	return w.call(name, false, p, func(ctx context.Context, l *life) (*outcome.Result, error) {
		return l.reg.Continue(ctx, after, name)
	})
}

// A caller is one who calls until there is an outcome.
type caller struct {
	w    *worker
	name string // of the operation
	line delivered
	run  func(context.Context, *life) (*outcome.Result, error)
}

// call calls until there is an outcome, and delivers it. The Result is nil for a
// follow-up that cannot be said any more.
func (w *worker) call(name string, impatient bool, p plan, run func(context.Context, *life) (*outcome.Result, error)) (*outcome.Result, error) {
	c := caller{w, name, delivered{Key: name, Life: w.c.Life}, run}
	ctx := duvotool.WithOperationKey(context.Background(), name)
	if l := w.current(); impatient && l != nil {
		short, cancel := context.WithTimeout(ctx, p.Impatient)
		_, err := run(short, l)
		if short.Err() != nil {
			w.happen(happened{Kind: callerLeft, Key: name})
		}
		cancel()
		if err != nil && !tellsKey(err, name) {
			c.line.Wrong = fmt.Sprintf("the error of a call that was left does not tell its key: %v", err)
		}
	}
	for attempt := 1; ; attempt++ {
		l := w.current()
		if l == nil {
			return nil, errAsked
		}
		res, err := run(ctx, l)
		if over, err := c.take(l, res, err, attempt); over {
			if c.line.Refused != "" {
				res = nil
			}
			return res, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// take takes in what a call came to. over is true if it is not to be repeated.
func (c *caller) take(l *life, res *outcome.Result, err error, attempt int) (over bool, _ error) {
	w := c.w
	var bad *outcome.InputError
	switch {
	case err == nil && (attempt > patience || res.Outcome != outcome.OutcomePending && res.Outcome != outcome.OutcomeUnknown):
		c.line.Outcome, c.line.JobID, c.line.Output = res.Outcome, res.JobID, res.Output
		return true, c.deliver()
	case err == nil && res.Outcome == outcome.OutcomeUnknown:
		w.reconcile(l, res)
	case err == nil:
	case errors.Is(err, outcome.ErrClosed):
		if !tellsKey(err, c.name) {
			c.line.Wrong = fmt.Sprintf("the error of a call that Close has ended does not tell its key: %v", err)
			return true, errors.Join(c.deliver(), errAsked)
		}
	case errors.As(err, &bad) && (strings.Contains(bad.Problem, " is failed,") || strings.Contains(bad.Problem, " is stopped,")):
		c.line.Refused = bad.Problem
		w.happen(happened{Kind: duvoRefused, Key: c.name, Text: bad.Problem})
		return true, c.deliver()
	default:
		slog.Warn("a call failed", "key", c.name, "attempt", attempt, "error", err.Error())
		if attempt > patience {
			return true, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return false, nil
}

func (c *caller) deliver() error {
	c.line.At = time.Now()
	return c.w.outcomes.add(c.line)
}

// tellsKey reports whether an error tells the key with which its call is taken up.
func tellsKey(err error, key string) bool {
	var je *outcome.JobError
	return errors.As(err, &je) && je.Key == key
}
