package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// An entry is what earlier versions recorded of an operation. It is read, and
// never written.
type entry struct {
	Key        string          `json:"key"`
	Own        string          `json:"own,omitempty"`     // the caller's key, where that of its scope won
	Unkeyed    bool            `json:"unkeyed,omitempty"` // no caller has the key; earlier versions did not record it
	Scope      string          `json:"scope,omitempty"`
	Caller     hitl.Caller     `json:"caller,omitzero"`
	Assignment duvo.Assignment `json:"assignment"`
	Folder     string          `json:"folder,omitempty"`
	Input      string          `json:"input"` // of the start
	Owner      string          `json:"owner"` // the registry that wrote it
	Phase      outcome.Phase   `json:"phase"`
	Parked     bool            `json:"parked,omitempty"` // not taken up by itself
	Handle     string          `json:"handle,omitempty"` // of its own caller; perhaps not given out

	Webhook    string    `json:"webhook,omitempty"`
	Sandbox    string    `json:"sandbox,omitempty"`
	Files      bool      `json:"files,omitempty"` // it is to be started with files
	FirstSent  time.Time `json:"first_sent,omitzero"`
	LastSent   time.Time `json:"last_sent,omitzero"`
	Doubtful   bool      `json:"doubtful,omitempty"`
	Credential string    `json:"credential,omitempty"` // a print of what the start was sent with

	JobID     string        `json:"job_id,omitempty"`
	CreatedAt time.Time     `json:"created_at,omitzero"`
	BuildID   string        `json:"build_id,omitempty"`
	Status    duvo.Status   `json:"status,omitempty"`
	StartedAt time.Time     `json:"started_at,omitzero"`
	Worked    time.Duration `json:"worked,omitempty"`
	Ours      bool          `json:"ours,omitempty"` // it was told to run the Assignment

	Requests  []requestEntry       `json:"requests,omitempty"`
	Decisions []hitl.DecisionEntry `json:"decisions,omitempty"`
	Note      string               `json:"note,omitempty"`
	Told      bool                 `json:"told,omitempty"`
	Stopping  bool                 `json:"stopping,omitempty"`
	FollowUp  *oldFollowUp         `json:"follow_up,omitempty"`
	Answer    *oldAnswer           `json:"answer,omitempty"`
	Result    *outcome.Result      `json:"result,omitempty"`
}

// A requestEntry is what the journal holds of a human request.
type requestEntry struct {
	ID        string            `json:"id"`
	Digest    string            `json:"digest"`
	Kind      duvo.RequestType  `json:"kind"`
	Title     string            `json:"title"`
	BuildID   *string           `json:"build_id,omitempty"` // that it was asked about with; nil: not asked, or written before this was kept
	FirstSeen time.Time         `json:"first_seen"`
	Stage     string            `json:"stage"`
	Gone      bool              `json:"gone,omitempty"`
	Decision  int               `json:"decision,omitempty"` // which of the entry's decisions, from one; zero: none
	Approved  *bool             `json:"approved,omitempty"` // of the sealed response
	Answers   map[string]string `json:"answers,omitempty"`  // of the sealed response
	IdemKey   string            `json:"idempotency_key,omitempty"`
	DecidedAt time.Time         `json:"decided_at,omitzero"`
	SentAt    time.Time         `json:"sent_at,omitzero"`
	Reached   bool              `json:"reached,omitempty"`
	Doubts    int               `json:"doubts,omitempty"`
	Outrun    bool              `json:"outrun,omitempty"` // another operation answers it
	Why       string            `json:"why,omitempty"`
}

// An oldFollowUp is what earlier versions recorded of a message.
type oldFollowUp struct {
	JobID    string    `json:"job_id"`
	Turn     string    `json:"turn"`
	Message  string    `json:"message,omitempty"`
	Added    string    `json:"added,omitempty"`
	Known    string    `json:"known,omitempty"`
	After    int       `json:"after,omitempty"`
	Before   time.Time `json:"before,omitzero"`
	FirstAt  time.Time `json:"first_at,omitzero"`
	SentAt   time.Time `json:"sent_at,omitzero"`
	Doubtful bool      `json:"doubtful,omitempty"`
	Posted   bool      `json:"posted,omitempty"`
}

// An oldAnswer is what earlier versions recorded of a typed answer.
type oldAnswer struct {
	Corrected time.Time `json:"corrected,omitzero"`
}

// record turns an entry into the record that it stands for.
func (e *entry) record(name string) (*lifecycle.Record, error) {
	if e.Key == "" || e.Assignment.ID == "" || e.Result != nil && e.Result.Key != e.Key {
		return nil, fmt.Errorf("%w: the record %s makes no sense", journal.ErrFailed, name)
	}
	r := &lifecycle.Record{Writer: e.Owner, Unkeyed: e.Unkeyed, Sandbox: e.Sandbox, Credential: e.Credential, Job: e.JobID,
		Created: wallOf(e.CreatedAt), Build: e.BuildID, Status: string(e.Status), StartedAt: wallOf(e.StartedAt), Worked: e.Worked,
		Ours: e.Ours, ReasonsPosted: e.Told, Note: e.Note}
	r.Order = &lifecycle.Order{Key: e.Key, Own: e.Own, Scope: e.Scope, Caller: e.Caller, Assignment: &e.Assignment, Folder: e.Folder,
		Input: e.Input, Webhook: e.Webhook, Files: e.Files, Handle: e.Handle,
		StartKey: "duvotool-" + digest.Of("start", e.Caller.Tenant, e.Key, strings.ToLower(e.Assignment.ID))}
	if e.Result != nil && (e.Result.Outcome == outcome.OutcomePending || e.Result.Outcome == outcome.OutcomeExpired) {
		e.Result, e.Parked = nil, true // a call alone had ended
	}
	if !e.Parked && e.Result == nil {
		r.Holders = []string{lifecycle.Orphan}
	}
	r.Corrected = e.Answer != nil && !e.Answer.Corrected.IsZero()
	if e.Stopping {
		r.Stopping = &lifecycle.Stop{Asked: true}
	}
	r.Stage = lifecycle.Watching
	switch {
	case e.JobID != "":
	case e.Doubtful:
		r.Stage, r.Start = lifecycle.Starting, lifecycle.Attempt{First: wallOf(e.FirstSent), Until: wallOf(e.LastSent), Earlier: true}
	default:
		r.Stage = lifecycle.New
	}
	if f := e.FollowUp; f != nil {
		e.follow(r, f)
	}
	if err := e.requests(r); err != nil {
		return nil, err
	}
	if res := e.Result; res != nil {
		r.Stage, r.Note, r.Status = lifecycle.Ended, res.Note, string(res.Status)
		r.Result = &lifecycle.Result{Outcome: lifecycle.Outcome(res.Outcome), EndedAt: wallOf(res.EndedAt), Output: res.Output, Data: res.Data}
		r.Result.Messages = lifecycle.TranscriptOf(messageList(res.Messages))
	}
	return r, nil
}

func (e *entry) follow(r *lifecycle.Record, f *oldFollowUp) {
	if f.Message == "" {
		// A version took the message for the input; what that was it did not keep.
		f.Message, f.Added, r.Order.Input = e.Input, e.Input, ""
	}
	r.Order.After = &lifecycle.FollowUp{Job: f.JobID, Turn: f.Turn, Text: f.Message, Known: f.Known}
	m := lifecycle.Message{Kind: lifecycle.FollowUpMessage, Text: f.Message, Added: f.Added, After: f.After, Before: wallOf(f.Before),
		Key: "duvotool-" + digest.Of("message", e.Caller.Tenant, e.Key, f.JobID), Posted: f.Posted}
	switch {
	case f.Posted:
		m.Attempt.Until = wallOf(f.SentAt)
	case f.Doubtful:
		r.Stage, m.Attempt = lifecycle.Posting, lifecycle.Attempt{First: wallOf(f.FirstAt), Until: wallOf(f.SentAt), Earlier: true}
	default:
		r.Stage, r.Job = lifecycle.New, ""
		return
	}
	r.Latest = &m
}

// requests turns what an entry tells of human requests into what a record does.
func (e *entry) requests(r *lifecycle.Record) error {
	bad := func(id, why string) error {
		return fmt.Errorf("%w: operation %s: the request %s %s", journal.ErrFailed, hitl.SafeLine(e.Key, 120), hitl.SafeLine(id, 64), why)
	}
	stages := map[string]lifecycle.RequestStage{"new": lifecycle.Unasked, "decided": lifecycle.Decided, "sending": lifecycle.Sending,
		"done": lifecycle.Settled, "nobody": lifecycle.Stuck}
	current := map[int]bool{}
	for _, q := range e.Requests {
		stage, ok := stages[q.Stage]
		if !ok || q.ID == "" || q.Decision < 0 || q.Decision > len(e.Decisions) {
			return bad(q.ID, "makes no sense")
		}
		if twin := r.Request(q.ID); twin != nil { // recorded in two spellings: what was sent is the last that it gets
			if twin.Attempt.Until != 0 || q.SentAt.IsZero() {
				continue
			}
			return bad(q.ID, "is there twice")
		}
		p := lifecycle.Request{ID: q.ID, Digest: q.Digest, Kind: string(q.Kind), Title: q.Title, FirstSeen: wallOf(q.FirstSeen),
			Stage: stage, Gone: q.Gone, Why: q.Why, Build: e.BuildID}
		if q.BuildID != nil {
			p.Build = *q.BuildID
		}
		if q.Decision > 0 {
			d := e.Decisions[q.Decision-1]
			current[q.Decision-1] = true
			p.Decision = &lifecycle.Decision{Verdict: verdictOf(d.Decision), Given: d.Decision, Nobody: d.NobodyAsked(), Why: q.Why}
			p.DecidedAt, p.Delivery = wallOf(q.DecidedAt), lifecycleDelivery(d.Delivery)
			if q.IdemKey != "" {
				p.Decision.Key = q.IdemKey
				p.Decision.Body, _ = json.Marshal(duvo.Response{JobID: e.JobID, RequestID: q.ID, Approved: q.Approved, Answers: q.Answers, IdempotencyKey: q.IdemKey})
			}
		}
		if (stage == lifecycle.Decided || stage == lifecycle.Sending) && (p.Decision == nil || p.Decision.Body == nil) {
			return bad(q.ID, "was decided, and the response to it is not there")
		}
		if stage == lifecycle.Sending {
			p.Attempt = lifecycle.Attempt{First: wallOf(q.SentAt), Until: wallOf(q.SentAt), Earlier: true}
		}
		r.Requests = append(r.Requests, p)
	}
	for i, d := range e.Decisions {
		if !current[i] {
			r.Past = append(r.Past, lifecycle.Request{ID: d.RequestID, Digest: d.Digest, Kind: string(d.Kind), Title: d.Title, FirstSeen: wallOf(d.RequestedAt),
				Stage: lifecycle.Settled, Decision: &lifecycle.Decision{Verdict: verdictOf(d.Decision), Given: d.Decision}, DecidedAt: wallOf(d.DecidedAt), Delivery: lifecycleDelivery(d.Delivery)})
		}
	}
	return nil
}
