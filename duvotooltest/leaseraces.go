package duvotooltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// checkPutsAndTaker has an owner whose lease has run out put one record after another
// while another replica takes the key. What the taker reads then must stay.
func checkPutsAndTaker(k leaseKit) error {
	const rounds = 20
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	var leases [rounds]journal.Lease
	for i := range rounds {
		if leases[i], err = a.own(fmt.Sprint("key-", i), 0); err != nil {
			return err
		}
	}
	if err := a.lapse(); err != nil {
		return err
	}
	for _, l := range leases {
		begun, taken, fenced := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		go func() { fenced <- a.writeUntil(l, begun, taken) }()
		<-begun
		_, err := b.own(l.Key, l.Term)
		var seen journal.Record
		if err == nil {
			seen, err = b.Get(k.ctx, l.Key)
		}
		close(taken)
		if err := errors.Join(err, <-fenced); err != nil {
			return err
		}
		if err := k.holds(b, seen); err != nil {
			return fmt.Errorf("after another replica has taken the key a put under the old lease was stored: %w", err)
		}
	}
	return nil
}

// writeUntil puts one record after another until it is fenced, which it must be once the
// key was taken.
func (r replica) writeUntil(l journal.Lease, begun, taken chan struct{}) error {
	begin := sync.OnceFunc(func() { close(begun) })
	defer begin()
	for was := staged(l.Key, journal.Running); ; {
		last := false
		select {
		case <-taken:
			last = true
		default:
		}
		put, err := r.write(was, l.Term)
		switch {
		case errors.Is(err, journal.ErrFenced):
			return nil
		case err != nil:
			return fmt.Errorf("puts under a lease that has run out, while another takes it: %w", err)
		case last:
			return fmt.Errorf("%q was taken by another replica, and a put under term %d was not fenced", l.Key, l.Term)
		}
		was = put
		begin()
	}
}

// checkRenewalsAndTaker has an owner renew a lease now and then too late, while another
// replica asks for its key. Once that succeeds, a renewal that ended since must tell
// that the lease had run out.
func checkRenewalsAndTaker(k leaseKit) error {
	const rounds = 8
	both, err := k.replicas("A", "B")
	if err != nil {
		return err
	}
	a, b := both[0], both[1]
	for round := range rounds {
		key := fmt.Sprint("key-", round)
		if _, err := a.Renew(k.ctx, "A", longLease); err != nil {
			return err
		}
		l, err := a.own(key, 0)
		if err != nil {
			return err
		}
		if _, err := a.write(staged(key, journal.Running), l.Term); err != nil {
			return err
		}
		var asks, lapsedAt atomic.Int64 // the last ask that had begun when a renewal told so
		taken, renewed := make(chan struct{}), make(chan error, 1)
		go func() {
			for last := false; ; {
				got, err := a.Renew(k.ctx, "A", k.shortest)
				if got.Lapsed {
					lapsedAt.Store(asks.Load())
				}
				if err != nil || last {
					renewed <- err
					return
				}
				select {
				case <-taken:
					last = true
				case <-time.After(rand.N(2 * k.shortest)):
				}
			}
		}()
		err = eventually("a lease that was renewed too late never ran out", func() (bool, error) {
			asks.Add(1)
			if round%2 == 1 {
				taken, err := b.TakeOver(k.ctx, "B", 1)
				return len(taken) > 0, err
			}
			_, err := b.Own(k.ctx, "B", key)
			if errors.Is(err, journal.ErrOwned) {
				return false, nil
			}
			return true, err
		})
		close(taken)
		if err := errors.Join(err, <-renewed); err != nil {
			return err
		}
		if lapsedAt.Load() < asks.Load() {
			return errors.New("a key was taken from its owner, and no renewal after that told that its lease had run out")
		}
	}
	return nil
}
