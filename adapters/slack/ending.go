package slack

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	api "github.com/slack-go/slack"
)

// conclude finds out why a request waits no more. Without a reason its message stays
// as it is: after a restart, and while Duvo cannot be read, requests are missing that
// still wait.
func (s *syncer) conclude(ctx context.Context, p *Post, waiting map[string]hitl.Request) (*Post, error) {
	ending := s.app.ended.decidedAs(p.ID)
	if ending == "" {
		var err error
		if ending, err = s.reason(ctx, p, waiting); err != nil {
			return p, err
		}
	}
	if ending == "" {
		if time.Since(s.since[p.ID]) >= goneFor {
			s.later(p) // asking costs a request
		}
		return p, nil
	}
	next := *p
	next.Stage, next.Ending = Settling, ending
	return s.keep(ctx, next)
}

// later has a post left alone for half a minute.
func (s *syncer) later(p *Post) { s.due[p.ID] = &delay{until: time.Now().Add(30 * time.Second)} }

// reason tells why a request waits no more; empty: that is not known.
func (s *syncer) reason(ctx context.Context, p *Post, waiting map[string]hitl.Request) (string, error) {
	res, unknown, err := s.lookup(ctx, p)
	if err != nil {
		return "", err
	}
	for i := range entries(res) {
		e := res.Decisions[len(res.Decisions)-1-i]
		decides := e.Verdict != hitl.Suspended && e.Verdict != hitl.Passed
		if decides && strings.EqualFold(e.RequestID, p.Request.ID) && e.Digest == p.Request.Digest() {
			return endingOf(e), nil
		}
	}
	gone := time.Since(s.since[p.ID])
	if asked := s.app.asks.endedAs(p.ID); asked != "" && gone >= tellsFor { // who has decided may be known in a moment
		return asked, nil
	}
	other := false
	for _, r := range waiting {
		if strings.EqualFold(r.JobID, p.Request.JobID) {
			if other = true; strings.EqualFold(r.ID, p.Request.ID) {
				return words["changedEnded"], nil
			}
		}
	}
	long := gone >= goneFor
	switch {
	case res != nil && final(res.Outcome):
		return words["elsewhereEnded"] + ": " + string(res.Outcome), nil
	case res != nil && long && (other || res.Status != "" && res.Status != duvo.StatusWaiting):
		return words["elsewhereEnded"], nil
	case unknown && long && len(s.app.regs()) > 1:
		return words["forgotten"], nil
	}
	return "", nil
}

func entries(r *outcome.Result) []hitl.DecisionEntry {
	if r == nil {
		return nil
	}
	return r.Decisions
}

// final reports whether a Job has come to an end that stays.
func final(o outcome.Outcome) bool {
	return o != "" && o != outcome.OutcomePending && o != outcome.OutcomeUnknown
}

// lookup asks the registries how the operation stands. None of them may know of it:
// then there is no result. An error is of one that cannot tell.
func (s *syncer) lookup(ctx context.Context, p *Post) (res *outcome.Result, unknown bool, err error) {
	ctx, cancel := context.WithTimeout(duvotool.WithCaller(ctx, p.Request.Caller), callFor)
	defer cancel()
	for _, reg := range s.app.regs() {
		res, lerr := reg.Lookup(ctx, p.Request.Key)
		if lerr == nil && (res.JobID == "" || strings.EqualFold(res.JobID, p.Request.JobID)) {
			return res, false, nil
		}
		if lerr != nil && !errors.Is(lerr, outcome.ErrUnknownKey) {
			err = lerr
		}
	}
	return nil, err == nil, err
}

// await waits for the outcome of the Job.
func (s *syncer) await(ctx context.Context, p *Post) (*Post, error) {
	next := *p
	next.Stage = Telling
	if s.app.ended.endedAs(operationOf(p)) != nil {
		return s.keep(ctx, next)
	}
	res, unknown, err := s.lookup(ctx, p)
	switch {
	case err != nil:
		return p, err
	case res != nil && final(res.Outcome):
		s.app.ended.finish(operationOf(p), res)
		return s.keep(ctx, next)
	case unknown && (len(s.app.regs()) > 1 || time.Since(s.since[p.ID]) > outcomeFor):
		return s.drop(ctx, p)
	}
	s.due[p.ID] = &delay{until: time.Now().Add(lookEvery * 5)}
	return p, nil
}

func operationOf(p *Post) operation { return operation{p.Request.Caller.Tenant, p.Request.Key} }

// thread is where the outcome is told: where the message is, or else below it.
func (p *Post) thread() string {
	_, thread := place(p.To)
	return cmp.Or(thread, p.TS)
}

// tell tells the outcome in the message's thread, once.
func (s *syncer) tell(ctx context.Context, p *Post) (*Post, error) {
	res := s.app.ended.endedAs(operationOf(p))
	next := *p
	if res == nil { // a run before this one knew it
		next.Stage = Settled
		return s.keep(ctx, next)
	}
	if p.Sent {
		there, err := s.findReply(ctx, p.Channel, p.thread(), metaOutcome, p)
		if err != nil {
			return p, err
		}
		if there != "" {
			return s.drop(ctx, p)
		}
	}
	next.Sent = true
	announced, err := s.keep(ctx, next)
	if err != nil {
		return announced, err
	}
	text := "The Job " + ended(res.Outcome)
	options := append(s.options(summary(text, p.Request.Title), s.outcomeBlocks(text, res), metaOutcome, p.ID), api.MsgOptionTS(p.thread()))
	err = s.calls.do(ctx, func(ctx context.Context) error {
		_, _, err := s.app.cfg.Client.PostMessageContext(ctx, p.Channel, options...)
		return err
	})
	switch {
	case err == nil, isSlack(err, "message_not_found", "thread_not_found", "channel_not_found", "is_archived"):
		return s.drop(ctx, announced)
	case surelyNot(err):
		next.Sent = false
		announced, _ = s.keep(ctx, next)
	}
	return announced, err
}

// ended tells an outcome in words.
func ended(o outcome.Outcome) string {
	switch o {
	case outcome.OutcomeCompleted:
		return "completed."
	case outcome.OutcomeFailed:
		return "failed. Part of its work may have been done."
	case outcome.OutcomeStopped:
		return "was stopped before its end. Part of its work may have been done."
	case outcome.OutcomeInterrupted:
		return "was interrupted before its end. Part of its work may have been done."
	case outcome.OutcomeExpired:
		return "took longer than allowed. It may still be at work."
	case outcome.OutcomeGone:
		return "no longer exists in Duvo."
	}
	return "ended: " + hitl.SafeLine(string(o), 40)
}

func (s *syncer) outcomeBlocks(text string, res *outcome.Result) []api.Block {
	var p page
	p.text("", text)
	p.text("", hitl.SafeLine(res.Note, 500))
	if out := strings.TrimSpace(hitl.SafeText(res.Output, maxOutput)); out != "" && !s.app.cfg.HideOutput {
		p.text("The Job's words", out)
	}
	return p.blocks
}
