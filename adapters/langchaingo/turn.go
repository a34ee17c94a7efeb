package langchaingo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/runscope"
	"github.com/tmc/langchaingo/tools"
)

// turns holds the calls that were started and not yet asked for.
type turns struct {
	mu    sync.Mutex
	calls map[string]*started // by mark
	order []string            // the oldest first; some are gone
}

// maxHeld bounds the ended calls that nobody has asked for, of executors that
// stopped while their context goes on.
const maxHeld = 1024

// leftFor is how long a call that has ended with its context is kept for an
// executor that has not asked for it: the error that ends the run names it.
const leftFor = time.Minute

// A started call is under way, has ended, or waits to be asked for.
type started struct {
	run    string
	name   string
	ctx    context.Context                       // the run's
	make   func(context.Context) (string, error) // nil: it was begun
	done   chan struct{}
	out    string
	err    error
	forget func() bool // drops the watch on its context
}

// begin starts a call on the run's context. It ends with that context at the
// latest, and is then dropped if nobody asks for it within [leftFor].
func (s *turns) begin(ctx context.Context, m mark, t tools.Tool, args string) {
	c := s.hold(ctx, m, nil)
	go func() {
		defer close(c.done)
		c.out, c.err = invoke(runscope.With(ctx, m.run), t, args)
	}()
}

// wait keeps a call of a tool that takes one at a time until it is asked for.
func (s *turns) wait(ctx context.Context, m mark, t tools.Tool, args string) {
	s.hold(ctx, m, func(ctx context.Context) (string, error) {
		return invoke(runscope.With(ctx, m.run), t, args)
	})
}

func (s *turns) hold(ctx context.Context, m mark, do func(context.Context) (string, error)) *started {
	c := &started{run: m.run, name: m.Tool, ctx: ctx, make: do, done: make(chan struct{})}
	if do != nil {
		close(c.done) // nothing goes on
	}
	c.forget = context.AfterFunc(ctx, func() { time.AfterFunc(leftFor, func() { s.drop(m.call) }) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]*started{}
	}
	s.calls[m.call] = c
	s.order = append(s.order, m.call)
	s.trim()
	return c
}

// trim is called with mu held.
func (s *turns) trim() {
	if len(s.order) < 2*maxHeld {
		return
	}
	kept := s.order[:0]
	for i, id := range s.order {
		c := s.calls[id]
		if c == nil {
			continue
		}
		if i < len(s.order)-maxHeld {
			select {
			case <-c.done:
				c.forget()
				delete(s.calls, id)
				continue
			default:
			}
		}
		kept = append(kept, id)
	}
	s.order = kept
}

// take returns a started call, once.
func (s *turns) take(id string) *started {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	if c != nil {
		c.forget()
		delete(s.calls, id)
	}
	return c
}

func (s *turns) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, id)
}

// over drops what a run has left from its last turn.
func (s *turns) over(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, c := range s.calls {
		if c.run == run {
			c.forget()
			delete(s.calls, id)
		}
	}
}

// left joins the error that ends a run with those of its other calls, so that it
// names every Job that goes on. Calls end with their context, or the registry; for
// the ones that do not it waits no longer than a moment.
func (s *turns) left(run string, err error) error {
	s.mu.Lock()
	var others []*started
	for _, id := range s.order {
		if c := s.calls[id]; c != nil && c.run == run && c.make == nil {
			others = append(others, c)
		}
	}
	s.mu.Unlock()
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	errs := []error{err}
	late := false
	for _, c := range others {
		if !late {
			select {
			case <-c.done:
			case <-grace.C:
				late = true
			}
		}
		select {
		case <-c.done:
			if c.err != nil {
				errs = append(errs, c.err)
			}
		default:
			errs = append(errs, fmt.Errorf("langchaingo: a call of %q is still under way", hitl.SafeLine(c.name, 80)))
		}
	}
	if len(errs) == 1 {
		return err
	}
	return errors.Join(errs...)
}

// A boundTool is a tool as the executor gets it.
type boundTool struct {
	tools.Tool
	agent *Agent
}

// Call returns what the started call comes to, or else makes the call. A call of an
// Assignment that nobody holds any more is made again: within its run that is the
// same operation, so it starts no second Job. One of another tool is not: it may
// have been made.
func (b *boundTool) Call(ctx context.Context, input string) (string, error) {
	args, m, ok := unmark(input)
	if !ok {
		if _, typed := b.Tool.(argumentsTool); !typed || !isObject(args) {
			return guarded(func() (string, error) {
				out, err := b.Tool.Call(ctx, args)
				return observe(ctx, out, err)
			})
		}
		return invoke(ctx, b.Tool, args)
	}
	if !b.agent.issued(m, args) {
		return "The tool was not called: its input ends in a mark that was not issued for it. Call a tool that you were offered, with its arguments alone.", nil
	}
	out, err := b.agent.resume(ctx, m, args)
	if err != nil {
		err = b.agent.turns.left(m.run, err)
	}
	return out, err
}

// resume returns what the call with this mark comes to.
func (a *Agent) resume(ctx context.Context, m mark, args string) (string, error) {
	if m.Refused != "" {
		return m.Refused, nil
	}
	switch c := a.turns.take(m.call); {
	case c != nil && c.make != nil:
		return c.make(ctx)
	case c != nil:
		return c.wait(ctx)
	case m.ID == "":
		return "What this call came to is no longer known here: it may have been made, and is not made again.", nil
	}
	t := a.again(m.shown)
	if t == nil {
		return fmt.Sprintf("There is no tool %q any more.", hitl.SafeLine(m.Tool, 100)), nil
	}
	return invoke(runscope.With(ctx, m.run), t, args)
}

// wait waits for the call, or for the end of the caller's context.
func (c *started) wait(ctx context.Context) (string, error) {
	select {
	case <-c.done:
		return c.out, c.err
	default:
	}
	select {
	case <-c.done:
		return c.out, c.err
	case <-ctx.Done():
	}
	if c.ctx.Err() == nil { // this caller has left, not the run
		return "", context.Cause(ctx)
	}
	// The call ends with the run, and its error tells what became of its Job.
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case <-c.done:
		return c.out, c.err
	case <-grace.C:
		return "", context.Cause(ctx)
	}
}

const joinerName = "duvo_call"

// joiner stands for the tools that came up after an executor had asked for them
// all. The model is never offered it.
type joiner struct{}

func (joiner) Name() string { return joinerName }
func (joiner) Description() string {
	return "Stands for a tool that was found after the run had begun."
}

func (joiner) Call(context.Context, string) (string, error) {
	return "There is no tool " + joinerName + ": call a tool that you were offered, by its name.", nil
}
