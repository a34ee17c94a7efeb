package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// tell sends an event to the observer.
func (op *operation) tell(r *run, e outcome.Event) {
	ctx := context.Background()
	if r != nil {
		ctx = r.Context()
	}
	e = e.WithContext(ctx)
	e.At = time.Now()
	e.Key, e.Assignment, e.Caller = op.order.Key, clone.Assignment(op.work.Assignment), op.order.Caller
	op.eng.events.send(e)
}

// notice tells the observer and the log what the lifecycle tells.
func (op *operation) notice(r *run, s *lifecycle.State, f lifecycle.Tell) {
	e := outcome.Event{JobID: s.Record.Job, Status: statusOf(s)}
	switch f.Kind {
	case lifecycle.NoticeStarted:
		e.Kind = outcome.EventStarted
	case lifecycle.NoticeStatus:
		e.Kind = outcome.EventStatus
	case lifecycle.NoticeRequested, lifecycle.NoticeSuspended:
		e.Kind = outcome.EventRequested
		if f.Kind == lifecycle.NoticeSuspended {
			e.Kind = outcome.EventSuspended
		}
		if a, ok := s.Live.Ask(f.Request); ok && a.Ticket != nil {
			req := shownAt(a.Ticket, firstSeen(s, f.Request))
			e.Request = &req
		}
	case lifecycle.NoticeDecided, lifecycle.NoticeDelivered:
		e.Kind = outcome.EventDecided
		if f.Kind == lifecycle.NoticeDelivered {
			e.Kind = outcome.EventDelivered
		}
		p := decidedOf(&s.Record, f)
		if p == nil {
			return
		}
		d := entryOf(p)
		e.Decision = &d
	case lifecycle.NoticeTrouble:
		op.logger(s.Record.Job).Error("duvotool: " + f.Text)
		return
	case lifecycle.NoticeMended:
		op.logger(s.Record.Job).Info("duvotool: it works again: " + f.Text)
		return
	case lifecycle.NoticeTwoJobs:
		op.logger(s.Record.Job).Warn("duvotool: "+string(f.Kind), "other_job", hitl.SafeLine(f.Text, 64))
		return
	}
	op.story(&e, s, f.Request)
	op.tell(r, e)
}

// decidedOf returns the request whose decision a notice is about; nil if it is not
// there any more. One that does not count any more is among those of the past.
func decidedOf(r *lifecycle.Record, f lifecycle.Tell) *lifecycle.Request {
	p := r.Request(f.Request)
	if p != nil && p.Decision != nil && (f.Kind == lifecycle.NoticeDecided || string(p.Delivery) == f.Text) {
		return p
	}
	for i := len(r.Past) - 1; i >= 0; i-- {
		if r.Past[i].ID == f.Request {
			return &r.Past[i]
		}
	}
	return nil
}

func firstSeen(s *lifecycle.State, request string) lifecycle.Time {
	if p := s.Record.Request(request); p != nil {
		return p.FirstSeen
	}
	return 0
}

var lineEvents = map[lifecycle.LineKind]audit.Event{
	lifecycle.LineRequested: audit.Requested, lifecycle.LineUndecided: audit.Undecided, lifecycle.LineDecided: audit.Decided,
	lifecycle.LineSent: audit.Sent, lifecycle.LineFailed: audit.Failed, lifecycle.LineDelivered: audit.Delivered,
	lifecycle.LineElsewhere: audit.Elsewhere, lifecycle.LineOutcome: audit.Outcome, lifecycle.LineReconciled: audit.Reconciled,
	lifecycle.LineNotSent: audit.Failed, lifecycle.LineNotCounted: audit.Failed,
}

func (op *operation) auditRecord(s *lifecycle.State, line lifecycle.Line, note string) audit.Record {
	rec := &s.Record
	a := audit.Record{Event: lineEvents[line.Kind], At: time.Now(), Key: op.order.Key, JobID: rec.Job, AssignmentID: op.work.Assignment.ID,
		Assignment: op.work.Assignment.Name, BuildID: rec.Build, Caller: op.order.Caller, Status: statusOf(s)}
	if p := line.About; p != nil {
		about(&a, p)
		op.shownIn(&a, s, p)
	}
	switch line.Kind {
	case lifecycle.LineDecided:
		op.evidence(&a, s, line.About)
	case lifecycle.LineUndecided, lifecycle.LineFailed, lifecycle.LineNotCounted:
		a.Error = line.Text
	case lifecycle.LineNotSent:
		a.Error = "not sent: " + line.Text
	case lifecycle.LineElsewhere:
		a.Verdict, a.By, a.Reason, a.Path, a.Answers, a.People = "", "", "", "", nil, nil
		a.Source, a.Delivery = hitl.SourceElsewhere, ""
	case lifecycle.LineOutcome:
		a.Outcome, a.Error = outcome.Outcome(line.Text), note
		if note == "" {
			a.Error = rec.Note
		}
	case lifecycle.LineReconciled:
		a.By = line.Text
	}
	return a
}

// shownIn fills in a record what its decider was shown.
func (op *operation) shownIn(a *audit.Record, s *lifecycle.State, p *lifecycle.Request) {
	ask, _ := s.Live.Ask(p.ID)
	if ask.Ticket != nil && ask.Ticket.Shown != nil && ask.Ticket.Digest == p.Digest {
		a.InputDigest = audit.InputDigest(ask.Ticket.Shown.Input)
	}
}

// evidence adds to the record of a decision what shows later who decided about what.
func (op *operation) evidence(a *audit.Record, s *lifecycle.State, p *lifecycle.Request) {
	if p == nil || p.Decision == nil {
		return
	}
	a.Content, a.Proofs = p.Decision.Content, p.Decision.Given.Clone().Proofs
	if ask, ok := s.Live.Ask(p.ID); ok && op.eng.cfg.AuditTexts && ask.Ticket != nil && ask.Ticket.Shown != nil && ask.Ticket.Digest == p.Digest {
		req := shownAt(ask.Ticket, p.FirstSeen)
		a.Request = &req
	}
}

// about fills in a record what is known of a request and its decision.
func about(a *audit.Record, p *lifecycle.Request) {
	a.RequestID, a.Digest, a.RequestedAt = p.ID, p.Digest, timeOf(p.FirstSeen)
	a.Kind, a.Title = duvo.RequestType(p.Kind), p.Title
	d := p.Decision
	if d == nil {
		return
	}
	g := &d.Given
	a.Verdict, a.By, a.Reason, a.Source, a.Path = g.Verdict.String(), g.By, g.Reason, g.Source, g.Path
	a.People, a.Answers, a.DecidedAt = slices.Clone(g.People), maps.Clone(g.Answers), timeOf(p.DecidedAt) // the log may redact them
	if d.Verdict != lifecycle.Suspended {
		a.Delivery = deliveryOf(p)
	}
}

// entryOf is what callers and the observer are told of a decision.
func entryOf(p *lifecycle.Request) hitl.DecisionEntry {
	return hitl.DecisionEntry{RequestID: p.ID, Kind: duvo.RequestType(p.Kind), Title: p.Title, Digest: p.Digest, Decision: p.Decision.Given.Clone(),
		RequestedAt: timeOf(p.FirstSeen), DecidedAt: timeOf(p.DecidedAt), Delivery: deliveryOf(p)}
}

func deliveryOf(p *lifecycle.Request) hitl.Delivery {
	switch {
	case p.Delivery != lifecycle.NotSent:
		return hitl.Delivery(p.Delivery)
	case p.Stage == lifecycle.Sending:
		return hitl.Sent
	}
	return hitl.NotSent
}

func lifecycleDelivery(d hitl.Delivery) lifecycle.Delivery {
	if d == hitl.NotSent || d == hitl.Sent {
		return lifecycle.NotSent
	}
	return lifecycle.Delivery(d)
}

// decisionsOf lists the decisions of an operation in the order they were made.
func decisionsOf(r *lifecycle.Record) []hitl.DecisionEntry {
	var out []hitl.DecisionEntry
	for _, list := range [][]lifecycle.Request{r.Past, r.Requests} {
		for i := range list {
			if d := list[i].Decision; d != nil {
				out = append(out, entryOf(&list[i]))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b hitl.DecisionEntry) int { return a.DecidedAt.Compare(b.DecidedAt) })
	return out
}

func statusOf(s *lifecycle.State) duvo.Status { return duvo.Status(s.Record.Status) }
