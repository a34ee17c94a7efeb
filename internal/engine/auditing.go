package engine

import (
	"context"
	"errors"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifecycle"
)

// writeAudit writes one record of the audit.
func (eng *Engine) writeAudit(ctx context.Context, rec audit.Record) error {
	err := eng.callAudit(ctx, func(ctx context.Context) error { return eng.cfg.Audit.Record(ctx, rec) })
	if err != nil {
		eng.log.With(aboutJob(rec.JobID, rec.Key, rec.AssignmentID, rec.Assignment)...).Error("duvotool: an audit record was not written",
			"request", hitl.SafeLine(rec.RequestID, 64), "event", string(rec.Event), "error", hitl.SafeLine(err.Error(), 500))
	}
	return err
}

// callAudit calls the audit log. What happened is kept also when nobody waits for it
// any more. Errors match audit.ErrWrite.
func (eng *Engine) callAudit(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() { eng.auditing.writes.note(err) }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), eng.cfg.PostTimeout)
	defer cancel()
	err = guard.Run(audit.ErrWrite, func() error {
		defer eng.life.Callback(ctx, "audit log")()
		return f(ctx)
	})
	if err == nil || errors.Is(err, audit.ErrWrite) {
		return err
	}
	return errtext.Errorf("%w: %w", audit.ErrWrite, err)
}

// audit writes one record about the operation.
func (op *operation) audit(r *run, s *lifecycle.State, line lifecycle.Line, note string) error {
	if op.eng.cfg.Audit == nil {
		return nil
	}
	rec := op.auditRecord(s, line, note)
	err := op.eng.writeAudit(r.Context(), rec)
	t := &op.eng.auditing
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err, t.tried = err, nil; err != nil {
		t.record = rec
		if line.Kind.Binding() {
			t.tried = r
		}
	}
	return err
}

// auditable reports why nothing may be started: the audit could not be written when
// it was tried last, and cannot be now. A record that nobody tries again is; one
// that somebody does tells nothing new, unless the audit can be asked itself.
func (eng *Engine) auditable(ctx context.Context) error {
	t := &eng.auditing
	t.mu.Lock()
	defer t.mu.Unlock()
	tried := t.tried != nil && !t.tried.isOver()
	if t.err != nil && !tried {
		if t.err = eng.writeAudit(ctx, t.record); t.err != nil {
			return t.err
		}
	}
	p, ok := eng.cfg.Audit.(audit.Prober)
	if !ok {
		return t.err
	}
	return eng.callAudit(ctx, p.Ready)
}

// begins reports whether a record announces what is to be sent for the first time,
// and nobody waits for yet: a start or a follow-up.
func begins(r *lifecycle.Record) bool {
	if r.Stage == lifecycle.Starting {
		return r.Start.Open && !r.Start.Earlier
	}
	m := r.Message()
	return r.Stage == lifecycle.Posting && m.Kind == lifecycle.FollowUpMessage && m.Attempt.Open && !m.Attempt.Earlier
}
