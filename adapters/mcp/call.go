package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"sync"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/handed"
	"github.com/duvotool/duvotool/outcome"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Progress tells the calls of a [Server] how their Jobs are doing. Give it to
// [duvotool.WithObserver]; next, if it is not nil, is told every event too.
func Progress(next func(outcome.Event)) func(outcome.Event) {
	return func(e outcome.Event) {
		if t, _ := e.Context().Value(threadKey{}).(*thread); t != nil {
			line := e
			line.Err = nil // its words are the program's; a host's model reads the line
			select {
			case t.lines <- line.String():
			default:
			}
		}
		if next != nil {
			next(e)
		}
	}
}

// A call is a tool call from its first request to its result. With peers of
// revision 2026-07-28 that may take several requests: each that asks the user
// something ends, and the answer comes with the next.
type call struct {
	id     string
	owner  string // whose handles it knows
	what   string // of tool, arguments and caller
	thread *thread
	ctx    context.Context // with what the registry goes by
	cancel context.CancelCauseFunc
	joint  *joint        // the operation that it belongs to; nil: one of its own
	done   chan struct{} // closed once reply and err are there
	reply  duvotool.Reply
	err    error
	slip   *handed.Slip // the handles of Jobs that the tool left at work

	way    context.Context // ends when its request is lost; nil: its own does
	told   float64         // of progress
	losing sync.Once       // for lost
	lost   chan struct{}   // closed once its host cannot be reached by it: it carries nothing more, and returns nothing

	// Guarded by Server.mu, while the call waits to be entered again.
	waits *ask
	shown *sdk.ServerSession // whose user was shown the form; nil over HTTP, where it lasts for one request
	round int
	timer *time.Timer
}

const (
	heartbeat     = 15 * time.Second // progress is told at least so often
	reentryWithin = 30 * time.Minute // after an input request, or the caller counts as gone
)

var (
	errHostGone = errors.New("mcp: the host did not come back with its user's answer")
	errEnded    = errors.New("mcp: the server was closed")
	errBroke    = errors.New("mcp: a tool panicked")
)

// A leftError is why a call ended whose host has given it up, or is gone.
type leftError struct{ error }

func (e leftError) Unwrap() error { return e.error }

// hasLeft reports whether something ended because the host has given up a call: its Job
// waits for the same as before.
func hasLeft(cause error) bool {
	var left leftError
	return errors.As(cause, &left)
}

// begin runs a tool in a goroutine of its own.
func (s *Server) begin(ctx context.Context, c *call, run func(context.Context) (duvotool.Reply, error)) *call {
	c.id, c.done, c.lost = newID(), make(chan struct{}), make(chan struct{})
	ctx, c.cancel = context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), threadKey{}, c.thread))
	c.ctx = ctx
	ctx, c.slip = handed.With(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // nothing is begun any more
		c.err = errEnded
		c.cancel(errEnded)
		close(c.done)
		return c
	}
	s.running[c] = struct{}{}
	s.calls.Go(func() {
		guard.Then(errBroke, func() (err error) {
			c.reply, err = run(ctx)
			return err
		}, func(err error) {
			c.err = err
			c.cancel(nil)
			s.mu.Lock()
			delete(s.running, c)
			s.mu.Unlock()
			close(c.done)
		})
	})
	return c
}

// lose notes that the host cannot be reached by a call.
func (c *call) lose() { c.losing.Do(func() { close(c.lost) }) }

// isLost reports whether the host cannot be reached by a call.
func (c *call) isLost() bool {
	select {
	case <-c.lost:
		return true
	default:
		return false
	}
}

// attend serves a call until it has a result, or something to ask that ends
// this request.
func (s *Server) attend(ctx context.Context, req *sdk.CallToolRequest, c *call) (*sdk.CallToolResult, error) {
	if c.way = s.wayBack(req); c.way != nil {
		defer context.AfterFunc(c.way, c.lose)()
	}
	if canElicit(req) {
		s.takeOver(c)
		s.showAgain(ctx, req, c)
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	last := "the Job is at work"
	asks, desk, lost := c.thread.asks, s.desk.of(userOf(req)), c.lost
	for {
		var a *ask
		select {
		case <-c.done:
			return s.finish(ctx, req, c)
		case <-lost: // the next call carries them
			asks, desk, lost = nil, nil, nil
			s.keepForms(req, c)
		case a = <-asks:
		case a = <-desk:
		case last = <-c.thread.lines:
			s.tell(ctx, req, c, last)
		case <-beat.C:
			s.tell(ctx, req, c, last)
			if asks != nil && canElicit(req) {
				s.showAgain(ctx, req, c)
			}
		case <-ctx.Done():
			// The host has left. That is no answer to anything: the Job is left as
			// it is, unless the registry was told to stop it, and a form that is
			// open stays for the next call about it.
			s.keepForms(req, c)
			c.cancel(leftError{context.Cause(ctx)})
			<-c.done
			return nil, context.Cause(ctx)
		}
		switch {
		case a == nil:
		case c.isLost(): // at the same moment
			a.reply <- formAnswer{left: true}
		case s.giveAgain(c.thread, a):
		case !canElicit(req):
			a.reply <- formAnswer{why: s.noForms(a.req)}
		case hasInputRequests(req):
			return s.inputRequired(req, c, a)
		default:
			s.show(ctx, req, c, a)
		}
	}
}

// look returns a call that tells what became of the Job since, where c did not
// wait for the answer to a form; else c.
func (s *Server) look(c *call) *call {
	handle := c.slip.Only()
	if c.err != nil || handle == "" {
		return c
	}
	again := &call{owner: c.owner, what: c.what, thread: c.thread, joint: c.joint, told: c.told}
	return s.begin(c.ctx, again, func(ctx context.Context) (duvotool.Reply, error) {
		return callable(s.reg.CheckTool()).Invoke(ctx, json.RawMessage(handle))
	})
}

// tell sends progress, where the host asked for it.
func (s *Server) tell(ctx context.Context, req *sdk.CallToolRequest, c *call, line string) {
	token := req.Params.GetProgressToken()
	if token == nil {
		return
	}
	c.told++
	if err := req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: token, Progress: c.told, Message: line}); err != nil {
		s.log.Debug("mcp: telling progress", "error", hitl.SafeLine(err.Error(), 300))
	}
}

// finish is the result of a call that is over.
func (s *Server) finish(ctx context.Context, req *sdk.CallToolRequest, c *call) (*sdk.CallToolResult, error) {
	for more := true; more; {
		select {
		case line := <-c.thread.lines:
			s.tell(ctx, req, c, line)
		default:
			more = false
		}
	}
	if c.err != nil {
		s.log.Error("mcp: a call failed", "tool", hitl.SafeLine(req.Params.Name, 80), "error", hitl.SafeLine(c.err.Error(), 2000))
		return failed(errorText(c.reply, c.err)), nil
	}
	for _, h := range c.slip.Handles() {
		_ = s.remember(c.owner+h, c.thread)
	}
	if c.way != nil && c.way.Err() != nil {
		c.lose()
	}
	s.returned(ctx, c)
	return &sdk.CallToolResult{IsError: c.reply.IsError, Content: []sdk.Content{&sdk.TextContent{Text: c.reply.Text}}}, nil
}

// errorText is what the model at a host is told of an error: as the reply has it, or,
// where there is none, the kind alone.
func errorText(r duvotool.Reply, err error) string {
	switch {
	case errors.Is(err, errBroke):
		return "The tool failed: it panicked or ended its goroutine. What it had begun may have been done."
	case r.Text != "":
		return r.Text
	}
	return duvotool.ErrorText(err)
}

func failed(text string) *sdk.CallToolResult {
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: hitl.SafeText(text, 2000)}}}
}

// handleForm finds a handle in what a model gives to check_job.
var handleForm = regexp.MustCompile(`job-[a-z2-7]{26}`)
