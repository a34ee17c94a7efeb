package duvotooltest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// leaseChecks return what is wrong with a journal's leases, so that their own tests
// can see them find it.
var leaseChecks = []struct {
	name string
	run  func(leaseKit) error
}{
	{"take", checkTake},
	{"renew", checkRenew},
	{"fields", checkFields},
	{"fence", checkFence},
	{"release", checkRelease},
	{"release all", checkReleaseAll},
	{"terms rise", checkTermsRise},
	{"lapse", checkLapse},
	{"taken by another", checkTaken},
	{"take over", checkTakeOver},
	{"take over at once", checkTakeOverAtOnce},
	{"one key, many replicas", checkOneKey},
	{"puts while another takes", checkPutsAndTaker},
	{"renewals while another takes", checkRenewalsAndTaker},
	{"forget", checkForgetLeases},
	{"heads", checkHeads},
	{"tell", checkTell},
	{"listen ends", checkListenEnds},
	{"contexts", checkLeaseContexts},
	{"names", checkNames},
}

func checkTake(k leaseKit) error {
	if l, err := k.handle().Own(k.ctx, "nobody", "a"); !errors.Is(err, journal.ErrLapsed) {
		return fmt.Errorf("a replica that never renewed asked for a key and got %+v and error %v; want ErrLapsed", l, err)
	}
	if l, err := k.handle().TakeOver(k.ctx, "nobody", 1); !errors.Is(err, journal.ErrLapsed) {
		return fmt.Errorf("a replica that never renewed took over %v with error %v; want ErrLapsed", l, err)
	}
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	if err := a.owns(""); err != nil {
		return err
	}
	la, err := a.own("a", 0)
	if err != nil {
		return err
	}
	if again, err := a.Own(k.ctx, "A", "a"); err != nil || again != la {
		return fmt.Errorf("the owner asked for its key again and got %+v and error %v; it has %+v", again, err, la)
	}
	if _, err := k.put(b, record("b", 0, false, "there before")); err != nil {
		return err
	}
	lb, err := b.own("b", 0)
	if err != nil {
		return err
	}
	return errors.Join(b.refused(la), a.refused(lb), a.owns("A", la), a.owns("B", lb), b.owns("", la, lb), b.owns("C"), k.lacks(b, "a"))
}

func checkRenew(k leaseKit) error {
	h := k.handle()
	renew := func(owner string, lasts time.Duration, want journal.Renewal) error {
		if got, err := h.Renew(k.ctx, owner, lasts); err != nil || got != want {
			return fmt.Errorf("a renewal of %q told %+v with error %v; want %+v", owner, got, err, want)
		}
		return nil
	}
	if err := errors.Join(
		renew("A", longLease, journal.Renewal{Replicas: 1}),
		renew("A", longLease, journal.Renewal{Replicas: 1}),
		renew("B", longLease, journal.Renewal{Replicas: 2}),
		renew("A", longLease, journal.Renewal{Replicas: 2}),
	); err != nil {
		return err
	}
	if err := (replica{h, "B", k}).lapse(); err != nil {
		return err
	}
	return errors.Join(
		renew("A", longLease, journal.Renewal{Replicas: 1}),
		renew("B", longLease, journal.Renewal{Lapsed: true, Replicas: 2}),
		renew("B", longLease, journal.Renewal{Replicas: 2}),
	)
}

func checkFields(k leaseKit) error {
	a, err := k.replica("A")
	if err != nil {
		return err
	}
	var open []journal.Record
	for i, r := range []journal.Record{
		staged("running", journal.Running),
		staged("waiting", journal.Waiting),
		staged("parked", journal.Parked),
		staged("ended", journal.Ended),
		{Key: "soon", At: at, Since: time.Unix(0, 1)},
		{Key: "late", At: at, Since: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)},
		{Key: "done", At: at, Done: true, Stage: journal.Ended},
	} {
		l, err := a.own(r.Key, 0)
		if err != nil {
			return err
		}
		first, then := r, r
		first.Since, first.Stage = at, journal.Waiting
		if i%2 == 0 { // put over another
			if first, err = a.write(first, 0); err != nil {
				return err
			}
			then.Revision = first.Revision
		}
		if r, err = a.write(then, l.Term); err != nil {
			return err
		}
		got, err := a.Get(k.ctx, r.Key)
		if err != nil {
			return err
		}
		if err := sameStage(got, r); err != nil {
			return err
		}
		if !r.Done {
			open = append(open, r)
		}
	}
	all, err := k.unfinished(a)
	if err != nil {
		return err
	}
	for _, r := range open {
		if err := sameStage(all[r.Key], r); err != nil {
			return fmt.Errorf("its Unfinished: %w", err)
		}
	}
	return nil
}

func checkLeaseContexts(k leaseKit) error {
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	l, err := a.own("a", 0)
	if err != nil {
		return err
	}
	r, err := k.put(a, staged("free", journal.Running))
	if err != nil {
		return err
	}
	if err := b.lapse(); err != nil {
		return err
	}
	cause := errors.New("no longer needed")
	ctx, cancel := context.WithCancelCause(k.ctx)
	cancel(cause)
	told := func(call string, err error) error { return toldOf(cause, call, err) }
	_, renewed := a.Renew(ctx, "B", longLease)
	_, owned := a.Own(ctx, "A", "b")
	_, tookOver := a.TakeOver(ctx, "A", 5)
	under := r
	under.Key, under.Revision, under.Term = "a", 0, l.Term
	_, put := a.Put(ctx, under)
	var listed error
	for _, err := range a.Owned(ctx, "A") {
		listed = err
	}
	if err := errors.Join(told("Renew", renewed), told("Own", owned), told("TakeOver", tookOver), told("Put", put), told("Owned", listed),
		told("Release", a.Release(ctx, "A", "a")), told("Release", a.Release(ctx, "A")), told("Tell", a.Tell(ctx, "x"))); err != nil {
		return err
	}
	if err := errors.Join(a.owns("", l), k.holds(a, r), k.lacks(a, "a")); err != nil {
		return fmt.Errorf("after calls with an ended context: %w", err)
	}
	if _, err := b.Own(k.ctx, "B", "b"); !errors.Is(err, journal.ErrLapsed) {
		return fmt.Errorf("a renewal with an ended context counts: %v", err)
	}
	return nil
}

func checkNames(k leaseKit) error {
	a, err := k.replica("A")
	if err != nil {
		return err
	}
	wrong := func(what string, err error) error {
		if err == nil || errors.Is(err, journal.ErrOwned) || errors.Is(err, journal.ErrLapsed) {
			return fmt.Errorf("%s: error %v", what, err)
		}
		return nil
	}
	for _, name := range []string{"", "a b", "a.b", "ä", "a\x00", strings.Repeat("k", 65)} {
		_, renewed := a.Renew(k.ctx, name, longLease)
		_, owned := a.Own(k.ctx, name, "a")
		_, key := a.Own(k.ctx, "A", name)
		_, took := a.TakeOver(k.ctx, name, 1)
		if err := errors.Join(wrong(fmt.Sprintf("a renewal of %q", name), renewed), wrong(fmt.Sprintf("an owner named %q", name), owned), wrong(fmt.Sprintf("the key %q", name), key),
			wrong(fmt.Sprintf("%q takes over", name), took), wrong(fmt.Sprintf("%q releases", name), a.Release(k.ctx, name, "a"))); err != nil {
			return err
		}
	}
	for _, lasts := range []time.Duration{0, -time.Hour} {
		_, err := a.Renew(k.ctx, "A", lasts)
		if err := wrong(fmt.Sprintf("a lease of %v", lasts), err); err != nil {
			return err
		}
	}
	for _, text := range []string{"", strings.Repeat("x", journal.MaxTold+1), "a\x00", "\xff"} {
		if err := wrong(fmt.Sprintf("telling %.5q of %d bytes", text, len(text)), a.Tell(k.ctx, text)); err != nil {
			return err
		}
	}
	if got, err := a.Renew(k.ctx, "A", longLease); err != nil || got.Replicas != 1 || got.Lapsed {
		return fmt.Errorf("after calls with wrong names a renewal told %+v with error %v", got, err)
	}
	long := strings.Repeat("k", 64)
	b, err := k.replica(long)
	if err != nil {
		return err
	}
	l, err := b.own(long, 0)
	if err != nil {
		return err
	}
	return errors.Join(a.owns("", l), a.refused(l))
}

// checkHeads looks at what is not done, without its data.
func checkHeads(k leaseKit) error {
	h := k.handle()
	open, done := record("open", 0, false, "data"), record("done", 0, true, "data")
	open.Stage, open.Since = journal.Waiting, at
	for _, r := range []journal.Record{open, done} {
		if _, err := k.put(h, r); err != nil {
			return err
		}
	}
	var got []journal.Record
	for r, err := range h.Heads(k.ctx) {
		if err != nil {
			return err
		}
		got = append(got, r)
	}
	if len(got) != 1 {
		return fmt.Errorf("one record is not done, and the heads are %+v", got)
	}
	if r := got[0]; r.Key != "open" || r.Revision != 1 || r.Done || r.Stage != journal.Waiting || !r.Since.Equal(at) || !r.At.Equal(open.At) || len(r.Data) != 0 {
		return fmt.Errorf("the head of %+v is %+v", open, r)
	}
	return nil
}
