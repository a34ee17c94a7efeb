package duvotooltest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/journal"
)

func checkForget(k journalKit) error {
	j := k.open()
	old := time.Date(1969, 7, 20, 20, 17, 40, 5, time.UTC)
	want := map[string]journal.Record{}
	put := func(key string, when time.Time, done bool) error {
		r, err := k.put(j, journal.Record{Key: key, Revision: want[key].Revision, At: when, Done: done, Data: []byte(key)})
		want[key] = r
		return err
	}
	err := errors.Join(
		put("zero", time.Time{}, true),
		put("zero-open", time.Time{}, false),
		put("old", old, true),
		put("old-open", old, false),
		put("just-before", at.Add(-1), true),
		put("at", at, true),
		put("after", at.Add(1), true),
		put("renewed", old, true), // put anew later: no longer old
		put("renewed", at, true),
		put("reopened", old, true), // taken up again: no longer done
		put("reopened", old, false),
		put("finished", at.Add(time.Hour), false), // what counts is when it was put last
		put("finished", old, true),
		put("undone-and-done", old, true),
		put("undone-and-done", old, false),
		put("undone-and-done", at, true),
	)
	if err != nil {
		return err
	}
	if err := k.forgets(j, time.Time{}, 0); err != nil {
		return err
	}
	if err := k.forgets(j, at, 4); err != nil {
		return err
	}
	for _, key := range []string{"zero", "old", "just-before", "finished"} {
		if err := k.lacks(j, key); err != nil {
			return fmt.Errorf("after Forget: %w", err)
		}
		delete(want, key)
	}
	var open []journal.Record
	for _, r := range want {
		if err := k.holds(j, r); err != nil {
			return fmt.Errorf("after Forget: %w", err)
		}
		if !r.Done {
			open = append(open, r)
		}
	}
	if err := k.listed(j, open...); err != nil {
		return fmt.Errorf("after Forget: %w", err)
	}
	if err := k.forgets(j, at, 0); err != nil {
		return fmt.Errorf("once more: %w", err)
	}
	r, err := k.put(j, record("old", 0, true, "new"))
	if err != nil {
		return fmt.Errorf("a forgotten key: %w", err)
	}
	if err := k.holds(j, r); err != nil {
		return err
	}
	return k.forgets(j, at.Add(time.Hour), 5)
}

// checkForgetChanging forgets many while others are put.
func checkForgetChanging(k journalKit) error {
	const each = 150
	j := k.open()
	total := 0
	var mu sync.Mutex
	err := together(8, func(w int) error {
		for i := range each / 8 {
			r, err := k.put(j, record(fmt.Sprintf("key-%d-%d", w, i), 0, false, "x"))
			if err != nil {
				return err
			}
			r.Done = w%2 == 0
			if _, err = k.put(j, r); err != nil {
				return err
			}
			if i%5 == 0 {
				n, err := j.Forget(k.ctx, at.Add(1))
				if err != nil {
					return err
				}
				mu.Lock()
				total += n
				mu.Unlock()
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	n, err := j.Forget(k.ctx, at.Add(1))
	if err != nil {
		return err
	}
	if total += n; total != 4*(each/8) {
		return fmt.Errorf("its Forget says that it deleted %d, and %d were to be", total, 4*(each/8))
	}
	all, err := k.unfinished(j)
	if err == nil && len(all) != 4*(each/8) {
		err = fmt.Errorf("%d are unfinished after Forget, and %d were put", len(all), 4*(each/8))
	}
	return err
}
