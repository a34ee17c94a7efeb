package engine

import (
	"encoding/json"
	"fmt"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// addedTo is all that messages have added to the Job, as far as is known.
func addedTo(s *lifecycle.State) string {
	added := s.Record.Message().Added
	if t := lastTicket(s); t != nil && len(t.Shown.FollowUp) >= len(added) {
		return t.Shown.FollowUp
	}
	if f := s.Record.Order.After; f != nil && added == "" {
		return f.Text
	}
	return added
}

// lastTicket is the request that was shown last; nil if none was.
func lastTicket(s *lifecycle.State) (last *lifecycle.Ticket) {
	for i := range s.Live.Asks {
		if t := s.Live.Asks[i].Ticket; t != nil && t.Shown != nil {
			last = t
		}
	}
	return last
}

// soFar is what is known of an operation, as a Result.
func (op *operation) soFar(s *lifecycle.State, o outcome.Outcome) *outcome.Result {
	r := &s.Record
	return &outcome.Result{
		Outcome: o, JobID: r.Job, Status: statusOf(s), Decisions: decisionsOf(r), Assignment: clone.Assignment(op.work.Assignment), BuildID: r.Build,
		Input: r.Order.Input, FollowUp: addedTo(s), Caller: op.order.Caller, Key: op.order.Key, Note: r.Note, StartedAt: timeOf(r.StartedAt),
	}
}

// result is what an operation has come to.
func (op *operation) result(s *lifecycle.State) *outcome.Result {
	r := s.Record.Result
	res := op.soFar(s, outcome.Outcome(r.Outcome))
	res.EndedAt, res.Output = timeOf(r.EndedAt), r.Output
	if r.Data != nil {
		res.Data = append(json.RawMessage(nil), r.Data...)
	}
	res.Messages = messagesIn(r.Messages)
	if op.continuable(s) {
		res.Handle = op.ownHandle()
	}
	return res
}

// continuable reports whether the Result of what has ended tells a handle to go on with.
func (op *operation) continuable(s *lifecycle.State) bool {
	o := outcome.Outcome(s.Record.Result.Outcome)
	return op.work.Settings.FollowUps && !op.textless() && (o == outcome.OutcomeCompleted || o == outcome.OutcomeInterrupted)
}

// interim is what callers get who do not wait for the end.
func (op *operation) interim(s *lifecycle.State) *outcome.Result {
	res := op.soFar(s, outcome.OutcomePending)
	if id := suspendedOf(s); id != "" {
		title := ""
		if p := s.Record.Request(id); p != nil {
			title = p.Title
		}
		res.Note = joinNotes(res.Note, fmt.Sprintf("the decision about %q was put off; a person will decide", hitl.SafeLine(title, 200)))
		if op.eng.cfg.OffersCheck {
			res.Handle = op.ownHandle()
		}
		return res
	}
	res.Handle = op.ownHandle()
	op.waitsNote(s, res)
	return res
}

// waitsNote tells what a pending operation waits for.
func (op *operation) waitsNote(s *lifecycle.State, res *outcome.Result) {
	switch {
	case s.Record.Job == "":
		res.Note = "the Job has not been started yet; it will be"
		if why := op.lastFailure(); why != "" && s.Live.Fails > 0 {
			res.Note = "the Job has not been started yet; it is tried again and again, the last time in vain: " + hitl.SafeLine(why, 300)
		}
	case phaseOf(s) == outcome.PhaseDeciding:
		res.Note = "it waits for a decision"
	}
}

// lastFailure is why the last start or message did nothing; empty: none has failed.
func (op *operation) lastFailure() string {
	op.mu.Lock()
	r := op.run
	op.mu.Unlock()
	if r == nil {
		return ""
	}
	if err := r.noted(lifecycle.CauseFailed); err != nil {
		return err.Error()
	}
	return ""
}

// suspendedOf returns a request whose decision was put off; empty if there is none.
func suspendedOf(s *lifecycle.State) string {
	for i := range s.Live.Asks {
		if s.Live.Asks[i].Suspended {
			return s.Live.Asks[i].ID
		}
	}
	return ""
}

// unstarted tells of an operation that nobody works on and that has no Job, for
// all that is known.
func (op *operation) unstarted(s *lifecycle.State) *outcome.Result {
	res := op.soFar(s, outcome.OutcomeFailed)
	why := op.errText()
	switch {
	case phaseOf(s) == outcome.PhaseStarting:
		res.Outcome, res.Note = outcome.OutcomeUnknown, "its start was sent, and no answer told whether it took effect"
	case why != "":
		res.Note = "no Job was started: " + hitl.SafeLine(why, 300)
	default:
		res.Note = "no Job was started: no reason is known"
	}
	return res
}

func (op *operation) errText() string {
	op.mu.Lock()
	defer op.mu.Unlock()
	if err := op.extrasLocked().err; err != nil {
		return err.Error()
	}
	return ""
}

// parked tells how the Job of an operation stands that nobody works on.
func (op *operation) parked(s *lifecycle.State, o outcome.Outcome, status duvo.Status) *outcome.Result {
	res := op.soFar(s, o)
	if res.Status = status; o == outcome.OutcomePending {
		res.Handle = op.ownHandle() // there is no turn to go on after before what the Job said is collected
	}
	res.Note = "the call that started it has ended before it, so nobody here works on it or collects what it says until somebody calls again with its key"
	return res
}

// info is how an operation stands.
func (op *operation) info() (i outcome.JobInfo, ok bool) {
	op.mu.Lock()
	s, resumed, busy := op.state, op.resumed, op.busyLocked()
	op.mu.Unlock()
	r := &s.Record
	unknown := r.Result != nil && r.Result.Outcome == lifecycle.Unknown
	i = outcome.JobInfo{Key: op.order.Key, Caller: op.order.Caller, JobID: r.Job, Assignment: clone.Assignment(op.work.Assignment), Input: r.Order.Input, FollowUp: addedTo(s),
		Phase: phaseOf(s), Status: statusOf(s), StartedAt: timeOf(r.StartedAt), Resumed: resumed, Unknown: unknown}
	for j := range s.Live.Asks {
		if a := &s.Live.Asks[j]; a.Ticket != nil && a.Ticket.Shown != nil && (a.Turn != 0 || a.Suspended) {
			req := shownAt(a.Ticket, firstSeen(s, a.ID))
			i.Request = &req
		}
	}
	elsewhere := op.eng.replicas != nil && r.Result == nil && !r.Parked()
	return i, busy || unknown || elsewhere || r.Trouble != ""
}
