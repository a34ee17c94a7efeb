package engine

import (
	"context"
	"fmt"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

// lookUp finds an operation by its key, here or in the journal; nil if there is
// none.
func (o *operations) lookUp(ctx context.Context, tenant, key string) (*operation, error) {
	o.mu.Lock()
	o.sweep()
	op := o.byKey[slot{tenant, key}]
	o.mu.Unlock()
	l := o.eng.ledger
	switch {
	case l == nil:
		return op, nil
	case op != nil:
		return o.reread(ctx, op)
	}
	rec, found, err := l.find(ctx, opRecord, tenant, key)
	if err != nil || !found {
		return nil, err
	}
	if op, err = o.eng.restore(rec); err != nil {
		return nil, err
	}
	if op.slot() != (slot{tenant, key}) {
		return nil, fmt.Errorf("%w: the record %s is of another operation", journal.ErrFailed, rec.Key)
	}
	return o.keep(op), nil
}

// keep inserts an operation that was restored, unless it needs nothing more: then
// the journal keeps it.
func (o *operations) keep(op *operation) *operation {
	if r := op.known().Result; r != nil && r.Outcome != lifecycle.Unknown {
		return op
	}
	op, _ = o.insert(op)
	return op
}

// reread returns an operation as it is now, where another process may have
// reconciled what is unknown here.
func (o *operations) reread(ctx context.Context, op *operation) (*operation, error) {
	if !op.isUnknown() {
		return op, nil
	}
	rec, found, err := o.eng.ledger.get(ctx, op.record)
	if err != nil || !found {
		return op, err
	}
	now, err := o.eng.restore(rec)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	same := !op.isUnknown() || op.latest().Live.Revision >= rec.Revision
	switch other := o.byKey[op.slot()]; {
	case same:
		return op, nil
	case other != op && other != nil:
		return other, nil
	}
	o.drop(op)
	o.letIn(op)
	o.enter(now)
	if now.isUnknown() {
		o.keepOut(now)
	}
	return now, nil
}
