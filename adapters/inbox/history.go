package inbox

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// AuditFile opens an audit file for [Config.Audit], with the files that it continues.
// It may be one that the program writes to.
func AuditFile(path string) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return audit.Open(path) }
}

// A past request is one line of the history: how a request was decided, and what
// became of that.
type past struct {
	Ref          string            `json:"ref"`
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
	Verdict      string            `json:"verdict"` // empty: not decided by the program's policies
	By           string            `json:"by,omitempty"`
	People       []string          `json:"people,omitempty"`
	Reason       string            `json:"reason,omitempty"`
	Source       hitl.Source       `json:"source,omitempty"`
	Path         string            `json:"path,omitempty"`
	Answers      map[string]string `json:"answers,omitempty"`
	Proofs       []provenBy        `json:"proofs,omitempty"`
	Delivery     hitl.Delivery     `json:"delivery,omitempty"`
	Outcome      string            `json:"outcome,omitempty"` // of the Job; empty: not ended
	Line         int64             `json:"line,omitempty"`    // of the decision in the audit; zero: there is no audit
	LineHash     string            `json:"line_hash,omitempty"`
}

// provenBy tells whose proof a decision has. What it proves is in the audit.
type provenBy struct {
	Person string `json:"person"`
	Kind   string `json:"kind"`
}

func provenBys(all []hitl.Proof) (out []provenBy) {
	for _, p := range all {
		out = append(out, provenBy{p.Person, p.Kind})
	}
	return out
}

// request is the part of it that access is decided by.
func (p *past) request() hitl.Request {
	return hitl.Request{JobID: p.JobID, ID: p.RequestID, Kind: p.Kind, Title: p.Title, Assignment: duvo.Assignment{ID: p.AssignmentID, Name: p.Assignment},
		BuildID: p.BuildID, Caller: p.Caller, FirstSeen: p.RequestedAt}
}

// history reads what was decided and matches a filter, the latest first, as far as a
// person may see it. Where the audit does not read to its end, what was read comes
// with the error.
func (d *Desk) history(ctx context.Context, p Person, f audit.Filter) ([]*past, error) {
	all, err := d.recorded(ctx, f)
	out := slices.DeleteFunc(all, func(h *past) bool { return d.cfg.May(ctx, p, h.request()) == Hidden })
	slices.SortStableFunc(out, func(a, b *past) int { return b.DecidedAt.Compare(a.DecidedAt) })
	return out, err
}

// recorded are the latest decisions that match a filter; where there is no audit, what
// was decided here.
func (d *Desk) recorded(ctx context.Context, f audit.Filter) ([]*past, error) {
	if d.cfg.Audit == nil {
		return d.remembered(f), nil
	}
	rows, dropped, err := d.ledger.all(ctx, d.cfg.Audit)
	out := make([]*past, 0, len(rows))
	for _, e := range rows {
		if f.Match(e.record()) {
			out = append(out, e.past)
		}
	}
	if dropped == 0 || reflect.DeepEqual(f, audit.Filter{}) || err != nil {
		return out, err
	}
	return d.older(ctx, f.Match)
}

// lookBack finds the latest decision about a request, as far as a person may see it;
// nil if there is none.
func (d *Desk) lookBack(ctx context.Context, p Person, ref string) (*past, error) {
	rows, err := d.history(ctx, p, audit.Filter{})
	of := func(h *past) bool { return h.Ref == ref }
	if i := slices.IndexFunc(rows, of); i >= 0 {
		return rows[i], err
	}
	if err != nil || !d.ledger.dropsSome() {
		return nil, err
	}
	rows, err = d.older(ctx, func(r audit.Record) bool { return refOf(r.JobID, r.RequestID) == ref })
	if i := len(rows) - 1; i >= 0 && d.cfg.May(ctx, p, rows[i].request()) != Hidden {
		return rows[i], err
	}
	return nil, err
}

// older reads the whole audit, for decisions that are not among the latest.
func (d *Desk) older(ctx context.Context, match func(audit.Record) bool) ([]*past, error) {
	file, err := d.cfg.Audit(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening the audit: %w", err)
	}
	defer func() { _ = file.Close() }()
	var l ledger
	rows, _, err := l.take(ctx, func(yield func(audit.Entry, error) bool) {
		for e, err := range audit.Read(file) {
			if err == nil && e.Decides() && !match(e.Record) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	})
	out := make([]*past, len(rows))
	for i, e := range rows {
		out[i] = e.past
	}
	return out, err
}

func pastOf(e audit.Entry) *past {
	h := &past{Ref: refOf(e.JobID, e.RequestID), RequestID: e.RequestID, JobID: e.JobID, AssignmentID: e.AssignmentID, Assignment: e.Assignment,
		BuildID: e.BuildID, Caller: e.Caller, Kind: e.Kind, Title: e.Title, Digest: e.Digest, RequestedAt: e.RequestedAt, DecidedAt: e.DecidedAt,
		Verdict: e.Verdict, By: e.By, People: e.People, Reason: e.Reason, Source: e.Source, Path: e.Path, Answers: e.Answers, Proofs: provenBys(e.Proofs), Delivery: e.Delivery,
		Line: e.Line, LineHash: e.Hash}
	if h.DecidedAt.IsZero() {
		h.DecidedAt = e.At
	}
	if e.Event == audit.Elsewhere && h.Source == "" {
		h.Source = hitl.SourceElsewhere
	}
	return h
}

// remembered is the history of a desk without an audit.
func (d *Desk) remembered(f audit.Filter) []*past {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	var out []*past
	for _, ref := range d.memory.decided.Keys() {
		m, _ := d.memory.decided.Get(ref)
		r := audit.Record{Event: audit.Decided, At: m.at, AssignmentID: m.req.Assignment.ID, Assignment: m.req.Assignment.Name, JobID: m.req.JobID,
			RequestID: m.req.ID, Digest: m.req.Digest(), Verdict: m.decision.Verdict.String(), By: m.decision.By, People: m.decision.People}
		if !f.Match(r) {
			continue
		}
		out = append(out, &past{Ref: ref, RequestID: m.req.ID, JobID: m.req.JobID, AssignmentID: r.AssignmentID, Assignment: r.Assignment,
			BuildID: m.req.BuildID, Caller: m.req.Caller, Kind: m.req.Kind, Title: m.req.Title, Digest: r.Digest, RequestedAt: m.req.FirstSeen, DecidedAt: m.at,
			Verdict: r.Verdict, By: r.By, People: r.People, Reason: m.decision.Reason, Source: m.decision.Source, Path: m.decision.Path, Answers: m.decision.Answers,
			Proofs: provenBys(m.decision.Proofs)})
	}
	return out
}
