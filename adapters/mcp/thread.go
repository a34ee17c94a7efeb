package mcp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

type threadKey struct{}

// A thread is where a Job and the host's user meet: what the Job's policy asks
// is served by whichever tool call about the Job is there to carry it, the one
// that started it or a later one, of check_job or the same again.
type thread struct {
	id    string
	asks  chan *ask   // unbuffered: taken by a call that can carry it
	lines chan string // of progress; what finds no place is left out

	joint *joint   // whose it is; nil: none's
	shown []*shown // guarded by Server.mu
	given *given   // the latest answer; guarded by Server.mu
}

// A given answer is one that was handed to an ask. Where that ask had ended by then,
// because its call had left and another came, it is the answer to the next one that
// asks the same.
type given struct {
	ask    *ask
	answer formAnswer
	at     time.Time
}

func newThread() *thread {
	return &thread{id: newID(), asks: make(chan *ask), lines: make(chan string, 64)}
}

// An ask is a request on its way to the host's user.
type ask struct {
	ctx   context.Context // ends when the answer no longer matters
	req   hitl.Request
	form  *form           // that is shown; set by who shows it, before the reply
	reply chan formAnswer // takes one without waiting
	taken atomic.Bool     // the answer is its policy's, or another ask's by now
}

// take claims the answer to an ask, once: for its policy, or for another ask.
func (a *ask) take() bool { return a.taken.CompareAndSwap(false, true) }

// A shown form is one that is open at the user of a host with a revision before
// 2026-07-28. It outlives the call that showed it, whose wait budget may end, or
// whose host may give up and call again: the answer is the Job's all the same.
type shown struct {
	digest   string
	form     *form
	session  *sdk.ServerSession
	by       *call // that it went out with
	since    time.Time
	withdraw context.CancelFunc

	// Guarded by Server.mu.
	ask    *ask        // whose answer it is; nil: nobody waits for it
	kept   bool        // the host may come back to it
	unseen bool        // it may have been lost with the response of its call
	answer *formAnswer // that came while nobody waited
	at     time.Time   // when it came
	timer  *time.Timer // that withdraws it; nil: somebody waits
}

// shownAgain is after how long a call shows a form again that an earlier one showed,
// whose host has given up: it may have closed the form with its call. The first
// answer counts, in whichever of the two.
const shownAgain = 2 * time.Minute

// crossing is for how long a form that was shown over HTTP may still be on its way: it
// is in the response of its call, and is lost where the host gives that up first.
const crossing = 10 * time.Second

// keptAnswer is how long an answer is good that came while no call was there.
const keptAnswer = 15 * time.Minute

// give hands an answer to an ask, and remembers it until a policy has it. Called with
// mu held.
func (s *Server) give(t *thread, a *ask, answer formAnswer, at time.Time) {
	t.given = &given{a, answer, at}
	a.reply <- answer
	context.AfterFunc(a.ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if g := t.given; g != nil && g.ask == a && a.taken.Load() {
			t.given = nil // thousands of threads may be there, and what was asked is large
		}
	})
}

// giveAgain answers an ask with what its user has answered to one that had ended by
// then, and reports whether there was such an answer.
func (s *Server) giveAgain(t *thread, a *ask) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := t.given
	if g == nil || g.answer.failed() || g.ask.ctx.Err() == nil || time.Since(g.at) >= keptAnswer || g.ask.req.Digest() != a.req.Digest() || !g.ask.take() {
		return false
	}
	a.form = g.ask.form
	s.give(t, a, g.answer, g.at)
	return true
}

// show lets the host's user see what is asked: in the form that is still open for
// it, or in a new one.
func (s *Server) show(ctx context.Context, req *sdk.CallToolRequest, c *call, a *ask) {
	t := c.thread
	s.mu.Lock()
	defer s.mu.Unlock()
	before := t.before(a, req.Session)
	switch {
	case s.closed:
		a.reply <- formAnswer{left: true}
		return
	case before == nil:
	case before.answer != nil:
		t.drop(before)
		a.form = before.form
		s.give(t, a, *before.answer, before.at)
		return
	default:
		before.timer.Stop()
		before.timer = nil
		s.listen(t, before, a)
		if !before.toShowAgain() {
			return
		}
	}
	s.openForm(ctx, req, c, a)
}

// before returns the form that is open in a session for what is asked, or was
// answered while nobody waited; of several the latest, which its user most likely
// sees. It takes back the others that nobody waits for. Called with Server.mu held.
func (t *thread) before(a *ask, session *sdk.ServerSession) (before *shown) {
	digest := a.req.Digest()
	t.letGo()
	for _, f := range slices.Clone(t.shown) {
		switch {
		case f.ask != nil: // of another policy
		case f.digest != digest || f.session != session || f.answer != nil && (f.answer.failed() || time.Since(f.at) >= keptAnswer),
			before != nil && before.answer != nil:
			t.drop(f)
		default:
			if before != nil {
				t.drop(before)
			}
			before = f
		}
	}
	return before
}

// toShowAgain reports whether the host may not have a form that is open, or not any
// more. Called with Server.mu held.
func (f *shown) toShowAgain() bool { return f.unseen || time.Since(f.since) >= shownAgain }

// openForm lets the host's user see a form. Called with mu held.
func (s *Server) openForm(ctx context.Context, req *sdk.CallToolRequest, c *call, a *ask) {
	t := c.thread
	if a.form == nil {
		a.form = formOf(a.req, takesLists(req))
	}
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &shown{digest: a.req.Digest(), form: a.form, session: req.Session, by: c, since: time.Now(), withdraw: cancel}
	t.shown = append(t.shown, f)
	s.forms[f] = struct{}{}
	s.listen(t, f, a)
	s.calls.Go(func() {
		defer cancel()
		res, err := req.Session.Elicit(own, f.form.params)
		answer := s.became(own, req, res, err)
		if answer.left && own.Err() == nil {
			c.lose() // before its ask comes again
		}
		s.answered(t, f, answer)
	})
}

// showAgain shows once more what the host may have closed with a call that it gave
// up.
func (s *Server) showAgain(ctx context.Context, req *sdk.CallToolRequest, c *call) {
	t := c.thread
	s.mu.Lock()
	defer s.mu.Unlock()
	t.letGo()
	asks := map[*ask]bool{} // whether it is to be shown again
	for _, f := range t.shown {
		if f.ask != nil && f.session == req.Session {
			before, known := asks[f.ask]
			asks[f.ask] = (before || !known) && f.kept && f.toShowAgain()
		}
	}
	for a, again := range asks {
		if again && !s.closed {
			s.openForm(ctx, req, c, a)
		}
	}
}

// became tells what became of a form.
func (s *Server) became(ctx context.Context, req *sdk.CallToolRequest, res *sdk.ElicitResult, err error) formAnswer {
	switch {
	case ctx.Err() != nil, hasGone(err):
		return formAnswer{left: true}
	case err != nil:
		s.log.Warn("mcp: asking the host's user", "error", hitl.SafeLine(err.Error(), 300))
		return formAnswer{why: askingFailed}
	}
	return filledIn(req, res)
}

// hasGone reports whether an error tells that the host is gone, or that what its call
// came by is, so that nothing could be shown: it has answered nothing then, not even
// that it cannot ask.
func hasGone(err error) bool {
	var way *net.OpError
	var told *jsonrpc.Error
	switch {
	case errors.As(err, &told):
		return told.Code == codeClientClosing || told.Code == codeServerClosing || told.Code == codeUndelivered
	case errors.As(err, &way):
		return true
	}
	return slices.ContainsFunc([]error{sdk.ErrConnectionClosed, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, os.ErrClosed, syscall.EPIPE},
		func(gone error) bool { return errors.Is(err, gone) })
}

// The SDK's codes for a connection that is being closed, on either side, and for a
// message that the transport would not take, as for a response that has ended.
const (
	codeClientClosing = -32003
	codeServerClosing = -32004
	codeUndelivered   = -32005
)

// listen lets a form's answer go to an ask, for as long as that matters. Called with
// mu held.
func (s *Server) listen(t *thread, f *shown, a *ask) {
	f.ask, a.form = a, f.form
	context.AfterFunc(a.ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.letGo()
	})
}

// letGo frees the forms of asks that have ended: those that the host may come back to, and
// those whose ask ended with another call than theirs, stay open for a while. Whoever
// looks for a form that nobody waits for lets go first, since the next ask may come in the
// moment the one before ends. Called with Server.mu held.
func (t *thread) letGo() {
	for _, f := range slices.Clone(t.shown) {
		switch {
		case f.ask == nil || f.ask.ctx.Err() == nil:
		case f.kept, hasLeft(context.Cause(f.ask.ctx)): // the form may be of a call that is there
			f.ask = nil
			f.timer = time.AfterFunc(reentryWithin, f.withdraw)
		default:
			f.ask = nil
			t.drop(f)
		}
	}
}

// answered hands on what became of a form, or keeps it for who asks next.
func (s *Server) answered(t *thread, f *shown, answer formAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.forms, f)
	switch {
	case f.ask != nil:
		a := f.ask
		for _, other := range slices.Clone(t.shown) {
			if other.ask == a && (other == f || !answer.left) {
				other.ask = nil
				t.drop(other)
			}
		}
		switch {
		case !answer.left:
			s.give(t, a, answer, time.Now())
		case !slices.ContainsFunc(t.shown, func(other *shown) bool { return other.ask == a }):
			a.reply <- answer
		}
	case answer.left:
		t.drop(f)
	default:
		f.answer, f.at = &answer, time.Now()
	}
}

// drop takes a form back. Called with Server.mu held.
func (t *thread) drop(f *shown) {
	f.withdraw()
	if f.timer != nil {
		f.timer.Stop()
	}
	t.shown = slices.DeleteFunc(t.shown, func(other *shown) bool { return other == f })
}

// keepForms leaves the forms open that went out with a call which ends. What may not have
// reached the host is asked again, of whatever call is there.
func (s *Server) keepForms(req *sdk.CallToolRequest, c *call) {
	t := c.thread
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range t.shown {
		if f.by != c {
			continue
		}
		if !f.kept && overHTTP(req) && time.Since(f.since) < crossing {
			f.unseen = true
			s.askAgain(t, f.ask)
		}
		f.kept = true
	}
}

// askAgain lets a policy ask once more; the forms that it has stay open. A nil ask is
// none. Called with mu held.
func (s *Server) askAgain(t *thread, a *ask) {
	if a == nil {
		return
	}
	for _, f := range t.shown {
		if f.ask == a {
			f.ask = nil
			f.timer = time.AfterFunc(reentryWithin, f.withdraw)
		}
	}
	a.reply <- formAnswer{left: true}
}

// dropForms takes back the forms of a thread for which nobody waits: its Job has
// ended.
func (s *Server) dropForms(t *thread) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.given = nil
	t.letGo()
	for _, f := range slices.Clone(t.shown) {
		if f.ask == nil {
			t.drop(f)
		}
	}
}

// takeOver lets a call carry what others of its thread have asked a host that has
// not come back: it is the host's latest word on the Job.
func (s *Server) takeOver(c *call) {
	s.mu.Lock()
	var left []*call
	var asks []*ask
	for id, w := range s.waiting {
		if w.thread == c.thread && w != c {
			delete(s.waiting, id)
			w.timer.Stop()
			left, asks = append(left, w), append(asks, w.waits)
			w.waits = nil
		}
	}
	s.mu.Unlock()
	for i, w := range left {
		asks[i].reply <- formAnswer{left: true}
		w.cancel(errHostGone)
	}
}

func canElicit(req *sdk.CallToolRequest) bool {
	caps := req.ClientCapabilities()
	return caps != nil && caps.Elicitation != nil && (caps.Elicitation.Form != nil || caps.Elicitation.URL == nil)
}

// hasInputRequests reports whether the peer is asked by input requests.
func hasInputRequests(req *sdk.CallToolRequest) bool { return req.ProtocolVersion() >= "2026-07-28" }

// takesLists reports whether the peer's forms have fields with several values.
func takesLists(req *sdk.CallToolRequest) bool { return req.ProtocolVersion() >= "2025-11-25" }
