package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Step is what [Escalate] does after a while. Make it with [Remind] or
// [Then].
type Step struct {
	after  time.Duration
	notify func(context.Context, Request)
	ask    Policy
}

// Remind calls notify so long after the request was first seen. It is called
// in a goroutine of its own, with a context that ends when somebody decided.
func Remind(after time.Duration, notify func(context.Context, Request)) Step {
	return Step{after: after, notify: notify}
}

// Then asks p as well so long after the request was first seen, or as soon as
// none of those asked before has anything more to say.
func Then(after time.Duration, p Policy) Step { return Step{after: after, ask: p} }

// Escalate asks first, and then takes the steps in their order, each once: it
// reminds, or asks somebody else as well. Whoever decides first has decided;
// the context of the others ends. One that passes or fails does not hold up the
// rest, nor does one that could ask nobody, see [Nobody]. If none has an
// opinion, neither has Escalate; if somebody failed then, that is its error.
//
// A policy that is asked again, after a restart say, takes the steps that are
// due at once and in order.
func Escalate(first Policy, steps ...Step) Policy { return escalate{first, slices.Clone(steps)} }

type escalate struct {
	first Policy
	steps []Step
}

func (e escalate) Decide(ctx context.Context, req Request) (Decision, error) {
	if e.Validate() != nil {
		return Decision{}, errUnusable
	}
	if d, vetoed, err := vetoed(ctx, e.String(), req, e.asked()...); vetoed {
		return d, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := firstSeen(req)
	answers := make(chan answer, len(e.steps)+1)
	ask(inner, 0, e.first, req, answers)
	open, next := 1, 0
	last := Pass()
	var errs []error
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		for next < len(e.steps) && (open == 0 || time.Since(began) >= e.steps[next].after) {
			s := e.steps[next]
			next++
			switch {
			case s.ask != nil:
				ask(inner, next, s.ask, req, answers)
				open++
			case open > 0:
				remind(inner, s.notify, req)
			}
		}
		if open == 0 {
			return last, errors.Join(errs...)
		}
		var due <-chan time.Time
		if next < len(e.steps) {
			timer.Reset(e.steps[next].after - time.Since(began))
			due = timer.C
		}
		select {
		case a := <-answers:
			open--
			switch {
			case a.err != nil:
				errs = append(errs, a.err)
			case a.d.HasOpinion():
				return a.d.Via(fmt.Sprintf("Escalate[%d]", a.from+1)), nil
			case a.d.Verdict != Passed: // it could ask nobody
				last = a.d.Via(fmt.Sprintf("Escalate[%d]", a.from+1))
			}
		case <-due:
		case <-ctx.Done():
			return Decision{}, context.Cause(ctx)
		}
	}
}

func remind(ctx context.Context, notify func(context.Context, Request), req Request) {
	ask(ctx, 0, reminder(notify), req, make(chan answer, 1))
}

// A reminder is a notification dressed as a policy, so that its panic is
// caught and its goroutine is counted.
type reminder func(context.Context, Request)

func (r reminder) Decide(ctx context.Context, req Request) (Decision, error) {
	r(ctx, req)
	return Pass(), nil
}

func (reminder) String() string { return "Remind" }

// Vetoes asks all.
func (e escalate) Vetoes(req Request) bool {
	return slices.ContainsFunc(e.asked(), func(p Policy) bool { return Vetoes(p, req) })
}

// asked returns all that may be asked.
func (e escalate) asked() []Policy {
	all := []Policy{e.first}
	for _, s := range e.steps {
		if s.ask != nil {
			all = append(all, s.ask)
		}
	}
	return all
}

// Foresee knows of a denial by the first, or by a step whose time had come.
func (e escalate) Foresee(req Request, at time.Time) (Verdict, bool) {
	denies := func(p Policy) bool {
		v, certain := Foresee(p, req, at)
		return certain && v == Denied
	}
	due := func(s Step) bool { return s.ask != nil && !at.Before(firstSeen(req).Add(s.after)) && denies(s.ask) }
	return Denied, denies(e.first) || slices.ContainsFunc(e.steps, due)
}

func (e escalate) Validate() error {
	var errs []error
	var before time.Duration
	for i, s := range e.steps {
		switch {
		case s.ask == nil && s.notify == nil:
			errs = append(errs, fmt.Errorf("Escalate: step %d does nothing", i+1))
		case s.after < before || s.after <= 0:
			errs = append(errs, fmt.Errorf("Escalate: step %d comes after %v, which is not later than the one before", i+1, s.after))
		}
		before = s.after
	}
	return errors.Join(append(errs, validate("Escalate", e.asked()...))...)
}

func (escalate) String() string { return "Escalate" }
