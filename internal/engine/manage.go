package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/outcome"
)

// TakeUp restores what the journal holds unfinished, and begins to work on it.
func (eng *Engine) TakeUp(ctx context.Context) error {
	l := eng.ledger
	if l == nil {
		return nil
	}
	if err := l.identify(ctx); err != nil {
		return errtext.Errorf("duvotool: reading the journal: %w", err)
	}
	if eng.replicas != nil {
		return eng.join(ctx)
	}
	var asking, others []*operation // with a request that was open, and without
	for rec, err := range l.unfinished(ctx) {
		if err != nil {
			return errtext.Errorf("duvotool: reading the journal: %w", err)
		}
		op, err := eng.restore(rec)
		if err != nil {
			return err
		}
		switch r := op.known(); {
		case r.Result != nil:
			if op, there := eng.ops.insert(op); !there {
				eng.ops.settled(op, false)
			}
		case r.Parked() || eng.cfg.NoResume:
		default:
			op, there := eng.ops.insert(op)
			switch {
			case there:
			case slices.ContainsFunc(r.Requests, isOpen):
				asking = append(asking, op)
			default:
				others = append(others, op)
			}
		}
	}
	for _, op := range asking { // what is asked stands in no list
		op.resume(false)
	}
	many := len(others) > 2*watch.MaxReads // lists tell what has changed
	for _, op := range others {
		op.resume(many)
	}
	if n := len(asking) + len(others); n > 0 {
		eng.log.DebugContext(ctx, "duvotool: took up the Jobs of the journal", "count", n)
	}
	return nil
}

// Jobs is Registry.Jobs of package duvotool.
func (eng *Engine) Jobs() []outcome.JobInfo {
	out := []outcome.JobInfo{} // [] in JSON, not null
	eng.ops.each(func(op *operation) {
		if i, ok := op.info(); ok {
			out = append(out, i)
		}
	})
	slices.SortFunc(out, func(a, b outcome.JobInfo) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.Key, b.Key))
	})
	return out
}

// Resumed is Registry.Resumed of package duvotool.
func (eng *Engine) Resumed() []outcome.JobInfo {
	return slices.DeleteFunc(eng.Jobs(), func(i outcome.JobInfo) bool { return !i.Resumed })
}

// Resume is Registry.Resume of package duvotool.
func (eng *Engine) Resume(ctx context.Context, jobID string) (*outcome.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	op, err := eng.byJobID(ctx, jobID)
	if err != nil {
		return nil, err
	}
	res, err := op.wait(ctx)
	if err != nil {
		return nil, err
	}
	op.addressTo(ctx, res)
	res.Repeated = true
	res.ShowAtMost(op.work.Settings.MaxObservation)
	return res, nil
}

// byJobID finds the operation of a Job, here or in the journal.
func (eng *Engine) byJobID(ctx context.Context, jobID string) (*operation, error) {
	if jobID == "" {
		return nil, outcome.ErrUnknownJob
	}
	here := eng.ops.byJob()[strings.ToLower(jobID)]
	switch {
	case here != nil && (eng.ledger == nil || here.busy() || here.known().Result == nil):
		return here, nil
	case eng.ledger == nil:
		return nil, outcome.ErrUnknownJob
	}
	for rec, err := range eng.ledger.unfinished(ctx) {
		if err != nil {
			return nil, err
		}
		op, err := eng.restore(rec)
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(op.known().Job, jobID) {
			op, _ = eng.ops.insert(op)
			return op, nil
		}
	}
	if here != nil {
		return here, nil
	}
	return eng.starterOf(ctx, jobID)
}

// starterOf finds the operation that started a Job in the journal, also where it has
// ended.
func (eng *Engine) starterOf(ctx context.Context, jobID string) (*operation, error) {
	var h holder
	rec, found, err := eng.ledger.find(ctx, holderRecord, strings.ToLower(jobID))
	if err == nil && found {
		err = eng.ledger.open(rec, &h)
	}
	if err == nil && found {
		rec, found, err = eng.ledger.get(ctx, h.Operation)
	}
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, outcome.ErrUnknownJob
	}
	op, err := eng.restore(rec)
	if err != nil || !strings.EqualFold(op.known().Job, jobID) {
		return nil, cmp.Or(err, outcome.ErrUnknownJob)
	}
	return eng.ops.keep(op), nil
}

// Wait is Registry.Wait of package duvotool.
func (eng *Engine) Wait(ctx context.Context) error {
	for {
		var busy *operation
		eng.ops.each(func(op *operation) {
			if op.busy() {
				busy = op
			}
		})
		if busy == nil {
			return nil
		}
		err := busy.await(ctx, func(s *lifecycle.State) bool { return !s.Live.Running })
		if err != nil {
			return err
		}
	}
}

// Stop is Registry.Stop of package duvotool.
func (eng *Engine) Stop(ctx context.Context, jobID, by string) (*outcome.Result, error) {
	if _, ok := eng.backend.(stopper); !ok {
		return nil, fmt.Errorf("duvotool: the backend %T cannot stop Jobs", eng.backend)
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	op, err := eng.byJobID(ctx, jobID)
	if err != nil {
		return nil, err
	}
	if r := op.known(); r.Result != nil && !op.busy() {
		return op.result(op.latest()), nil
	}
	if !eng.life.Enter() {
		return nil, op.errorOf(outcome.ErrClosed)
	}
	defer eng.life.Leave()
	if eng.replicas == nil {
		op.resume(false)
	}
	op.post(lifecycle.StopAsked{By: by})
	// It is over when the Job has ended, or when all was done that can be.
	err = op.await(ctx, func(s *lifecycle.State) bool {
		asked := s.Record.Stop().Asked || s.Record.Result != nil || s.Live.Closed || eng.replicas == nil
		return asked && !s.Live.Running || s.Record.Stop().Done && s.Record.Stage == lifecycle.Watching
	})
	if err != nil {
		return nil, err
	}
	if s := op.latest(); s.Record.Result != nil {
		return op.result(s), nil
	}
	return nil, op.errorOf(errors.New("stopping the Job was asked for, and it has not ended"))
}
