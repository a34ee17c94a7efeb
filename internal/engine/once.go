package engine

import "context"

// An alias says which operation a caller's key stands for, where the operation has
// the key of its scope: see OncePerScope. So the caller's key is good for one
// operation as well, in whatever scope it comes.
type alias struct {
	Key   string `json:"key"`   // of the operation
	Scope string `json:"scope"` // that it is the one of
}

// through turns the key of a call into the one that its alias says.
func (k callKey) through(a alias, scope string) callKey {
	k.key, k.scope, k.exact = a.Key, a.Scope, a.Scope != scope // in its own scope whatever the input
	return k
}

// seek finds the operation of a key: under the key itself, or, where that of the
// scope won over the caller's own, under what that stands for. It returns nil if
// there is none, and the key that it has or is to have.
func (o *operations) seek(ctx context.Context, tenant string, key callKey, scope string) (op *operation, now callKey, err error) {
	key.scope = scope
	if op, err = o.lookUp(ctx, tenant, key.key); op != nil || err != nil || key.own == "" {
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
		key = key.through(alias{op.key, op.scope}, scope)
	}
	return op, key, err
}

// name lets the caller's own key of a call stand for the operation that it is to
// begin, unless it stands for another by now, begun in another scope.
func (o *operations) name(ctx context.Context, tenant string, key callKey, scope string) (op *operation, now callKey, err error) {
	a, err := o.rename(tenant, key.own, alias{key.key, key.scope})
	if err != nil || a.Key == key.key {
		return nil, key, err
	}
	key = key.through(a, scope)
	op, err = o.lookUp(ctx, tenant, key.key)
	return op, key, err
}

// aliasOf returns what a caller's key stands for; false if it is no alias.
func (o *operations) aliasOf(ctx context.Context, tenant, own string) (a alias, found bool, err error) {
	if l := o.eng.ledger; l != nil {
		rec, found, err := l.find(ctx, aliasRecord, tenant, own)
		if err == nil && found {
			err = l.open(rec, &a)
		}
		return a, found, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	a, found = o.aliases[slotOf(tenant, own)]
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
	if now, there := o.aliases[slotOf(tenant, own)]; there {
		return now, nil
	}
	if o.aliases == nil {
		o.aliases = map[string]alias{}
	}
	o.aliases[slotOf(tenant, own)] = a
	return a, nil
}
