package main

import (
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// A decided request is one line of the history: what was decided by whom, and what
// came of it.
type decided struct {
	Ref          string            `json:"ref,omitempty"` // at a desk
	RequestID    string            `json:"request_id"`
	JobID        string            `json:"job_id"`
	AssignmentID string            `json:"assignment_id"`
	Assignment   string            `json:"assignment"`
	BuildID      string            `json:"build_id,omitempty"`
	Caller       hitl.Caller       `json:"caller,omitzero"`
	Kind         duvo.RequestType  `json:"kind"`
	Title        string            `json:"title"`
	Digest       string            `json:"digest"`
	RequestedAt  time.Time         `json:"requested_at,omitzero"`
	DecidedAt    time.Time         `json:"decided_at,omitzero"`
	Verdict      string            `json:"verdict"` // empty: not decided by the service's policies
	By           string            `json:"by,omitempty"`
	People       []string          `json:"people,omitempty"`
	Reason       string            `json:"reason,omitempty"`
	Source       hitl.Source       `json:"source,omitempty"`
	Path         string            `json:"path,omitempty"`
	Answers      map[string]string `json:"answers,omitempty"`
	Proofs       []proof           `json:"proofs,omitempty"` // whose proofs it has; they are in the audit
	Delivery     hitl.Delivery     `json:"delivery,omitempty"`
	Outcome      string            `json:"outcome,omitempty"` // of the Job; empty: it has not ended
	Line         int64             `json:"line,omitempty"`
	LineHash     string            `json:"line_hash,omitempty"`
}

type proof struct {
	Person string `json:"person"`
	Kind   string `json:"kind"`
}

type deskHistory struct {
	Decided []*decided `json:"decided"`
	Next    int        `json:"next"`
	Broken  bool       `json:"broken"`
}

// decidedOf is a decision of an audit file.
func decidedOf(d audit.Decision) *decided {
	out := &decided{RequestID: d.RequestID, JobID: d.JobID, AssignmentID: d.AssignmentID, Assignment: d.Assignment, BuildID: d.BuildID, Caller: d.Caller,
		Kind: d.Kind, Title: d.Title, Digest: d.Digest, RequestedAt: d.RequestedAt, DecidedAt: d.DecidedAt, Verdict: d.Verdict, By: d.By, People: d.People,
		Reason: d.Reason, Source: d.Source, Path: d.Path, Answers: d.Answers, Delivery: d.Delivery, Outcome: string(d.Job), Line: d.Line, LineHash: d.Hash}
	if out.DecidedAt.IsZero() {
		out.DecidedAt = d.At
	}
	for _, p := range d.Proofs {
		out.Proofs = append(out.Proofs, proof{p.Person, p.Kind})
	}
	return out
}

// what tells the verdict in a word.
func (d *decided) what() string {
	switch {
	case d.Source == hitl.SourceElsewhere:
		return "elsewhere"
	case d.Source == hitl.SourceTimeout:
		return "timed out"
	case d.Source == hitl.SourceNobody:
		return "nobody"
	case d.Verdict == "":
		return "elsewhere"
	}
	return d.Verdict
}

// A decidedError is a request that waits no more, with how it was decided.
type decidedError struct{ past *decided }

func (e *decidedError) Error() string {
	if e.past.what() == "elsewhere" {
		return "it was answered in Duvo"
	}
	return "it was " + hitl.SafeLine(e.past.Verdict, 40) + " by " + hitl.Decider(e.past.By)
}
