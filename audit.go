package duvotool

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/outcome"
)

// An AuditLog keeps what happened to human requests, for those who ask later
// who approved what. Record is called before the registry goes on, by one
// goroutine for each Job; it must be safe for concurrent use. The record is its
// own, to change as it likes. See [SlogAudit]
// and [OpenAuditFile].
//
// If a record of a request, a decision or a sending cannot be written, nothing
// is sent and the call returns a [*JobError] that wraps [ErrAudit]. A record of
// what has already happened that cannot be written is logged as an error.
type AuditLog interface {
	Record(context.Context, AuditRecord) error
}

// ErrAudit is an audit record that could not be written.
var ErrAudit = errors.New("duvotool: the audit record could not be written")

// AuditEvent tells what an [AuditRecord] is about.
type AuditEvent string

// The audit events of a request, in their order, and then of the Job.
const (
	AuditRequested AuditEvent = "requested" // the policy is about to be asked
	AuditUndecided AuditEvent = "undecided" // the policy failed; nothing is sent
	AuditDecided   AuditEvent = "decided"   // the policy has decided
	AuditSent      AuditEvent = "sent"      // the response is about to be sent, for the first time or again
	AuditFailed    AuditEvent = "failed"    // an attempt to send it failed, with Error; it may have arrived all the same
	AuditDelivered AuditEvent = "delivered" // what became of it: accepted, refused, superseded, unconfirmed
	AuditElsewhere AuditEvent = "elsewhere" // the request went away without a response of ours
	AuditOutcome   AuditEvent = "outcome"   // how the Job ended

	AuditReconciled AuditEvent = "reconciled" // a person has settled what was unknown; without a Job ID: none was started
)

// An AuditRecord is one entry of an [AuditLog].
type AuditRecord struct {
	Event        AuditEvent       `json:"event"`
	At           time.Time        `json:"at"`
	Key          string           `json:"key"` // the operation key
	JobID        string           `json:"job_id"`
	AssignmentID string           `json:"assignment_id"`
	Assignment   string           `json:"assignment"` // its name
	BuildID      string           `json:"build_id,omitempty"`
	Caller       hitl.Caller      `json:"caller,omitzero"`
	RequestID    string           `json:"request_id,omitempty"`
	Kind         duvo.RequestType `json:"kind,omitempty"`
	Title        string           `json:"title,omitempty"` // untrusted
	Digest       string           `json:"digest,omitempty"`
	RequestedAt  time.Time        `json:"requested_at,omitzero"` // first seen
	DecidedAt    time.Time        `json:"decided_at,omitzero"`

	Verdict  string            `json:"verdict,omitempty"`
	By       string            `json:"by,omitempty"`
	Reason   string            `json:"reason,omitempty"` // the justification
	Source   hitl.Source       `json:"source,omitempty"`
	Path     string            `json:"path,omitempty"` // of policies
	Answers  map[string]string `json:"answers,omitempty"`
	Delivery hitl.Delivery     `json:"delivery,omitempty"`

	Outcome outcome.Outcome `json:"outcome,omitempty"`
	Status  duvo.Status     `json:"status,omitempty"` // of the Job
	Error   string          `json:"error,omitempty"`
}

// SlogAudit writes records to a logger, at level info. A logger tells no
// failure, so this is for convenience; use [OpenAuditFile] where a missing
// record must hold a response back.
func SlogAudit(l *slog.Logger) AuditLog { return slogAudit{l} }

type slogAudit struct{ l *slog.Logger }

func (a slogAudit) Record(ctx context.Context, r AuditRecord) error {
	if a.l == nil {
		return errors.New("the logger is nil")
	}
	attrs := []slog.Attr{
		slog.String("event", string(r.Event)), slog.String("key", r.Key), slog.String("job_id", r.JobID),
		slog.String("assignment_id", r.AssignmentID), slog.String("assignment", hitl.SafeLine(r.Assignment, 200)),
	}
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, hitl.SafeLine(value, 1000)))
		}
	}
	add("build_id", r.BuildID)
	add("tenant", r.Caller.Tenant)
	add("user", r.Caller.User)
	add("request_id", r.RequestID)
	add("kind", string(r.Kind))
	add("title", r.Title)
	add("digest", r.Digest)
	add("verdict", r.Verdict)
	add("by", r.By)
	add("reason", r.Reason)
	add("source", string(r.Source))
	add("path", r.Path)
	for q, answer := range r.Answers {
		add("answer to "+hitl.SafeLine(q, 100), answer)
	}
	add("delivery", string(r.Delivery))
	add("outcome", string(r.Outcome))
	add("status", string(r.Status))
	add("error", r.Error)
	if !r.RequestedAt.IsZero() {
		attrs = append(attrs, slog.Time("requested_at", r.RequestedAt))
	}
	if !r.DecidedAt.IsZero() {
		attrs = append(attrs, slog.Time("decided_at", r.DecidedAt))
	}
	a.l.LogAttrs(ctx, slog.LevelInfo, "duvotool audit", attrs...)
	return nil
}

// audit writes one record about the operation. about fills in the rest.
func (op *operation) audit(event AuditEvent, about func(*AuditRecord)) error {
	log := op.reg.cfg.audit
	if log == nil {
		return nil
	}
	r := AuditRecord{Event: event, At: time.Now(), Key: op.key, JobID: op.job.id, AssignmentID: op.tool.assignment.ID,
		Assignment: op.tool.assignment.Name, BuildID: op.job.buildID, Caller: op.caller, Status: op.job.status}
	about(&r)
	// What happened is kept also when nobody waits for it any more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(op.run.ctx), op.reg.cfg.postTimeout)
	defer cancel()
	err := guard.Run(ErrAudit, func() error {
		defer op.reg.life.Callback("audit log")()
		return log.Record(ctx, r)
	})
	if err == nil {
		return nil
	}
	op.reg.log.Error("duvotool: an audit record was not written", "event", string(event), "job", op.job.id, "error", hitl.SafeLine(err.Error(), 500))
	if errors.Is(err, ErrAudit) {
		return err
	}
	return errtext.Errorf("%w: %w", ErrAudit, err)
}

// about fills in a record what is known of a request and its decision.
func (p *pendingState) about(r *AuditRecord) {
	r.RequestID, r.Digest, r.RequestedAt = p.id, p.digest, p.firstSeen
	r.Kind, r.Title = p.request.Kind, p.request.Title
	if e := p.entry; e != nil {
		r.Verdict, r.By, r.Reason, r.Source, r.Path = e.Verdict.String(), e.By, e.Reason, e.Source, e.Path
		r.Answers, r.DecidedAt, r.Delivery = maps.Clone(e.Answers), e.DecidedAt, e.Delivery // the log may redact them
	}
}
