package engine

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// open finds or makes the operation of a call. repeated tells that it was
// there before.
func (o *operations) open(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp) (op *operation, repeated bool, err error) {
	key, err := keyFor(ctx, w.folded(), input, follow)
	if err != nil {
		return nil, false, err
	}
	caller := callerOf(ctx)
	scope, _ := ctx.Value(scopeKey{}).(string)
	asked := key.key
	if !key.fresh {
		if op, key, err = o.seek(ctx, caller.Tenant, key, scope); err == nil {
			err = key.astray(op, asked, scope)
		}
		if op == nil && err == nil && key.key == asked {
			op, key, err = o.seekSpelled(ctx, w, input, follow, key)
		}
		if err != nil {
			return nil, false, o.failed(w, key.key, err)
		}
	}
	if op == nil && key.known {
		return nil, false, o.failed(w, "", outcome.ErrNoScope)
	}
	if op == nil && key.scope != "" && follow == nil {
		// An outcome that is unknown bars its Assignment from the rest of its
		// scope.
		if op, err = o.barred(ctx, caller.Tenant, key.scope, w.Assignment.ID); err != nil {
			return nil, false, o.failed(w, key.key, err)
		}
		if op != nil {
			return op, true, nil
		}
	}
	if op == nil && follow == nil && !o.eng.catalog.Offered(w.Assignment.ID) {
		return nil, false, &outcome.InputError{Tool: w.Name, Problem: "this Assignment is no longer offered; use another tool", Gone: true}
	}
	if op == nil && key.own != "" {
		if op, key, err = o.name(ctx, caller.Tenant, key, scope); err == nil {
			err = key.astray(op, asked, scope)
		}
		if err != nil {
			return nil, false, o.failed(w, key.own, err)
		}
	}
	if op == nil {
		op, repeated = o.insert(o.newOperation(ctx, w, key, startInput(ctx, input, follow), caller, follow))
	} else {
		op, repeated = o.keyed(op), true
	}
	if key.known && op.order.Key == asked {
		key.exact = !op.onceInScope()
	}
	if repeated && !key.exact {
		op.reword(input)
	}
	other := !strings.EqualFold(op.work.Assignment.ID, w.Assignment.ID) || !op.follows(follow)
	if repeated && (other || key.exact && !op.tells(input)) {
		return nil, false, &outcome.JobError{Phase: outcome.PhaseNew, Key: key.key, Assignment: w.Assignment.Name,
			Err: Reused(op.work.Assignment.Name)}
	}
	return op, repeated, nil
}

func (o *operations) failed(w *Work, key string, err error) error {
	return &outcome.JobError{Phase: outcome.PhaseNew, Key: key, Assignment: w.Assignment.Name, Err: err}
}

// newOperation makes an operation that nothing is known of.
func (o *operations) newOperation(ctx context.Context, w *Work, key callKey, input string, caller hitl.Caller, follow *lifecycle.FollowUp) *operation {
	e := o.eng
	order := &lifecycle.Order{Key: key.key, Own: key.own, Scope: key.scope, Caller: caller, Assignment: &w.Assignment, Folder: w.Folder,
		Input: input, AnyInput: w.Settings.OncePerScope, After: follow,
		StartKey: "duvotool-" + digest.Of("start", caller.Tenant, key.key, strings.ToLower(w.Assignment.ID))}
	if follow == nil {
		order.Webhook = e.cfg.webhookURLFor(caller.Tenant, key.key, w.Assignment.ID)
		order.Files = ctx.Value(filesKey{}) != nil
	}
	op := &operation{eng: e, work: w, order: order, fresh: key.fresh}
	if e.ledger != nil {
		op.record = e.ledger.names(opRecord, caller.Tenant, key.key)[0]
		order.Handle = newHandle() // recorded with the operation from the beginning
	}
	s := lifecycle.Make(e.optionsOf(w), e.replica, e.credential())
	s.Record.Order, s.Record.Unkeyed = order, key.fresh
	op.state = &s
	return op
}

// newHandle makes a handle that nobody can guess: 130 bits.
func newHandle() string { return "job-" + strings.ToLower(rand.Text()) }
