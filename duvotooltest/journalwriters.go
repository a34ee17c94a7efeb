package duvotooltest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/duvotool/duvotool/journal"
)

func checkCompareAndSet(k journalKit) error {
	j := k.open()
	for _, revision := range []uint64{1, 2, 1 << 40, 1<<64 - 1} {
		if err := k.conflicts(j, record("a", revision, false, "from nothing"), nil); err != nil {
			return err
		}
	}
	other, err := k.put(j, record("b", 0, false, "other"))
	if err != nil {
		return err
	}
	r, err := k.put(j, record("a", 0, false, "0"))
	if err != nil {
		return err
	}
	for i := range 5 {
		old := r
		if r, err = k.put(j, record("a", r.Revision, i%2 == 0, fmt.Sprint(i+1))); err != nil {
			return err
		}
		for _, revision := range []uint64{0, old.Revision, r.Revision + 1, r.Revision + 1<<32, 1<<64 - 1} {
			if err := k.conflicts(j, record("a", revision, i%2 == 1, "late"), &r); err != nil {
				return err
			}
		}
	}
	return k.holds(j, other)
}

// checkWriters has goroutines add one to a number, each often, and looks whether
// any addition was lost or any revision given twice.
func checkWriters(k journalKit) error {
	const writers, each = 8, 12
	j := k.open()
	if _, err := k.put(j, record("n", 0, false, "\x00")); err != nil {
		return err
	}
	var mu sync.Mutex
	seen := map[uint64]bool{}
	err := together(writers, func(int) error {
		for last, n := uint64(0), 0; n < each; {
			r, err := j.Get(k.ctx, "n")
			if err != nil {
				return err
			}
			if r.Revision < last {
				return fmt.Errorf("revision %d was got after %d had been put", r.Revision, last)
			}
			if len(r.Data) != 1 {
				return fmt.Errorf("data of %d bytes, and 1 was put", len(r.Data))
			}
			r.Data[0]++
			switch put, err := k.put(j, r); {
			case errors.Is(err, journal.ErrConflict):
			case err != nil:
				return err
			default:
				n++
				last = put.Revision
				mu.Lock()
				twice := seen[last]
				seen[last] = true
				mu.Unlock()
				if twice {
					return fmt.Errorf("two writers were given revision %d", last)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r, err := j.Get(k.ctx, "n")
	if err != nil {
		return err
	}
	if len(r.Data) != 1 || r.Data[0] != writers*each {
		return fmt.Errorf("%d writers added %d each, and the sum is %v: some overwrote others", writers, each, r.Data)
	}
	return nil
}

// checkCreators has goroutines put the same new keys.
func checkCreators(k journalKit) error {
	const creators, keys = 8, 10
	j := k.open()
	var winners [keys][]journal.Record
	var mu sync.Mutex
	err := together(creators, func(who int) error {
		for i := range keys {
			switch r, err := k.put(j, record(fmt.Sprint("key", i), 0, false, fmt.Sprint("creator ", who))); {
			case errors.Is(err, journal.ErrConflict):
			case err != nil:
				return err
			default:
				mu.Lock()
				winners[i] = append(winners[i], r)
				mu.Unlock()
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, w := range winners {
		if len(w) != 1 {
			return fmt.Errorf("of %d that put %q for the first time, %d were told that they had", creators, fmt.Sprint("key", i), len(w))
		}
		if err := k.holds(j, w[0]); err != nil {
			return err
		}
	}
	return nil
}

// together runs f in goroutines and returns what went wrong.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
