package mcp

import (
	"context"
	"errors"
	"regexp"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/handed"
	"github.com/duvotool/duvotool/outcome"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

type threadKey struct{}

// A thread is where a Job and the host's user meet: what the Job's policy asks
// is served by whichever tool call about the Job is there to carry it, the one
// that started it or a later one of check_job.
type thread struct {
	asks  chan *ask   // unbuffered: taken by a call that can carry it
	lines chan string // of progress; what finds no place is left out
}

func newThread() *thread { return &thread{asks: make(chan *ask), lines: make(chan string, 64)} }

// An ask is a request on its way to the host's user.
type ask struct {
	ctx   context.Context // ends when the answer no longer matters
	req   hitl.Request
	form  *form
	reply chan formAnswer // takes one without waiting
}

// Progress tells the calls of a [Server] how their Jobs are doing. Give it to
// [duvotool.WithObserver]; next, if it is not nil, is told every event too.
func Progress(next func(outcome.Event)) func(outcome.Event) {
	return func(e outcome.Event) {
		if t, _ := e.Context().Value(threadKey{}).(*thread); t != nil {
			select {
			case t.lines <- e.String():
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
	done   chan struct{} // closed once out and err are there
	out    string
	err    error
	slip   *handed.Slip // the handles of Jobs that the tool left at work

	told float64 // of progress

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

// begin runs a tool in a goroutine of its own.
func (s *Server) begin(ctx context.Context, t *thread, owner, what string, run func(context.Context) (string, error)) *call {
	c := &call{id: newID(), owner: owner, what: what, thread: t, done: make(chan struct{})}
	ctx, c.cancel = context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), threadKey{}, t))
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
			c.out, err = run(ctx)
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

// attend serves a call until it has a result, or something to ask that ends
// this request.
func (s *Server) attend(ctx context.Context, req *sdk.CallToolRequest, c *call) (*sdk.CallToolResult, error) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	last := "the Job is at work"
	elicitations := make(chan struct{})
	open := 0 // elicitations whose forms are shown
	defer func() {
		for ; open > 0; open-- {
			<-elicitations // they end with ctx, or with what they ask about
		}
	}()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	done := c.done
	for {
		if done == nil && open == 0 {
			return s.finish(ctx, req, c)
		}
		select {
		case <-done:
			if done = nil; open > 0 {
				last = "the Job waits for your answer"
			}
		case <-elicitations:
			if open--; done == nil {
				c = s.look(c)
				done = c.done
			}
		case a := <-c.thread.asks:
			switch {
			case !canElicit(req):
				a.reply <- formAnswer{why: noForms}
			case hasInputRequests(req):
				return s.inputRequired(req, c, a)
			default:
				open++
				go func() {
					defer func() { elicitations <- struct{}{} }()
					a.reply <- s.elicit(ctx, req, a)
				}()
			}
		case last = <-c.thread.lines:
			s.tell(ctx, req, c, last)
		case <-beat.C:
			s.tell(ctx, req, c, last)
		case <-ctx.Done():
			// The host has left. That is no answer to anything: the Job is
			// left as it is, unless the registry was told to stop it.
			leave(nil)
			c.cancel(context.Cause(ctx))
			<-c.done
			return nil, context.Cause(ctx)
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
	again := s.begin(c.ctx, c.thread, c.owner, c.what, func(ctx context.Context) (string, error) { return s.reg.CheckTool().Call(ctx, handle) })
	again.told = c.told
	return again
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
		return failed(errorText(c.err)), nil
	}
	for _, h := range c.slip.Handles() {
		_ = s.remember(c.owner+h, c.thread)
	}
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: c.out}}}, nil
}

// errorText is what the model at a host is told of an error. It is a stranger's, so
// of a tool of the program's own too it is the kind alone.
func errorText(err error) string {
	if errors.Is(err, errBroke) {
		return "The tool failed: it panicked or ended its goroutine. What it had begun may have been done."
	}
	return duvotool.ErrorText(err)
}

func failed(text string) *sdk.CallToolResult {
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: hitl.SafeText(text, 2000)}}}
}

// handleForm finds a handle in what a model gives to check_job.
var handleForm = regexp.MustCompile(`job-[a-z2-7]{26}`)

// elicit shows a form to the user of a host with a revision before 2026-07-28.
func (s *Server) elicit(ctx context.Context, req *sdk.CallToolRequest, a *ask) formAnswer {
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.ctx, cancel)()
	res, err := req.Session.Elicit(own, a.form.params)
	switch {
	case ctx.Err() != nil, errors.Is(err, sdk.ErrConnectionClosed):
		return formAnswer{left: true}
	case err != nil:
		s.log.Warn("mcp: asking the host's user", "error", hitl.SafeLine(err.Error(), 300))
		return formAnswer{why: askingFailed}
	}
	return filledIn(req, res)
}

func canElicit(req *sdk.CallToolRequest) bool {
	caps := req.ClientCapabilities()
	return caps != nil && caps.Elicitation != nil && (caps.Elicitation.Form != nil || caps.Elicitation.URL == nil)
}

// hasInputRequests reports whether the peer is asked by input requests.
func hasInputRequests(req *sdk.CallToolRequest) bool { return req.ProtocolVersion() >= "2026-07-28" }
