package langchaingo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/runscope"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
)

// A mark stands behind the arguments in an action's input. The executor hands a
// tool nothing but that input and a context, so it is how a tool finds the call
// that was started for it, and how a turn knows its run. The model never sees
// it.
type mark struct {
	run  string
	call string
	tool string // empty: the action names it
}

var markPattern = regexp.MustCompile(`\n#run-([a-z2-7]{26})\.([a-z2-7]{26})(?: ([^\n]*))?$`)

func nonce() string { return strings.ToLower(rand.Text()) }

// on returns the arguments with the mark.
func (m mark) on(args string) string {
	s := args + "\n#run-" + m.run + "." + m.call
	if m.tool != "" {
		s += " " + m.tool
	}
	return s
}

// unmark takes an action's input apart.
func unmark(input string) (args string, m mark, ok bool) {
	at := markPattern.FindStringSubmatchIndex(input)
	if at == nil {
		return input, mark{}, false
	}
	part := func(i int) string {
		if at[2*i] < 0 {
			return ""
		}
		return input[at[2*i]:at[2*i+1]]
	}
	return input[:at[0]], mark{part(1), part(2), part(3)}, true
}

// runOf returns the run that the steps belong to, a new one if there are none
// yet.
func runOf(steps []schema.AgentStep) string {
	for i := len(steps) - 1; i >= 0; i-- {
		if _, m, ok := unmark(steps[i].Action.ToolInput); ok {
			return m.run
		}
	}
	return nonce()
}

// turns holds the calls that were started and not yet asked for.
type turns struct {
	mu    sync.Mutex
	calls map[string]*started // by mark
	order []string            // the oldest first; some are gone
}

// maxHeld bounds the ended calls that nobody has asked for, of executors that
// stopped while their context goes on.
const maxHeld = 1024

// A started call is under way, or has ended.
type started struct {
	run     string
	ctx     context.Context // the run's
	settled bool            // it was never made, and must not be
	done    chan struct{}
	out     string
	err     error
	forget  func() bool // drops the watch on its context
}

// begin starts a call on the run's context. It ends with that context at the
// latest, and is then dropped if nobody has asked for it.
func (s *turns) begin(ctx context.Context, m mark, t tools.Tool, args string) {
	c := s.hold(ctx, m)
	go func() {
		defer close(c.done)
		c.out, c.err = invoke(runscope.With(ctx, m.run), t, args)
	}()
}

// settle holds an answer that is known already.
func (s *turns) settle(ctx context.Context, m mark, out string) {
	c := s.hold(ctx, m)
	c.settled, c.out = true, out
	close(c.done)
}

func (s *turns) hold(ctx context.Context, m mark) *started {
	c := &started{run: m.run, ctx: ctx, done: make(chan struct{})}
	c.forget = context.AfterFunc(ctx, func() { s.drop(m.call) })
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

// take returns a started call, once; one that was settled, until the next turn.
func (s *turns) take(id string) *started {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[id]
	if c != nil && !c.settled {
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

// A boundTool is a tool as the executor gets it.
type boundTool struct {
	tools.Tool
	agent *Agent
}

// Call returns what the started call comes to, or else makes the call. A call
// that nobody holds any more is made again: within its run that is the same
// operation, so it starts no second Job.
func (b *boundTool) Call(ctx context.Context, input string) (string, error) {
	args, m, ok := unmark(input)
	if !ok {
		if _, typed := b.Tool.(argumentsTool); !typed || !isObject(args) {
			out, err := b.Tool.Call(ctx, args)
			return observe(ctx, out, err)
		}
		return invoke(ctx, b.Tool, args)
	}
	if c := b.agent.turns.take(m.call); c != nil {
		return c.wait(ctx)
	}
	t := b.Tool
	if m.tool != "" {
		if t = b.agent.tool(m.tool); t == nil {
			return fmt.Sprintf("There is no tool %q any more.", m.tool), nil
		}
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

// tool returns the tool with this name, nil if there is none.
func (a *Agent) tool(name string) tools.Tool {
	for _, t := range a.all() {
		if t.Name() == name {
			return t
		}
	}
	return nil
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
	return "", errors.New("langchaingo: " + joinerName + " is not to be called by itself")
}
