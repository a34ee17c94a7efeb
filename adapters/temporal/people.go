package temporal

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// listTime bounds reading what the methods list that take no context.
const listTime = 20 * time.Second

// each calls f with every operation that has not ended; waiting: only with those of
// which a request waits for a decision from outside. Lists of Temporal may be some
// seconds old.
func (h *host) each(ctx context.Context, waiting bool, f func(*engine.Seat, *lifecycle.State)) error {
	req := &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200,
		Query: "WorkflowType = '" + operationType + "' AND ExecutionStatus = 'Running' AND TaskQueue = '" + strings.ReplaceAll(h.cfg.queue, "'", "''") + "'"}
	for {
		page, err := h.c.ListWorkflow(ctx, req)
		if err != nil {
			return err
		}
		for _, w := range page.GetExecutions() {
			if waiting && !waits(w.GetMemo().GetFields()[waitsMemo]) {
				continue
			}
			seat, s, err := h.look(ctx, w.GetExecution().GetWorkflowId())
			if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
				continue
			}
			if err != nil {
				return err
			}
			f(seat, s)
		}
		if req.NextPageToken = page.GetNextPageToken(); len(req.NextPageToken) == 0 {
			return nil
		}
	}
}

// waits reports whether a memo tells that a request waits.
func waits(memo *commonpb.Payload) (yes bool) {
	return memo != nil && converter.GetDefaultDataConverter().FromPayload(memo, &yes) == nil && yes
}

// listing is each for the methods that return no error.
func (h *host) listing(what string, waiting bool, f func(*engine.Seat, *lifecycle.State)) {
	ctx, cancel := context.WithTimeout(h.closing, listTime)
	defer cancel()
	if err := h.each(ctx, waiting, f); err != nil && h.closing.Err() == nil {
		h.eng.Log().Error("duvotool: "+what+" could not be read from Temporal, and the list is not complete", "error", err)
	}
}

func (h *host) Pending() []hitl.Request {
	out := []hitl.Request{} // [] in JSON, not null
	h.listing("what waits for a decision", true, func(seat *engine.Seat, _ *lifecycle.State) { out = append(out, seat.Pending()...) })
	slices.SortFunc(out, func(a, b hitl.Request) int {
		return cmp.Or(a.FirstSeen.Compare(b.FirstSeen), strings.Compare(a.ID, b.ID))
	})
	return out
}

func (h *host) Jobs() []outcome.JobInfo {
	out := []outcome.JobInfo{} // [] in JSON, not null
	h.listing("the Jobs in flight", false, func(seat *engine.Seat, _ *lifecycle.State) {
		if i, ok := seat.Info(); ok {
			out = append(out, i)
		}
	})
	slices.SortFunc(out, func(a, b outcome.JobInfo) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.Key, b.Key))
	})
	return out
}

// Resumed lists nothing: operations do not end with the process that began them.
func (h *host) Resumed() []outcome.JobInfo { return []outcome.JobInfo{} }

func (h *host) Wait(ctx context.Context) error {
	for {
		busy := false
		if err := h.each(ctx, false, func(_ *engine.Seat, s *lifecycle.State) { busy = busy || s.Live.Running }); err != nil || !busy {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (h *host) Decide(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	e, err := h.decision(ctx, req, d)
	if err != nil {
		return err
	}
	var v view
	if err := h.update(ctx, h.workflowOf(req.Caller.Tenant, req.Key), decideUpdate, &v, e); err != nil {
		return h.refused(ctx, req, err)
	}
	s, err := v.State.state()
	if err != nil {
		return err
	}
	seat, err := h.reader(ctx, s, v.Notes)
	if err != nil {
		return err
	}
	return seat.Fate(v.Fate, s, e.Request)
}

func (h *host) CheckDecision(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	_, err := h.decision(ctx, req, d)
	return err
}

// decision checks a decision, and makes an event of it.
func (h *host) decision(ctx context.Context, req hitl.Request, d hitl.Decision) (e lifecycle.Decide, err error) {
	if h.left.Load() {
		return e, outcome.ErrClosed
	}
	if req.Key == "" || req.JobID == "" {
		return e, outcome.ErrNotPending
	}
	seat, s, err := h.look(ctx, h.workflowOf(req.Caller.Tenant, req.Key))
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return e, outcome.ErrNotPending
	}
	if err != nil {
		return e, err
	}
	if !strings.EqualFold(s.Record.Job, req.JobID) {
		return e, outcome.ErrNotPending
	}
	return seat.Decided(ctx, req, d, rand.Text())
}

// refused is the error of a decision that the workflow did not take in.
func (h *host) refused(ctx context.Context, req hitl.Request, err error) error {
	var app *temporal.ApplicationError
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return outcome.ErrNotPending
	}
	if !errors.As(err, &app) {
		return err
	}
	switch app.Type() {
	case changedError:
		return hitl.ErrRequestChanged
	case notPendingError:
		return outcome.ErrNotPending
	case decidedError:
		if seat, s, err := h.look(ctx, h.workflowOf(req.Caller.Tenant, req.Key)); err == nil {
			return seat.Fate(lifecycle.FateDecided, s, req.ID)
		}
		return outcome.ErrNotPending
	}
	return err
}

// byJob finds the workflow of the operation that works on a Job.
func (h *host) byJob(ctx context.Context, jobID string) (string, error) {
	if jobID == "" {
		return "", outcome.ErrUnknownJob
	}
	if err := ctx.Err(); err != nil {
		return "", context.Cause(ctx)
	}
	if h.left.Load() {
		return "", outcome.ErrClosed
	}
	starter := ""
	for _, claim := range []string{turnClaim(jobID), jobClaim(jobID)} {
		by, err := h.holder(ctx, claim)
		if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
			continue
		}
		if err != nil {
			return "", err
		}
		if starter = by.Operation; claim == turnClaim(jobID) {
			if _, s, err := h.look(ctx, starter); err == nil && s.Live.Running {
				return starter, nil
			}
		}
	}
	if starter == "" {
		return "", outcome.ErrUnknownJob
	}
	return starter, nil
}

func (h *host) Resume(ctx context.Context, jobID string) (*outcome.Result, error) {
	id, err := h.byJob(ctx, jobID)
	if err != nil {
		return nil, err
	}
	_, s, err := h.look(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := h.eng.WorkOf(s.Record.Order)
	if err != nil {
		return nil, err
	}
	c := &calling{h: h, w: w, id: id, caller: rand.Text()}
	a, err := c.wait(ctx)
	if err != nil {
		return nil, err
	}
	a.First = false
	return c.result(ctx, a, s.Record.Order.Input, nil)
}

func (h *host) Stop(ctx context.Context, jobID, by string) (*outcome.Result, error) {
	id, err := h.byJob(ctx, jobID)
	if err != nil {
		return nil, err
	}
	var v view
	err = h.update(ctx, id, stopUpdate, &v, by)
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		v, err = h.view(ctx, id) // it has ended
	}
	if err != nil {
		return nil, err
	}
	s, err := v.State.state()
	if err != nil {
		return nil, err
	}
	seat, err := h.reader(ctx, s, v.Notes)
	if err != nil {
		return nil, err
	}
	if s.Record.Result != nil {
		return seat.Result(s), nil
	}
	return nil, seat.Error(errors.New("stopping the Job was asked for, and it has not ended"))
}

// unknown finds an operation whose outcome is unknown.
func (h *host) unknown(ctx context.Context, i outcome.JobInfo) (string, *engine.Seat, error) {
	if h.left.Load() {
		return "", nil, outcome.ErrClosed
	}
	id := h.workflowOf(i.Caller.Tenant, i.Key)
	seat, s, err := h.look(ctx, id)
	if gone := (*serviceerror.NotFound)(nil); errors.As(err, &gone) {
		return "", nil, outcome.ErrUnknownJob
	}
	if err == nil && (s.Record.Result == nil || s.Record.Result.Outcome != lifecycle.Unknown) {
		err = seat.Error(errors.New("the outcome is not unknown"))
	}
	return id, seat, err
}

func (h *host) Candidates(ctx context.Context, i outcome.JobInfo) ([]duvo.Job, error) {
	_, seat, err := h.unknown(ctx, i)
	if err != nil {
		return nil, err
	}
	all, err := seat.Candidates(ctx)
	if err != nil {
		return nil, err
	}
	out := []duvo.Job{}
	for _, job := range all { // but for those that others have started
		if _, err := h.holder(ctx, jobClaim(job.ID)); err != nil {
			gone := (*serviceerror.NotFound)(nil)
			if !errors.As(err, &gone) {
				return nil, err
			}
			out = append(out, job)
		}
	}
	return out, nil
}

func (h *host) Reconcile(ctx context.Context, i outcome.JobInfo, jobID, by string) error {
	id, seat, err := h.unknown(ctx, i)
	if err != nil {
		return err
	}
	e, err := seat.ToReconcile(ctx, jobID, by)
	if err != nil {
		return err
	}
	if e.Job != "" {
		theirs, err := h.take(ctx, jobClaim(e.Job), holding{Operation: id})
		if err != nil {
			return err
		}
		if theirs != nil {
			return errors.New("duvotool: reconciling: the Job belongs to another operation")
		}
	}
	var v view
	if err := h.update(ctx, id, reconcileUpdate, &v, e); err != nil {
		return err
	}
	s, err := v.State.state()
	if err == nil && s.Record.Result != nil && s.Record.Result.Outcome == lifecycle.Unknown {
		err = seat.Error(errors.New("what was found could not be recorded"))
	}
	return err
}
