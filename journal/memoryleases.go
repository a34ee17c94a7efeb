package journal

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

var _ Leases = (*memory)(nil)

// begin locks the journal for a call about owners, unless something is wrong with it.
func (m *memory) begin(ctx context.Context, wrong ...error) (unlock func(), err error) {
	for _, err := range wrong {
		if err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

// lives tells whether an owner's lease lasts.
func (m *memory) lives(owner string) bool { return time.Now().Before(m.until[owner]) }

// take makes a replica the owner of a key.
func (m *memory) take(owner, key string) Lease {
	m.term++
	l := Lease{Key: key, Owner: owner, Term: m.term}
	m.leases[key] = l
	return l
}

func (m *memory) Renew(ctx context.Context, owner string, lasts time.Duration) (Renewal, error) {
	unlock, err := m.begin(ctx, CheckOwner(owner), CheckLasts(lasts))
	if err != nil {
		return Renewal{}, err
	}
	defer unlock()
	_, known := m.until[owner]
	told := Renewal{Lapsed: known && !m.lives(owner)}
	m.until[owner] = time.Now().Add(lasts)
	for o := range m.until {
		if m.lives(o) {
			told.Replicas++
		}
	}
	return told, nil
}

func (m *memory) Own(ctx context.Context, owner, key string) (Lease, error) {
	unlock, err := m.begin(ctx, CheckOwner(owner), Record{Key: key}.CheckKey())
	if err != nil {
		return Lease{}, err
	}
	defer unlock()
	if !m.lives(owner) {
		return Lease{}, ErrLapsed
	}
	switch l, owned := m.leases[key]; {
	case owned && l.Owner == owner:
		return l, nil
	case owned && m.lives(l.Owner):
		return l, ErrOwned
	}
	return m.take(owner, key), nil
}

func (m *memory) TakeOver(ctx context.Context, owner string, n int) ([]Lease, error) {
	unlock, err := m.begin(ctx, CheckOwner(owner))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if !m.lives(owner) {
		return nil, ErrLapsed
	}
	var free []string
	for key, r := range m.records {
		if r.Done || r.Stage != Running && r.Stage != Waiting {
			continue
		}
		if l, owned := m.leases[key]; !owned || !m.lives(l.Owner) {
			free = append(free, key)
		}
	}
	slices.Sort(free) // so that a run can be repeated
	var taken []Lease
	for _, key := range free[:max(0, min(n, len(free)))] {
		taken = append(taken, m.take(owner, key))
	}
	return taken, nil
}

func (m *memory) Release(ctx context.Context, owner string, keys ...string) error {
	unlock, err := m.begin(ctx, CheckOwner(owner))
	if err != nil {
		return err
	}
	defer unlock()
	for _, key := range keys {
		if m.leases[key].Owner == owner {
			delete(m.leases, key)
		}
	}
	if len(keys) == 0 {
		maps.DeleteFunc(m.leases, func(_ string, l Lease) bool { return l.Owner == owner })
		delete(m.until, owner)
	}
	return nil
}

func (m *memory) Heads(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r, err := range m.Unfinished(ctx) {
			if r.Data = nil; !yield(r, err) {
				return
			}
		}
	}
}

func (m *memory) Owned(ctx context.Context, owner string) iter.Seq2[Lease, error] {
	return func(yield func(Lease, error) bool) {
		var wrong error
		if owner != "" {
			wrong = CheckOwner(owner)
		}
		unlock, err := m.begin(ctx, wrong)
		if err != nil {
			yield(Lease{}, err)
			return
		}
		all := slices.Collect(maps.Values(m.leases))
		unlock()
		slices.SortFunc(all, func(a, b Lease) int { return strings.Compare(a.Key, b.Key) })
		for _, l := range all {
			if ctx.Err() != nil {
				yield(Lease{}, context.Cause(ctx))
				return
			}
			if (owner == "" || l.Owner == owner) && !yield(l, nil) {
				return
			}
		}
	}
}
