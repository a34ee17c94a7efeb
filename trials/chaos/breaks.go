package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/journal"
)

// What a journal can be without, so that one sees that the harness finds it.
const (
	withoutFence = "fence" // whoever puts last wins, whatever its term and revision
	withoutOwner = "owner" // whoever asks for an operation is told that it is theirs
	withoutOnce  = "once"  // nobody learns which operation answers a request, nor which one talks to a Job
	withoutTell  = "tell"  // nobody receives what others broadcast
)

// worsen takes something from a journal.
func worsen(j journal.Leases, what string) journal.Leases {
	switch what {
	case withoutFence:
		return fenceless{j}
	case withoutOwner:
		return ownerless{j}
	case withoutOnce:
		return onceless{j}
	case withoutTell:
		return deaf{j}
	}
	return j
}

func checkWithout(what string) error {
	switch what {
	case "", withoutFence, withoutOwner, withoutOnce, withoutTell:
		return nil
	}
	return fmt.Errorf("-break: there is no %q", what)
}

const operationRecord = "op-" // begins the keys of records of operations

type fenceless struct{ journal.Leases }

func (j fenceless) Put(ctx context.Context, r journal.Record) (uint64, error) {
	next := r.Revision + 1
	for r.Term = 0; ; {
		_, err := j.Leases.Put(ctx, r)
		if !errors.Is(err, journal.ErrConflict) || !strings.HasPrefix(r.Key, operationRecord) {
			return next, err
		}
		now, err := j.Get(ctx, r.Key)
		if err != nil {
			return 0, err
		}
		r.Revision = now.Revision
	}
}

type ownerless struct{ journal.Leases }

func (j ownerless) Own(ctx context.Context, owner, key string) (journal.Lease, error) {
	l, err := j.Leases.Own(ctx, owner, key)
	if errors.Is(err, journal.ErrOwned) {
		err = nil
	}
	return l, err
}

type onceless struct{ journal.Leases }

// ofOnce reports whether a record tells which operation answers a request, or which
// one talks to a Job.
func ofOnce(key string) bool {
	return strings.HasPrefix(key, "req-") || strings.HasPrefix(key, "say-")
}

func (j onceless) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if ofOnce(r.Key) {
		return r.Revision + 1, nil
	}
	return j.Leases.Put(ctx, r)
}

func (j onceless) Get(ctx context.Context, key string) (journal.Record, error) {
	if ofOnce(key) {
		return journal.Record{}, journal.ErrNoRecord
	}
	return j.Leases.Get(ctx, key)
}

type deaf struct{ journal.Leases }

func (j deaf) Listen(ctx context.Context, _ func(string)) error {
	return j.Leases.Listen(ctx, func(string) {})
}
