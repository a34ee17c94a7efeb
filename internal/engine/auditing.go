package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
)

// audit writes one record about the operation. about fills in the rest.
func (op *operation) audit(event audit.Event, about func(*audit.Record)) error {
	log := op.eng.cfg.Audit
	if log == nil {
		return nil
	}
	r := audit.Record{Event: event, At: time.Now(), Key: op.key, JobID: op.job.id, AssignmentID: op.work.Assignment.ID,
		Assignment: op.work.Assignment.Name, BuildID: op.job.buildID, Caller: op.caller, Status: op.job.status}
	about(&r)
	// What happened is kept also when nobody waits for it any more.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(op.run.ctx), op.eng.cfg.PostTimeout)
	defer cancel()
	err := guard.Run(audit.ErrWrite, func() error {
		defer op.eng.life.Callback("audit log")()
		return log.Record(ctx, r)
	})
	if err == nil {
		return nil
	}
	op.eng.log.Error("duvotool: an audit record was not written", "event", string(event), "job", op.job.id, "error", hitl.SafeLine(err.Error(), 500))
	if errors.Is(err, audit.ErrWrite) {
		return err
	}
	return errtext.Errorf("%w: %w", audit.ErrWrite, err)
}

// about fills in a record what is known of a request and its decision.
func (p *pendingState) about(r *audit.Record) {
	r.RequestID, r.Digest, r.RequestedAt = p.id, p.digest, p.firstSeen
	r.Kind, r.Title = p.request.Kind, p.request.Title
	if e := p.entry; e != nil {
		r.Verdict, r.By, r.Reason, r.Source, r.Path = e.Verdict.String(), e.By, e.Reason, e.Source, e.Path
		r.People = slices.Clone(e.People)
		r.Answers, r.DecidedAt, r.Delivery = maps.Clone(e.Answers), e.DecidedAt, e.Delivery // the log may redact them
	}
}
