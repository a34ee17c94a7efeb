package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
)

func bearerOf(ctx context.Context) bearer {
	scope, _ := ctx.Value(scopeKey{}).(string)
	return bearer{callerOf(ctx).User, scope}
}

// A handleEntry is what the journal holds of a handle.
type handleEntry struct {
	Operation string      `json:"operation"` // the key of its record
	Caller    hitl.Caller `json:"caller,omitzero"`
	Scope     string      `json:"scope,omitempty"`
}

// handleLocked returns the handle of the operation for a bearer, making one if
// there is none. Called with operations.mu and mu held.
func (op *operation) handleLocked(to bearer) string {
	if to == (bearer{op.order.Caller.User, op.order.Scope}) {
		if op.ownHandleLocked() == "" {
			op.moreLocked().handle = newHandle()
		}
		return op.ownHandleLocked()
	}
	more := op.moreLocked()
	if more.others[to] == "" {
		more.give(newHandle(), to)
	}
	return more.others[to]
}

// give notes a handle for another caller than the operation's own.
func (m *extras) give(handle string, to bearer) {
	if m.others == nil {
		m.others = map[bearer]string{}
	}
	m.others[to] = handle
}

// giveHandle returns the handle by which the caller of ctx finds the operation
// again, here and in the next process.
func (op *operation) giveHandle(ctx context.Context) string {
	o, to := op.eng.ops, bearerOf(ctx)
	o.mu.Lock()
	op.mu.Lock()
	handle := op.handleLocked(to)
	recorded := op.extrasLocked().recorded[handle]
	if o.byKey[op.slot()] == op {
		o.find(handle, grant{op, to})
	}
	op.mu.Unlock()
	o.mu.Unlock()
	l := op.eng.ledger
	if l == nil || recorded {
		return handle
	}
	e := handleEntry{op.record, hitl.Caller{Tenant: op.order.Caller.Tenant, User: to.user}, to.scope}
	if _, err := l.once(&e, handleRecord, handle); err != nil {
		// It is good for as long as this process lives.
		op.logger(op.known().Job).Error("duvotool: writing to the journal", "error", hitl.SafeLine(err.Error(), 500))
		return handle
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	more := op.moreLocked()
	if more.recorded == nil {
		more.recorded = map[string]bool{}
	}
	more.recorded[handle] = true
	return handle
}

// ownHandle returns the handle for the operation's own caller, which finds it from
// now on.
func (op *operation) ownHandle() string {
	if op.hosted != nil {
		return ""
	}
	o, own := op.eng.ops, bearer{op.order.Caller.User, op.order.Scope}
	o.mu.Lock()
	defer o.mu.Unlock()
	op.mu.Lock()
	defer op.mu.Unlock()
	handle := op.handleLocked(own)
	if o.byKey[op.slot()] == op {
		o.find(handle, grant{op, own})
	}
	return handle
}

// byBearer returns the operation with this handle, if it was given to the caller
// of ctx; nil if it was not.
func (o *operations) byBearer(ctx context.Context, handle string) (*operation, error) {
	to, tenant := bearerOf(ctx), callerOf(ctx).Tenant
	o.mu.Lock()
	g, here := o.byHandle[handle]
	o.mu.Unlock()
	if here {
		if g.to != to || g.op.order.Caller.Tenant != tenant {
			return nil, nil
		}
		return g.op, nil
	}
	l := o.eng.ledger
	if l == nil {
		return nil, nil
	}
	rec, found, err := l.find(ctx, handleRecord, handle)
	if err != nil || !found {
		return nil, err
	}
	var e handleEntry
	if err := l.open(rec, &e); err != nil {
		return nil, err
	}
	if e.Caller != (hitl.Caller{Tenant: tenant, User: to.user}) || e.Scope != to.scope || !strings.HasPrefix(e.Operation, opRecord) {
		return nil, nil
	}
	rec, found, err = l.get(ctx, e.Operation)
	if err != nil || !found {
		return nil, err
	}
	op, err := o.eng.restore(rec)
	if err != nil {
		return nil, err
	}
	if op.order.Caller.Tenant != tenant {
		return nil, errors.Join(journal.ErrFailed, errors.New("the record of a handle leads to another tenant's operation"))
	}
	op = o.keep(op)
	op.knowHandle(handle, to)
	return op, nil
}

// knowHandle notes a handle that an earlier process gave out, so that its bearer
// needs no second one.
func (op *operation) knowHandle(handle string, to bearer) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if to == (bearer{op.order.Caller.User, op.order.Scope}) {
		return // it came with the record
	}
	if more := op.moreLocked(); more.others[to] == "" {
		more.give(handle, to)
	}
}
