package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A Log keeps what happened to human requests, for those who ask later
// who approved what. Record is called before the registry goes on, by one
// goroutine for each Job; it must be safe for concurrent use. The record is its
// own, to change as it likes. See [Slog]
// and [OpenFile].
//
// If a record of a request, a decision or a sending cannot be written, nothing is
// sent: the Job waits on, as long as somebody waits for it, and goes on once the
// record can be. While records cannot be written no Job is started, and calls that
// would start one return a [*outcome.JobError] that wraps [ErrWrite]. A record of
// what has already happened that cannot be written is logged as an error, and tried
// once more before the next start.
type Log interface {
	Record(context.Context, Record) error
}

// ErrWrite is an audit record that could not be written.
var ErrWrite = errors.New("duvotool: the audit record could not be written")

// ErrUnavailable is a failure of a [Log] that may pass by itself: a full disk,
// say. Nothing of the record is kept, and it may be written later. A failure that
// does not match it needs a person.
var ErrUnavailable = errors.New("duvotool: the audit log cannot be written now")

// A Prober is a [Log] that tells whether it can be written, without a record. Ready
// returns nil, an error that matches [ErrUnavailable], or one that needs a person.
// After a failure it tries to write; else it costs little. It may be called at
// once with Record.
type Prober interface {
	Ready(context.Context) error
}

// Event tells what an [Record] is about.
type Event string

// The audit events of a request, in their order, and then of the Job.
const (
	Requested Event = "requested" // the policy is about to be asked
	Undecided Event = "undecided" // the policy failed; nothing is sent
	Decided   Event = "decided"   // the policy has decided
	Sent      Event = "sent"      // the response is about to be sent, for the first time or again
	Failed    Event = "failed"    // an attempt to send it failed, with Error; it may have arrived all the same
	Delivered Event = "delivered" // what became of it: accepted, refused, superseded, unconfirmed
	Elsewhere Event = "elsewhere" // the request went away without a response of ours
	Outcome   Event = "outcome"   // how the Job ended

	Held     Event = "held"     // somebody has put all approvals on hold; of no Job
	Released Event = "released" // somebody has ended the hold; of no Job

	Reconciled Event = "reconciled" // a person has settled what was unknown; without a Job ID: none was started

	Erased Event = "erased" // somebody has erased the texts of Lines; of no Job. See [File.Erase]

	// Continued is of no request: a file that continues another begins with it, see
	// [File.Rotate].
	Continued Event = "continued"
)

// A Record is one entry of a [Log].
type Record struct {
	Event        Event            `json:"event"`
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
	Content      string           `json:"content,omitempty"`      // of a decision: hitl.Request.ContentDigest of what was decided about
	InputDigest  string           `json:"input_digest,omitempty"` // of what the Job was started with, see [InputDigest]
	Request      *hitl.Request    `json:"request,omitempty"`      // of a decision, by option: all that was decided about; see duvotool.WithAuditTexts
	RequestedAt  time.Time        `json:"requested_at,omitzero"`  // first seen
	DecidedAt    time.Time        `json:"decided_at,omitzero"`

	Verdict  string            `json:"verdict,omitempty"`
	By       string            `json:"by,omitempty"`
	People   []string          `json:"people,omitempty"` // who decided, where it took several
	Reason   string            `json:"reason,omitempty"` // the justification
	Source   hitl.Source       `json:"source,omitempty"`
	Path     string            `json:"path,omitempty"` // of policies
	Answers  map[string]string `json:"answers,omitempty"`
	Proofs   []hitl.Proof      `json:"proofs,omitempty"` // that they decided; see VerifyProofs
	Delivery hitl.Delivery     `json:"delivery,omitempty"`

	Outcome outcome.Outcome `json:"outcome,omitempty"`
	Status  duvo.Status     `json:"status,omitempty"` // of the Job
	Error   string          `json:"error,omitempty"`
	Lines   []int64         `json:"lines,omitempty"` // of an erasure: the numbers of the lines
}

// Slog writes records to a logger, at level info. A logger tells no
// failure, so this is for convenience; use [OpenFile] where a missing
// record must hold a response back.
func Slog(l *slog.Logger) Log { return slogLog{l} }

type slogLog struct{ l *slog.Logger }

func (a slogLog) Record(ctx context.Context, r Record) error {
	if a.l == nil {
		return errors.New("the logger is nil")
	}
	attrs := []slog.Attr{
		slog.String("event", string(r.Event)), slog.String("key", r.Key), slog.String("job", r.JobID),
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
	add("request", r.RequestID)
	add("kind", string(r.Kind))
	add("title", r.Title)
	add("digest", r.Digest)
	add("content", r.Content)
	add("input_digest", r.InputDigest)
	add("verdict", r.Verdict)
	add("by", r.By)
	for i, p := range r.People {
		add(fmt.Sprintf("person %d", i+1), p)
	}
	add("reason", r.Reason)
	add("source", string(r.Source))
	add("path", r.Path)
	for q, answer := range r.Answers {
		add("answer to "+hitl.SafeLine(q, 100), answer)
	}
	for _, p := range r.Proofs {
		add("proof of "+hitl.SafeLine(p.Person, 100), p.Kind)
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
