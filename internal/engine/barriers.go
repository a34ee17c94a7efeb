package engine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

// hasUnknown reports whether the outcome of an operation is unknown.
func (op *operation) hasUnknown() bool {
	r := op.known().Result
	return r != nil && r.Outcome == lifecycle.Unknown
}

func (b barrier) keys() []string {
	if b.Key == "" {
		return nil
	}
	return append([]string{b.Key}, b.Others...)
}

// barred finds the operation that bars an Assignment from a scope; nil if none
// does.
func (o *operations) barred(ctx context.Context, tenant, scope, assignment string) (*operation, error) {
	o.mu.Lock()
	here := slices.Clone(o.unknown[unknownSlot(tenant, scope, assignment)])
	o.mu.Unlock()
	l := o.eng.ledger
	for _, op := range here {
		if l == nil {
			return op, nil
		}
		op, err := o.reread(ctx, op)
		if err != nil {
			return nil, err
		}
		if op.hasUnknown() {
			return op, nil
		}
	}
	if l == nil {
		return nil, nil
	}
	op, err := o.barredBy(ctx, tenant, scope, strings.ToLower(assignment))
	if op == nil && err == nil && assignment != strings.ToLower(assignment) { // as earlier versions wrote it
		op, err = o.barredBy(ctx, tenant, scope, assignment)
	}
	return op, err
}

// barredBy is barred by what the journal holds under a spelling of the Assignment's
// ID.
func (o *operations) barredBy(ctx context.Context, tenant, scope, assignment string) (*operation, error) {
	l := o.eng.ledger
	rec, found, err := l.find(ctx, barrierRecord, tenant, scope, assignment)
	if err != nil || !found {
		return nil, err
	}
	var b barrier
	if err := l.open(rec, &b); err != nil || rec.Done { // that it is done is believed of a record that opens
		return nil, err
	}
	for _, key := range b.keys() {
		op, err := o.lookUp(ctx, b.Tenant, key)
		if err != nil {
			return nil, err
		}
		if op == nil {
			continue
		}
		if op.hasUnknown() {
			return op, nil
		}
	}
	return nil, nil // reconciled since, or it never came so far
}

// bar lets an operation keep its Assignment out of its scope, in the journal, or
// no longer.
func (o *operations) bar(op *operation, on bool) (err error) {
	for range 5 { // others of the scope may do so at once
		if err = o.barOnce(op, on); !errors.Is(err, journal.ErrConflict) {
			return err
		}
	}
	return err
}

func (o *operations) barOnce(op *operation, on bool) error {
	l := o.eng.ledger
	if l == nil || op.order.Scope == "" {
		return nil
	}
	rec, found, err := l.find(context.Background(), barrierRecord, op.order.Caller.Tenant, op.order.Scope, strings.ToLower(op.work.Assignment.ID))
	switch {
	case err != nil:
		return err
	case !found && !on:
		return nil
	case !found:
		rec = journal.Record{Key: l.names(barrierRecord, op.order.Caller.Tenant, op.order.Scope, strings.ToLower(op.work.Assignment.ID))[0]}
	}
	b := barrier{Tenant: op.order.Caller.Tenant}
	if found {
		if err := l.open(rec, &b); err != nil {
			return err
		}
		if rec.Done {
			b = barrier{Tenant: op.order.Caller.Tenant}
		}
	}
	keys := slices.DeleteFunc(b.keys(), func(k string) bool { return k == op.order.Key })
	if on {
		keys = append(keys, op.order.Key)
	}
	rec.Done = len(keys) == 0
	b.Key, b.Others = op.order.Key, nil
	if len(keys) > 0 {
		b.Key, b.Others = keys[0], keys[1:]
	}
	if rec.Data, err = l.close(b); err != nil {
		return err
	}
	_, err = l.put(rec)
	return err
}
