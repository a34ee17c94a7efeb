package slack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/bounded"
	"github.com/duvotool/duvotool/outcome"
)

// Decide makes the app a [hitl.Policy]: it posts the request, and returns what the
// first person who may has decided in Slack. It returns when ctx ends; the message
// then tells that nobody is asked any more, or who has decided elsewhere. After a
// restart the registry asks again, and the message that is there already is the
// question.
//
// What is too long to be shown whole in Slack is suspended, see [hitl.Suspend], where
// there is a desk to decide it at, and the message links to it; without a desk it comes to
// [hitl.Nobody], as does what Config.To posts nowhere. What takes a proof of who decides,
// see [hitl.RequireProof], is suspended too. The policy waits for [App.Run] to begin; when
// Run ends what waits is suspended, and so is what is asked after that: it is there to be
// decided elsewhere, and in Slack once an app runs again.
//
// Asked about the same request several times at once it posts one message, and
// whoever decides has decided for all: a [hitl.Quorum] over it counts that person
// once.
func (a *App) Decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	if ctx.Err() != nil {
		return hitl.Decision{}, context.Cause(ctx)
	}
	if to := a.to(req); to == "" {
		return hitl.Nobody("the request is posted nowhere in Slack"), nil
	}
	if req.Kind != duvo.Approval && req.Kind != duvo.Question {
		return hitl.Nobody("nobody in Slack can decide a request of this kind"), nil
	}
	if err := req.CheckAnswerable(); err != nil {
		return hitl.Nobody("no answer fits: " + hitl.SafeLine(err.Error(), 500)), nil
	}
	if !show(req, a.desk(req)).whole || valueOf(req) == "" || req.Kind == duvo.Question && form(req) == nil {
		if a.desk(req) == "" {
			return hitl.Nobody("the request is too long to be shown whole in Slack"), nil
		}
		return hitl.Suspend().Via("Slack"), nil
	}
	if a.needsProof(req) {
		return hitl.Suspend().Via("Slack"), nil
	}
	return a.asks.wait(ctx, req, a.wake)
}

// asks are the requests that the app is asked about as a policy. They wait like those
// of a registry.
type asks struct {
	mu    sync.Mutex
	open  map[string]*ask // by ID
	ended bounded.Map[string, string]
	stop  chan struct{}
	done  bool
}

type ask struct {
	req     hitl.Request
	waiting int
	decided chan struct{} // closed once decision is set
	by      hitl.DecisionEntry
}

func newAsks() *asks {
	return &asks{open: map[string]*ask{}, stop: make(chan struct{})}
}

func (s *asks) wait(ctx context.Context, req hitl.Request, wake func()) (hitl.Decision, error) {
	id := idOf(req)
	s.mu.Lock()
	q := s.open[id]
	if q == nil {
		q = &ask{req: req.Clone(), decided: make(chan struct{})}
		s.open[id] = q
		s.ended.Delete(id)
	}
	q.waiting++
	s.mu.Unlock()
	wake()
	defer wake()
	var why error
	select {
	case <-q.decided:
		s.leave(id, q, nil)
		return q.by.Decision.Clone(), nil
	case <-ctx.Done():
		why = context.Cause(ctx)
	case <-s.stop:
		s.leave(id, q, outcome.ErrClosed)
		return hitl.Suspend().Via("Slack"), nil
	}
	s.leave(id, q, why)
	return hitl.Decision{}, why
}

// leave ends one waiting; the last one ends the ask.
func (s *asks) leave(id string, q *ask, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.waiting--; q.waiting > 0 || s.open[id] != q {
		return
	}
	delete(s.open, id)
	if errors.Is(why, outcome.ErrClosed) {
		return // it is asked again after a restart, and the message is still the question
	}
	text := words["unneeded"]
	switch {
	case why == nil:
		text = endingOf(q.by)
	case errors.Is(why, hitl.ErrAnsweredElsewhere):
		text = words["elsewhereEnded"]
	case errors.Is(why, hitl.ErrRequestChanged):
		text = words["changedEnded"]
	}
	s.ended.Set(id, text, maxOutcomes)
}

// endedAs tells how an ask has ended; empty: it has not, or was none.
func (s *asks) endedAs(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[id] != nil {
		return ""
	}
	text, _ := s.ended.Get(id)
	return text
}

func (s *asks) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id] != nil
}

func (s *asks) Pending() []hitl.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []hitl.Request
	for _, q := range s.open {
		if q.by.DecidedAt.IsZero() {
			out = append(out, q.req.Clone())
		}
	}
	slices.SortFunc(out, func(a, b hitl.Request) int { return a.FirstSeen.Compare(b.FirstSeen) })
	return out
}

func (s *asks) Decide(_ context.Context, req hitl.Request, d hitl.Decision) error {
	if err := d.Check(req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.open[idOf(req)]
	switch {
	case q == nil:
		return outcome.ErrNotPending
	case !q.by.DecidedAt.IsZero():
		return &outcome.DecidedError{Entry: q.by.Clone()}
	case q.req.ContentDigest() != req.ContentDigest():
		return hitl.ErrRequestChanged
	}
	q.by = hitl.DecisionEntry{RequestID: q.req.ID, Kind: q.req.Kind, Title: q.req.Title, Digest: q.req.Digest(), Decision: d.Clone(), DecidedAt: time.Now(), Delivery: hitl.NotSent}
	close(q.decided)
	return nil
}

// Lookup knows of no operations.
func (s *asks) Lookup(context.Context, string) (*outcome.Result, error) {
	return nil, outcome.ErrUnknownKey
}

// end ends all, now and later.
func (s *asks) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		s.done = true
		close(s.stop)
	}
}

func (s *asks) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}
