package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// through turns the key of a call into the one that its alias says.
func (k callKey) through(a alias, scope string) callKey {
	k.key, k.scope, k.exact = a.Key, a.Scope, a.Scope != scope // in its own scope whatever the input
	k.stale = !a.at.IsZero() && time.Since(a.at) > lifecycle.MaxSkew
	return k
}

// astray refuses a call in a scope whose own key leads to an operation outside of
// it that has started nothing: this call would start its Job there, and the scope
// could start one more.
func (k callKey) astray(op *operation, asked, scope string) error {
	if k.own == "" || scope == "" || k.key == asked {
		return nil
	}
	if op == nil && !k.stale || op != nil && op.begun() {
		return nil // a call there is at it
	}
	return fmt.Errorf("%w: the key was first used in another operation scope, in which no Job was started; call again in that one, or here with another key", outcome.ErrKeyReused)
}

// begun reports whether the operation has a Job, may have one, or is about to.
func (op *operation) begun() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	r := &op.state.Record
	return op.busyLocked() || r.Result != nil || op.ended == 0 || !startedNothing(r)
}

// seek finds the operation of a key: under the key itself, or, where that of the
// scope won over the caller's own, under what that stands for. It returns nil if
// there is none, and the key that it has or is to have.
func (o *operations) seek(ctx context.Context, tenant string, key callKey, scope string) (op *operation, now callKey, err error) {
	key.scope = scope
	if op, err = o.lookUp(ctx, tenant, key.key); op != nil || err != nil {
		return op, key, err
	}
	if key.own == "" {
		if KeyIn(ctx) != "" {
			op, err = o.aliased(ctx, tenant, key.key)
		}
		return op, key, err
	}
	a, found, err := o.aliasOf(ctx, tenant, key.own)
	if err != nil {
		return nil, key, err
	}
	if found {
		key = key.through(a, scope)
		op, err = o.lookUp(ctx, tenant, key.key)
		return op, key, err
	}
	// An operation may have it that began when the Assignment was not yet one of
	// those that are allowed once in a scope.
	if op, err = o.lookUp(ctx, tenant, key.own); op != nil {
		key = key.through(alias{Key: op.order.Key, Scope: op.order.Scope}, scope)
	}
	return op, key, err
}

// seekSpelled is seek under the key that earlier versions made of the ID of an
// Assignment as it was spelled; key is returned where there is no operation.
func (o *operations) seekSpelled(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp, key callKey) (*operation, callKey, error) {
	spelled, err := keyFor(ctx, w, input, follow)
	if err != nil || spelled.key == key.key {
		return nil, key, err
	}
	op, err := o.lookUp(ctx, callerOf(ctx).Tenant, spelled.key)
	if op == nil {
		return nil, key, err
	}
	spelled.scope = key.scope
	return op, spelled, err
}

// name lets the caller's own key of a call stand for the operation that it is to
// begin, unless it stands for another by now, begun in another scope.
func (o *operations) name(ctx context.Context, tenant string, key callKey, scope string) (op *operation, now callKey, err error) {
	a, err := o.rename(tenant, key.own, alias{Key: key.key, Scope: key.scope})
	if err != nil || a.Key == key.key {
		return nil, key, err
	}
	key = key.through(a, scope)
	op, err = o.lookUp(ctx, tenant, key.key)
	return op, key, err
}

// aliased finds the operation that a caller's key began in a scope, for a call whose
// Assignment may be started more often there: the key is taken. It returns nil if
// it is not.
func (o *operations) aliased(ctx context.Context, tenant, own string) (op *operation, err error) {
	a, found, err := o.aliasOf(ctx, tenant, own)
	if err != nil || !found {
		return nil, err
	}
	if op, err = o.lookUp(ctx, tenant, a.Key); op == nil && err == nil {
		err = fmt.Errorf("%w: it stands for an Assignment that may be started once in a scope", outcome.ErrKeyReused)
	}
	return op, err
}

// aliasOf returns what a caller's key stands for; false if it is no alias.
func (o *operations) aliasOf(ctx context.Context, tenant, own string) (a alias, found bool, err error) {
	if l := o.eng.ledger; l != nil {
		rec, found, err := l.find(ctx, aliasRecord, tenant, own)
		if err == nil && found {
			err = l.open(rec, &a)
			a.at = rec.At
		}
		return a, found, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a, found = o.aliases[slot{tenant, own}]
	return a, found, nil
}

// rename lets a caller's key stand for an operation, unless it stands for one. It
// returns what it stands for now.
func (o *operations) rename(tenant, own string, a alias) (alias, error) {
	if l := o.eng.ledger; l != nil {
		_, err := l.once(&a, aliasRecord, tenant, own)
		return a, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if now, there := o.aliases[slot{tenant, own}]; there {
		return now, nil
	}
	if o.aliases == nil {
		o.aliases = map[slot]alias{}
	}
	o.aliases[slot{tenant, own}] = a
	return a, nil
}
