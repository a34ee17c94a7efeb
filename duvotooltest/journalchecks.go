package duvotooltest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// A journalKit is what a check of a journal has at hand.
type journalKit struct {
	ctx    context.Context
	open   func() journal.Journal
	reopen func(journal.Journal) journal.Journal // nil: not durable
}

// journalChecks return what is wrong with a journal, so that their own tests can
// see them find it.
var journalChecks = []struct {
	name    string
	reopens bool
	run     func(journalKit) error
}{
	{"empty", false, checkEmpty},
	{"what was put is got", false, checkRoundTrip},
	{"large data", false, checkLarge},
	{"compare and set", false, checkCompareAndSet},
	{"writers at once", false, checkWriters},
	{"creators at once", false, checkCreators},
	{"unfinished", false, checkUnfinished},
	{"unfinished during changes", false, checkUnfinishedChanging},
	{"forget", false, checkForget},
	{"forget during changes", false, checkForgetChanging},
	{"contexts", false, checkContexts},
	{"slices", false, checkSlices},
	{"keys", false, checkKeys},
	{"open again", true, checkReopen},
}

// at is when most records here are put.
var at = time.Date(2024, 2, 29, 12, 30, 15, 123456789, time.UTC)

func record(key string, revision uint64, done bool, data string) journal.Record {
	return journal.Record{Key: key, Revision: revision, Done: done, At: at, Data: []byte(data)}
}

// put puts a record and returns it with its new revision.
func (k journalKit) put(j journal.Journal, r journal.Record) (journal.Record, error) {
	revision, err := j.Put(k.ctx, r)
	if err != nil {
		return r, fmt.Errorf("putting %q with revision %d: %w", r.Key, r.Revision, err)
	}
	if revision != r.Revision+1 {
		return r, fmt.Errorf("putting %q with revision %d returned revision %d, which is not the next one", r.Key, r.Revision, revision)
	}
	r.Revision = revision
	return r, nil
}

// holds tells whether the journal has exactly this record.
func (k journalKit) holds(j journal.Journal, want journal.Record) error {
	got, err := j.Get(k.ctx, want.Key)
	if err != nil {
		return fmt.Errorf("getting %q: %w", want.Key, err)
	}
	return same(got, want)
}

func same(got, want journal.Record) error {
	switch {
	case got.Key != want.Key:
		return fmt.Errorf("got the record %q for %q", got.Key, want.Key)
	case got.Revision != want.Revision:
		return fmt.Errorf("%q has revision %d, and was put as %d", want.Key, got.Revision, want.Revision)
	case got.Done != want.Done:
		return fmt.Errorf("%q has Done %v, and was put with %v", want.Key, got.Done, want.Done)
	case !got.At.Equal(want.At):
		return fmt.Errorf("%q is of %v, and was put with %v", want.Key, got.At, want.At)
	case !bytes.Equal(got.Data, want.Data):
		return fmt.Errorf("%q has %d bytes that differ from the %d that were put", want.Key, len(got.Data), len(want.Data))
	}
	return nil
}

func (k journalKit) lacks(j journal.Journal, key string) error {
	if r, err := j.Get(k.ctx, key); !errors.Is(err, journal.ErrNoRecord) {
		return fmt.Errorf("getting %q, which is not there, returned revision %d and error %v; want ErrNoRecord", key, r.Revision, err)
	}
	return nil
}

// conflicts tells whether a put is refused and changes nothing of what there is.
func (k journalKit) conflicts(j journal.Journal, r journal.Record, there *journal.Record) error {
	if revision, err := j.Put(k.ctx, r); !errors.Is(err, journal.ErrConflict) {
		return fmt.Errorf("putting %q with revision %d returned revision %d and error %v; want ErrConflict", r.Key, r.Revision, revision, err)
	}
	if there == nil {
		return k.lacks(j, r.Key)
	}
	return k.holds(j, *there)
}

// unfinished lists the unfinished records by key.
func (k journalKit) unfinished(j journal.Journal) (map[string]journal.Record, error) {
	all := map[string]journal.Record{}
	for r, err := range j.Unfinished(k.ctx) {
		if err != nil {
			return nil, fmt.Errorf("listing the unfinished: %w", err)
		}
		if _, twice := all[r.Key]; twice {
			return nil, fmt.Errorf("its Unfinished lists %q twice", r.Key)
		}
		all[r.Key] = r
	}
	return all, nil
}

// listed tells whether exactly these are unfinished.
func (k journalKit) listed(j journal.Journal, want ...journal.Record) error {
	all, err := k.unfinished(j)
	if err != nil {
		return err
	}
	for _, w := range want {
		got, ok := all[w.Key]
		if !ok {
			return fmt.Errorf("its Unfinished does not list %q", w.Key)
		}
		if err := same(got, w); err != nil {
			return fmt.Errorf("its Unfinished: %w", err)
		}
		delete(all, w.Key)
	}
	for key := range all {
		return fmt.Errorf("its Unfinished lists %q, which is done or not there", key)
	}
	return nil
}

func (k journalKit) forgets(j journal.Journal, before time.Time, want int) error {
	n, err := j.Forget(k.ctx, before)
	if err != nil {
		return fmt.Errorf("forgetting: %w", err)
	}
	if n != want {
		return fmt.Errorf("its Forget returned %d, and there were %d to forget", n, want)
	}
	return nil
}

func checkEmpty(k journalKit) error {
	j := k.open()
	if err := k.lacks(j, "a"); err != nil {
		return err
	}
	if err := k.listed(j); err != nil {
		return err
	}
	return k.forgets(j, at, 0)
}

func checkRoundTrip(k journalKit) error {
	j := k.open()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	var want []journal.Record
	for i, r := range []journal.Record{
		{At: at, Data: all},
		{At: at, Done: true, Data: []byte("{}")},
		{},
		{Data: []byte{}},
		{At: time.Unix(0, 1), Data: []byte{0}},
		{At: time.Date(1900, 1, 1, 0, 0, 0, 999999999, time.UTC)},
		{At: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.FixedZone("", -3600)), Done: true},
	} {
		r.Key = fmt.Sprintf("key-%d", i)
		r, err := k.put(j, r)
		if err != nil {
			return err
		}
		want = append(want, r)
	}
	var open []journal.Record
	for _, r := range want {
		if err := k.holds(j, r); err != nil {
			return err
		}
		if !r.Done {
			open = append(open, r)
		}
	}
	return k.listed(j, open...)
}

func checkLarge(k journalKit) error {
	j := k.open()
	data := make([]byte, 4<<20)
	for i, rnd := 0, rand.New(rand.NewPCG(1, 2)); i < len(data); i += 8 {
		binary.LittleEndian.PutUint64(data[i:], rnd.Uint64())
	}
	r, err := k.put(j, journal.Record{Key: "large", At: at, Data: data})
	if err != nil {
		return err
	}
	small, err := k.put(j, record("small", 0, false, "x"))
	if err != nil {
		return err
	}
	if err := k.listed(j, r, small); err != nil {
		return err
	}
	r.Data = data[1:]
	if r, err = k.put(j, r); err != nil {
		return err
	}
	return errors.Join(k.holds(j, r), k.holds(j, small))
}

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
	if r, err = j.Get(k.ctx, open[1].Key); err != nil {
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

func checkContexts(k journalKit) error {
	j := k.open()
	r, err := k.put(j, record("a", 0, false, "1"))
	if err != nil {
		return err
	}
	old, err := k.put(j, record("old", 0, true, "1"))
	if err != nil {
		return err
	}
	cause := errors.New("no longer needed")
	ctx, cancel := context.WithCancelCause(k.ctx)
	cancel(cause)
	told := func(call string, err error) error {
		if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s with an ended context returned %v", call, err)
		}
		return nil
	}
	_, err = j.Put(ctx, record("a", r.Revision, true, "2"))
	if err := told("Put", err); err != nil {
		return err
	}
	_, err = j.Put(ctx, record("b", 0, true, "2"))
	if err := told("Put", err); err != nil {
		return err
	}
	_, err = j.Get(ctx, "a")
	if err := told("Get", err); err != nil {
		return err
	}
	_, err = j.Forget(ctx, at.Add(time.Hour))
	if err := told("Forget", err); err != nil {
		return err
	}
	n := 0
	for _, err := range j.Unfinished(ctx) {
		if n++; n > 1 {
			return errors.New("its Unfinished went on after an error")
		}
		if err := told("Unfinished", err); err != nil {
			return err
		}
	}
	if n == 0 {
		return errors.New("its Unfinished with an ended context listed nothing, without an error")
	}
	if err := errors.Join(k.holds(j, r), k.holds(j, old), k.lacks(j, "b")); err != nil {
		return fmt.Errorf("after calls with an ended context: %w", err)
	}

	// One that ends during the list.
	for i := range 50 {
		if _, err := k.put(j, record(fmt.Sprint("more-", i), 0, false, "x")); err != nil {
			return err
		}
	}
	ctx, cancel = context.WithCancelCause(k.ctx)
	defer cancel(nil)
	n = 0
	err = nil
	for _, err = range j.Unfinished(ctx) {
		n++
		cancel(cause)
	}
	if n == 51 && err == nil {
		return errors.New("its Unfinished listed on, and without an error, after its context had ended")
	}
	return told("Unfinished", err)
}

func checkSlices(k journalKit) error {
	j := k.open()
	data := append(make([]byte, 0, 64), "before"...)
	given := journal.Record{Key: "a", At: at, Data: data}
	r, err := k.put(j, given)
	if err != nil {
		return err
	}
	if string(data) != "before" || string(data[:cap(data)][len(data):]) != strings.Repeat("\x00", 64-len(data)) {
		return errors.New("its Put changed the slice that it was given")
	}
	r.Data = []byte("before")
	copy(data, "AFTER!")
	if err := k.holds(j, r); err != nil {
		return fmt.Errorf("after the slice given to Put was changed: %w", err)
	}
	spoil := func(b []byte) {
		for i := range b[:cap(b)] {
			b[:cap(b)][i] = '!'
		}
	}
	got, err := j.Get(k.ctx, "a")
	if err != nil {
		return err
	}
	again, err := j.Get(k.ctx, "a")
	if err != nil {
		return err
	}
	spoil(got.Data)
	if err := errors.Join(same(again, r), k.holds(j, r)); err != nil {
		return fmt.Errorf("after the slice that Get returned was changed: %w", err)
	}
	second, err := k.put(j, record("b", 0, false, "second"))
	if err != nil {
		return err
	}
	var list []journal.Record
	for r, err := range j.Unfinished(k.ctx) {
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	if len(list) != 2 {
		return fmt.Errorf("its Unfinished lists %d of 2", len(list))
	}
	kept := map[string]journal.Record{"a": r, "b": second}
	spoil(list[0].Data)
	if err := errors.Join(same(list[1], kept[list[1].Key]), k.holds(j, r), k.holds(j, second)); err != nil {
		return fmt.Errorf("after a slice that Unfinished returned was changed: %w", err)
	}
	return nil
}

func checkKeys(k journalKit) error {
	j := k.open()
	for _, key := range []string{"", strings.Repeat("k", 65), "a b", "a/b", "a.b", "a\x00", "ä", "a\n", "\xff", "a:b"} {
		revision, err := j.Put(k.ctx, record(key, 0, false, "x"))
		if err == nil || errors.Is(err, journal.ErrConflict) {
			return fmt.Errorf("putting the key %q returned revision %d and error %v", key, revision, err)
		}
		if _, err := j.Get(k.ctx, key); err == nil {
			return fmt.Errorf("the key %q is refused, but stored", key)
		}
	}
	if err := k.listed(j); err != nil {
		return err
	}
	var all []journal.Record
	for _, key := range []string{"a", "A", "aa", "a-", "a_", "-", "_", "0", "00", strings.Repeat("k", 64), strings.Repeat("k", 63)} {
		r, err := k.put(j, record(key, 0, false, "data of "+key))
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	for _, r := range all {
		if err := k.holds(j, r); err != nil {
			return err
		}
	}
	return k.listed(j, all...)
}

func checkReopen(k journalKit) error {
	j := k.open()
	if j = k.reopen(j); j == nil {
		return errors.New("it cannot be opened again")
	}
	if err := checkKitEmpty(k, j); err != nil {
		return fmt.Errorf("opened again while empty: %w", err)
	}
	want := map[string]journal.Record{}
	for round := range 3 {
		for i := range 20 {
			key := fmt.Sprint("key-", i*(1+round%2))
			r := want[key]
			r.Key, r.At, r.Done = key, at.Add(time.Duration(round)), (i+round)%3 == 0
			r.Data = bytes.Repeat([]byte{byte(i)}, 1+i*i*17)
			r, err := k.put(j, r)
			if err != nil {
				return err
			}
			want[key] = r
		}
		j = k.reopen(j)
		var open []journal.Record
		for _, r := range want {
			if err := k.holds(j, r); err != nil {
				return fmt.Errorf("opened again: %w", err)
			}
			if r.Revision > 1 {
				late := r
				late.Revision = r.Revision - 1
				if err := k.conflicts(j, late, &r); err != nil {
					return fmt.Errorf("opened again: %w", err)
				}
			}
			if !r.Done {
				open = append(open, r)
			}
		}
		if err := k.listed(j, open...); err != nil {
			return fmt.Errorf("opened again: %w", err)
		}
		n := 0
		for key, r := range want {
			if r.Done {
				n++
				delete(want, key)
			}
		}
		if err := k.forgets(j, at.Add(time.Hour), n); err != nil {
			return fmt.Errorf("opened again: %w", err)
		}
	}
	last, err := k.put(j, record("last", 0, false, "the last one"))
	if err != nil {
		return err
	}
	if err := k.holds(k.reopen(j), last); err != nil {
		return fmt.Errorf("opened again: %w", err)
	}
	return nil
}

func checkKitEmpty(k journalKit, j journal.Journal) error {
	return errors.Join(k.lacks(j, "a"), k.listed(j), k.forgets(j, at, 0))
}
