package duvotooltest

import (
	"errors"
	"fmt"
	"math"

	"github.com/duvotool/duvotool/journal"
)

func checkFence(k leaseKit) error {
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	if err := a.fenced(staged("a", journal.Running), 1, nil); err != nil {
		return fmt.Errorf("a key that nobody owns: %w", err)
	}
	l, err := a.own("a", 0)
	if err != nil {
		return err
	}
	for _, term := range []uint64{l.Term + 1, l.Term + 1<<32, math.MaxUint64} {
		if err := a.fenced(staged("a", journal.Running), term, nil); err != nil {
			return err
		}
	}
	r, err := a.write(staged("a", journal.Running), l.Term)
	if err != nil {
		return err
	}
	if r, err = b.write(r, l.Term); err != nil { // the term counts, not who puts
		return err
	}
	if r, err = b.write(r, 0); err != nil {
		return fmt.Errorf("without a term: %w", err)
	}
	for _, revision := range []uint64{0, r.Revision - 1, r.Revision, r.Revision + 1, math.MaxUint64} {
		late := r
		late.Revision = revision
		if err := a.fenced(late, l.Term+1, &r); err != nil {
			return err
		}
		if revision == r.Revision {
			continue
		}
		late.Term = l.Term
		if err := k.conflicts(a, late, &r); err != nil {
			return err
		}
	}
	r.Done = true
	_, err = a.write(r, l.Term)
	return err
}

func checkRelease(k leaseKit) error {
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	la, err1 := a.own("a", 0)
	lb, err2 := a.own("b", 0)
	lc, err3 := b.own("c", 0)
	ra, err4 := a.write(staged("a", journal.Running), la.Term)
	rb, err5 := a.write(staged("b", journal.Running), lb.Term)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	if err := a.Release(k.ctx, "A", "a", "c", "unknown"); err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	if err := errors.Join(a.fenced(ra, la.Term, &ra), a.owns("", lb, lc), a.refused(lc)); err != nil {
		return fmt.Errorf("after a release: %w", err)
	}
	if _, err := a.write(rb, lb.Term); err != nil {
		return fmt.Errorf("what was not released: %w", err)
	}
	now, err := b.own("a", la.Term)
	if err != nil {
		return err
	}
	if err := a.Release(k.ctx, "A", "a"); err != nil {
		return fmt.Errorf("releasing what another one owns: %w", err)
	}
	return errors.Join(a.refused(now), b.owns("B", lc, now), a.fenced(ra, la.Term, &ra))
}

func checkReleaseAll(k leaseKit) error {
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	la, err1 := a.own("a", 0)
	_, err2 := a.own("b", 0)
	lc, err3 := b.own("c", 0)
	ra, err4 := a.write(staged("a", journal.Waiting), la.Term)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	if err := a.Release(k.ctx, "A"); err != nil {
		return fmt.Errorf("releasing all: %w", err)
	}
	if err := errors.Join(a.owns("", lc), a.fenced(ra, la.Term, &ra)); err != nil {
		return fmt.Errorf("after all was released: %w", err)
	}
	if _, err := a.Own(k.ctx, "A", "d"); !errors.Is(err, journal.ErrLapsed) {
		return fmt.Errorf("after all was released the replica has a lease still: taking a key returned %v", err)
	}
	if got, err := b.Renew(k.ctx, "B", longLease); err != nil || got.Replicas != 1 || got.Lapsed {
		return fmt.Errorf("beside one that released all a renewal told %+v with error %v", got, err)
	}
	taken, err := b.TakeOver(k.ctx, "B", 10)
	if err != nil || len(taken) != 1 {
		return fmt.Errorf("of two that were released, one with a record, %v were taken over, with error %v", taken, err)
	}
	if err := b.fits(taken[0], "a", la.Term); err != nil {
		return err
	}
	if _, err := a.Renew(k.ctx, "A", longLease); err != nil {
		return fmt.Errorf("renewing after all was released: %w", err)
	}
	return errors.Join(a.refused(taken[0]), a.owns("A"))
}

// checkTermsRise has a key change hands in every way.
func checkTermsRise(k leaseKit) error {
	names := []string{"A", "B", "C", "D", "E", "F"}
	all, err := k.replicas(names...)
	if err != nil {
		return err
	}
	l, err := all[0].own("a", 0)
	if err != nil {
		return err
	}
	r, err := all[0].write(staged("a", journal.Running), l.Term)
	if err != nil {
		return err
	}
	for i := 1; i < len(names); i++ {
		was, now, before := all[i-1], all[i], l
		if i%2 == 1 {
			err = was.Release(k.ctx, was.name, "a")
		} else {
			err = was.lapse()
		}
		if err != nil {
			return err
		}
		if i%3 == 0 {
			taken, err := now.TakeOver(k.ctx, now.name, 1)
			if err != nil || len(taken) != 1 {
				return fmt.Errorf("%q took over %v with error %v; want one", now.name, taken, err)
			}
			l = taken[0]
			if err := now.fits(l, "a", before.Term); err != nil {
				return err
			}
		} else if l, err = now.own("a", before.Term); err != nil {
			return err
		}
		if err := was.fenced(r, before.Term, &r); err != nil {
			return err
		}
		if r, err = now.write(r, l.Term); err != nil {
			return err
		}
	}
	return nil
}

// checkForgetLeases: a record that is forgotten leaves its lease, and a term that
// was once given is given to nobody else.
func checkForgetLeases(k leaseKit) error {
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	l, err := a.own("a", 0)
	if err != nil {
		return err
	}
	done := staged("a", journal.Ended)
	done.Done = true
	if _, err := a.write(done, l.Term); err != nil {
		return err
	}
	if err := k.forgets(a, at.Add(1), 1); err != nil {
		return err
	}
	if err := errors.Join(k.lacks(a, "a"), b.refused(l), a.owns("", l), k.listed(a)); err != nil {
		return fmt.Errorf("after the record was forgotten: %w", err)
	}
	if _, err := a.write(done, l.Term); err != nil {
		return fmt.Errorf("after the record was forgotten: %w", err)
	}
	if err := a.Release(k.ctx, "A", "a"); err != nil {
		return err
	}
	if err := k.forgets(a, at.Add(1), 1); err != nil {
		return err
	}
	if err := a.fenced(done, l.Term, nil); err != nil {
		return err
	}
	now, err := b.own("a", l.Term)
	if err != nil {
		return err
	}
	return errors.Join(a.fenced(done, l.Term, nil), a.refused(now))
}
