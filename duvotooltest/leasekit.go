package duvotooltest

import (
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// A leaseKit is what a check of a journal with leases has at hand.
type leaseKit struct {
	journalKit
	handle   func() journal.Leases // of another replica, to the same records
	shortest time.Duration
}

const (
	longLease = time.Hour
	patience  = time.Minute // for what must happen some time
)

// A replica is an owner with its handle.
type replica struct {
	journal.Leases
	name string
	k    leaseKit
}

// replica returns one whose lease lasts long.
func (k leaseKit) replica(name string) (replica, error) {
	r := replica{k.handle(), name, k}
	_, err := r.Renew(k.ctx, name, longLease)
	if err != nil {
		return r, fmt.Errorf("the first renewal of %q: %w", name, err)
	}
	return r, nil
}

// replicas returns several whose leases last long.
func (k leaseKit) replicas(names ...string) ([]replica, error) {
	var all []replica
	for _, name := range names {
		r, err := k.replica(name)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// own takes a key that is free, under a term higher than one before.
func (r replica) own(key string, above uint64) (journal.Lease, error) {
	l, err := r.Own(r.k.ctx, r.name, key)
	if err != nil {
		return l, fmt.Errorf("%q takes %q, which is free: %w", r.name, key, err)
	}
	return l, r.fits(l, key, above)
}

func (r replica) fits(l journal.Lease, key string, above uint64) error {
	if l.Key != key || l.Owner != r.name || l.Term <= above {
		return fmt.Errorf("%q took %q, whose term was %d, and got the lease %+v", r.name, key, above, l)
	}
	return nil
}

// refused tells whether a replica is refused a key that another one has.
func (r replica) refused(of journal.Lease) error {
	if l, err := r.Own(r.k.ctx, r.name, of.Key); !errors.Is(err, journal.ErrOwned) || l != of {
		return fmt.Errorf("%q asked for %q, which is under %+v, and got %+v and error %v; want that lease and ErrOwned", r.name, of.Key, of, l, err)
	}
	return nil
}

// write puts a record under a term.
func (r replica) write(was journal.Record, term uint64) (journal.Record, error) {
	was.Term = term
	return r.k.put(r, was)
}

// fenced tells whether a put is fenced and changes nothing of what there is.
func (r replica) fenced(p journal.Record, term uint64, there *journal.Record) error {
	p.Term = term
	if revision, err := r.Put(r.k.ctx, p); !errors.Is(err, journal.ErrFenced) {
		return fmt.Errorf("%q put %q with revision %d under term %d, which is not its lease's, and got revision %d and error %v; want ErrFenced", r.name, p.Key, p.Revision, term, revision, err)
	}
	if there == nil {
		return r.k.lacks(r, p.Key)
	}
	return r.k.holds(r, *there)
}

// lapse lets the replica's lease run out.
func (r replica) lapse() error {
	if _, err := r.Renew(r.k.ctx, r.name, r.k.shortest); err != nil {
		return fmt.Errorf("a short renewal of %q: %w", r.name, err)
	}
	return eventually("a lease that was not renewed never ran out", func() (bool, error) {
		_, err := r.Own(r.k.ctx, r.name, "never-put")
		if err == nil {
			return false, nil
		}
		if !errors.Is(err, journal.ErrLapsed) {
			return false, fmt.Errorf("%q, whose lease runs out, asked for a key and got %v; want ErrLapsed", r.name, err)
		}
		return true, r.Release(r.k.ctx, r.name, "never-put")
	})
}

// owns tells whether exactly these leases are listed.
func (r replica) owns(owner string, want ...journal.Lease) error {
	all := map[string]journal.Lease{}
	for l, err := range r.Owned(r.k.ctx, owner) {
		if err != nil {
			return fmt.Errorf("listing what %q owns: %w", owner, err)
		}
		if _, twice := all[l.Key]; twice {
			return fmt.Errorf("its Owned lists %q twice", l.Key)
		}
		all[l.Key] = l
	}
	for _, w := range want {
		if all[w.Key] != w {
			return fmt.Errorf("its Owned(%q) lists %+v, and %+v is so", owner, all[w.Key], w)
		}
		delete(all, w.Key)
	}
	for _, l := range all {
		return fmt.Errorf("its Owned(%q) lists %+v, which is not so", owner, l)
	}
	return nil
}

// eventually waits for something that must happen some time.
func eventually(otherwise string, happened func() (bool, error)) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok, err := happened(); ok || err != nil {
			return err
		}
	}
	return errors.New(otherwise)
}

func staged(key string, stage journal.Stage) journal.Record {
	r := record(key, 0, false, "of "+key)
	r.Stage, r.Since = stage, at.Add(time.Minute)
	return r
}

// sameStage compares what only journals with leases keep.
func sameStage(got, want journal.Record) error {
	if got.Stage != want.Stage || got.Term != want.Term || !got.Since.Equal(want.Since) || got.Since.IsZero() != want.Since.IsZero() {
		return fmt.Errorf("%q has stage %q, time since when it waits %v and term %d, and was put with %q, %v and %d", want.Key, got.Stage, got.Since, got.Term, want.Stage, want.Since, want.Term)
	}
	return same(got, want)
}
