package duvotooltest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/duvotool/duvotool/journal"
)

func checkUnfinished(k journalKit) error {
	j := k.open()
	var open []journal.Record
	for i := range 30 {
		r, err := k.put(j, record(fmt.Sprintf("key-%02d", i), 0, i%3 == 0, fmt.Sprint(i)))
		if err != nil {
			return err
		}
		if !r.Done {
			open = append(open, r)
		}
	}
	if err := k.listed(j, open...); err != nil {
		return err
	}
	r := open[0]
	r.Done = true
	r, err := k.put(j, r)
	if err != nil {
		return err
	}
	if err := k.listed(j, open[1:]...); err != nil {
		return fmt.Errorf("after one was done: %w", err)
	}
	r.Done, r.Data = false, []byte("again")
	if open[0], err = k.put(j, r); err != nil {
		return err
	}
	if err := k.listed(j, open...); err != nil {
		return fmt.Errorf("after one was taken up again: %w", err)
	}
	return k.listedAgain(j, open)
}

// listedAgain ranges over one listing several times, while the loop changes what
// it lists.
func (k journalKit) listedAgain(j journal.Journal, open []journal.Record) error {
	seq := j.Unfinished(k.ctx)
	for range 2 { // ranging again lists again, also after a loop that was left
		for range seq {
			break
		}
		n := 0
		for r, err := range seq {
			if err != nil {
				return err
			}
			n++
			r.Data = append(r.Data, " seen"...)
			if _, err := k.put(j, r); err != nil { // a loop may put
				return err
			}
			if _, err := j.Get(k.ctx, r.Key); err != nil {
				return err
			}
		}
		if n != len(open) {
			return fmt.Errorf("ranging again listed %d of %d", n, len(open))
		}
	}
	for _, r := range open {
		got, err := j.Get(k.ctx, r.Key)
		if err != nil {
			return err
		}
		if want := string(r.Data) + " seen seen"; string(got.Data) != want {
			return fmt.Errorf("a loop that puts %q left %q", want, got.Data)
		}
	}
	r, err := j.Get(k.ctx, open[1].Key)
	if err != nil {
		return err
	}
	r.Done = true
	if _, err := k.put(j, r); err != nil {
		return err
	}
	n := 0
	for _, err := range seq {
		if err != nil {
			return err
		}
		n++
	}
	if n != len(open)-1 {
		return fmt.Errorf("ranging again listed %d, and by then %d were unfinished", n, len(open)-1)
	}
	return nil
}

// checkUnfinishedChanging lists while all around is changed.
func checkUnfinishedChanging(k journalKit) error {
	const steady, others, lists = 600, 40, 8
	j := k.open()
	name := func(i int) string { return fmt.Sprintf("steady-%03d", i) }
	err := together(50, func(w int) error {
		for i := w; i < steady; i += 50 {
			if _, err := k.put(j, record(name(i), 0, false, name(i))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(k.ctx)
	changes := make(chan error, 1)
	go func() {
		changes <- together(4, func(w int) error {
			rnd := rand.New(rand.NewPCG(uint64(w), 7))
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprintf("%c-%d", "az"[n%2], 10*w+rnd.IntN(others/4)) // sorts before or behind
				if n%3 == 0 {
					key = name(4*rnd.IntN(steady/4) + w)
				}
				r, err := j.Get(k.ctx, key)
				if err != nil && !errors.Is(err, journal.ErrNoRecord) {
					return err
				}
				r.Key, r.At = key, at
				r.Done = n%3 != 0 && rnd.IntN(2) == 0
				r.Data = []byte(fmt.Sprint(key, strings.Repeat("+", rnd.IntN(2000))))
				if _, err := k.put(j, r); err != nil { // nobody else puts this key
					return err
				}
			}
			return nil
		})
	}()
	err = func() error {
		for range lists {
			all, err := k.unfinished(j)
			if err != nil {
				return err
			}
			for i := range steady {
				if _, ok := all[name(i)]; !ok {
					return fmt.Errorf("its Unfinished left out %q, which was there all the time", name(i))
				}
			}
			for key, r := range all {
				if r.Done {
					return fmt.Errorf("its Unfinished lists %q as done", key)
				}
				if strings.TrimRight(string(r.Data), "+") != key {
					return fmt.Errorf("its Unfinished lists %q with data that were never put", key)
				}
			}
		}
		return nil
	}()
	stop()
	return errors.Join(err, <-changes)
}
