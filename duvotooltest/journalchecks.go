package duvotooltest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/duvotool/duvotool/journal"
)

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
	told := func(call string, err error) error { return toldOf(cause, call, err) }
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
	return checkContextOfAList(k, j)
}

// toldOf tells what is wrong with the error of a call whose context has ended.
func toldOf(cause error, call string, err error) error {
	if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s with an ended context returned %v", call, err)
	}
	return nil
}

// checkContextOfAList ends the context while a list of 51 is read.
func checkContextOfAList(k journalKit, j journal.Journal) error {
	for i := range 50 {
		if _, err := k.put(j, record(fmt.Sprint("more-", i), 0, false, "x")); err != nil {
			return err
		}
	}
	cause := errors.New("no longer needed")
	ctx, cancel := context.WithCancelCause(k.ctx)
	defer cancel(nil)
	n := 0
	var err error
	for _, err = range j.Unfinished(ctx) {
		n++
		cancel(cause)
	}
	if n == 51 && err == nil {
		return errors.New("its Unfinished listed on, and without an error, after its context had ended")
	}
	return toldOf(cause, "Unfinished", err)
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
