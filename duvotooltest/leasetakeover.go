package duvotooltest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/duvotool/duvotool/journal"
)

func checkLapse(k leaseKit) error {
	a, err := k.replica("A")
	if err != nil {
		return err
	}
	l, err := a.own("a", 0)
	if err != nil {
		return err
	}
	r, err := a.write(staged("a", journal.Running), l.Term)
	if err != nil {
		return err
	}
	if err := a.lapse(); err != nil {
		return err
	}
	if r, err = a.write(r, l.Term); err != nil {
		return fmt.Errorf("under a lease that has run out and that nobody took: %w", err)
	}
	for _, key := range []string{"a", "b"} {
		if _, err := a.Own(k.ctx, "A", key); !errors.Is(err, journal.ErrLapsed) {
			return fmt.Errorf("a replica whose lease has run out asked for %q and got %v; want ErrLapsed", key, err)
		}
	}
	if taken, err := a.TakeOver(k.ctx, "A", 5); !errors.Is(err, journal.ErrLapsed) {
		return fmt.Errorf("a replica whose lease has run out took over %v with error %v; want ErrLapsed", taken, err)
	}
	if got, err := a.Renew(k.ctx, "A", longLease); err != nil || !got.Lapsed {
		return fmt.Errorf("a renewal after the lease has run out told %+v with error %v", got, err)
	}
	if again, err := a.Own(k.ctx, "A", "a"); err != nil || again != l {
		return fmt.Errorf("what nobody took meanwhile is %+v with error %v; it was %+v", again, err, l)
	}
	_, err = a.write(r, l.Term)
	return err
}

func checkTaken(k leaseKit) error {
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	la, err1 := a.own("a", 0)
	kept, err2 := a.own("kept", 0)
	r, err3 := a.write(staged("a", journal.Running), la.Term)
	if err := errors.Join(err1, err2, err3, b.refused(la), a.lapse()); err != nil {
		return err
	}
	lb, err := b.own("a", la.Term)
	if err != nil {
		return err
	}
	if err := errors.Join(a.fenced(r, la.Term, &r), b.owns("B", lb)); err != nil {
		return err
	}
	if got, err := a.Renew(k.ctx, "A", longLease); err != nil || !got.Lapsed {
		return fmt.Errorf("after a key was taken a renewal told %+v with error %v", got, err)
	}
	for _, revision := range []uint64{0, r.Revision, r.Revision + 1} {
		late := r
		late.Revision = revision
		if err := a.fenced(late, la.Term, &r); err != nil {
			return err
		}
	}
	if r, err = b.write(r, lb.Term); err != nil {
		return err
	}
	if _, err := a.write(staged("kept", journal.Parked), kept.Term); err != nil {
		return fmt.Errorf("what was not taken: %w", err)
	}
	return errors.Join(a.refused(lb), b.refused(kept), a.fenced(r, la.Term, &r))
}

// checkTakeOver looks at what is taken over of records of every kind.
func checkTakeOver(k leaseKit) error {
	all, err := k.replicas("dead", "living", "taker")
	if err != nil {
		return err
	}
	living, taker := all[1], all[2]
	want := map[string]uint64{} // the terms before
	total := 0
	for _, stage := range []journal.Stage{journal.Running, journal.Waiting, journal.Parked, journal.Ended} {
		for _, done := range []bool{false, true} {
			for _, owner := range []string{"", "dead", "living", "taker", "released"} {
				r := staged(fmt.Sprintf("%s-%v-%s", stage, done, owner), stage)
				r.Done = done
				var l journal.Lease
				total++
				by := map[string]replica{"dead": all[0], "living": all[1], "taker": all[2], "released": all[1]}[owner]
				if owner == "" {
					by = living
				} else if l, err = by.own(r.Key, 0); err != nil {
					return err
				}
				if r, err = by.write(r, l.Term); err != nil {
					return err
				}
				if owner == "released" {
					if err := living.Release(k.ctx, "living", r.Key); err != nil {
						return err
					}
				}
				if !done && (stage == journal.Running || stage == journal.Waiting) && owner != "living" && owner != "taker" {
					want[r.Key] = l.Term
				}
			}
		}
	}
	if _, err := all[0].own("no-record", 0); err != nil {
		return err
	}
	if err := all[0].lapse(); err != nil {
		return err
	}
	if none, err := taker.TakeOver(k.ctx, "taker", 0); err != nil || len(none) > 0 {
		return fmt.Errorf("taking over none took %v, with error %v", none, err)
	}
	for left := len(want); left > 0; {
		taken, err := taker.TakeOver(k.ctx, "taker", 4)
		if err != nil || len(taken) != min(4, left) {
			return fmt.Errorf("with %d to be taken over, 4 at most, the leases %v were, with error %v", left, taken, err)
		}
		for _, l := range taken {
			term, ok := want[l.Key]
			if !ok {
				return fmt.Errorf("its TakeOver took %q, which has an owner, is not running or waiting, or was taken before", l.Key)
			}
			if err := errors.Join(taker.fits(l, l.Key, term), living.refused(l)); err != nil {
				return err
			}
			delete(want, l.Key)
			left--
		}
	}
	if more, err := taker.TakeOver(k.ctx, "taker", total); err != nil || len(more) > 0 {
		return fmt.Errorf("when all was taken over, %v were, with error %v", more, err)
	}
	return nil
}

// checkTakeOverAtOnce has many take over what one left.
func checkTakeOverAtOnce(k leaseKit) error {
	const takers, keys = 6, 60
	dead, err := k.replica("dead")
	if err != nil {
		return err
	}
	terms := map[string]uint64{}
	for i := range keys {
		l, err := dead.own(fmt.Sprint("key-", i), 0)
		if err != nil {
			return err
		}
		if _, err := dead.write(staged(l.Key, []journal.Stage{journal.Running, journal.Waiting}[i%2]), l.Term); err != nil {
			return err
		}
		terms[l.Key] = l.Term
	}
	if err := dead.lapse(); err != nil {
		return err
	}
	var mu sync.Mutex
	owner := map[string]string{}
	err = together(takers, func(i int) error {
		r, err := k.replica(fmt.Sprint("taker-", i))
		if err != nil {
			return err
		}
		return eventually("what could be taken over never was", func() (bool, error) {
			taken, err := r.TakeOver(k.ctx, r.name, 3)
			mu.Lock()
			defer mu.Unlock()
			for _, l := range taken {
				if was, twice := owner[l.Key]; twice {
					return false, fmt.Errorf("%q and %q were both told that they took over %q", was, r.name, l.Key)
				}
				if err := r.fits(l, l.Key, terms[l.Key]); err != nil {
					return false, err
				}
				owner[l.Key] = r.name
			}
			return len(owner) == keys, err
		})
	})
	if err != nil {
		return err
	}
	for l, err := range dead.Owned(k.ctx, "") {
		if err != nil {
			return err
		}
		if _, ok := terms[l.Key]; ok && owner[l.Key] != l.Owner {
			return fmt.Errorf("%q was told that it took over %q, and %q owns it", owner[l.Key], l.Key, l.Owner)
		}
	}
	return nil
}

// checkOneKey has many ask for one key, first a new one and then a dead owner's.
func checkOneKey(k leaseKit) error {
	const replicas, keys = 6, 8
	dead, err := k.replica("dead")
	if err != nil {
		return err
	}
	var terms [2 * keys]uint64
	for i := range keys {
		l, err := dead.own(fmt.Sprint("key-", i), 0)
		if err != nil {
			return err
		}
		terms[i] = l.Term
	}
	if err := dead.lapse(); err != nil {
		return err
	}
	var mu sync.Mutex
	var winners, named [2 * keys]journal.Lease
	err = together(replicas, func(i int) error {
		r, err := k.replica(fmt.Sprint("replica-", i))
		if err != nil {
			return err
		}
		for i := range 2 * keys {
			l, err := r.Own(k.ctx, r.name, fmt.Sprint("key-", i))
			mu.Lock()
			switch {
			case err == nil && winners[i] != (journal.Lease{}):
				err = fmt.Errorf("%q and %q were both told that they own %q", winners[i].Owner, l.Owner, l.Key)
			case err == nil:
				winners[i], err = l, r.fits(l, fmt.Sprint("key-", i), terms[i])
			case errors.Is(err, journal.ErrOwned):
				named[i], err = l, nil
			}
			mu.Unlock()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range winners {
		if winners[i] == (journal.Lease{}) || named[i] != winners[i] {
			return fmt.Errorf("of %d that asked for one key, %+v won, and the others were told of %+v", replicas, winners[i], named[i])
		}
	}
	return nil
}
