package duvotooltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
		begun, fenced := make(chan struct{}), make(chan error, 1)
		go func() {
			fenced <- func() error {
				for r, n := staged(l.Key, journal.Running), 0; ; n++ {
					put, err := a.write(r, l.Term)
					if n == 1 {
						close(begun)
					}
					switch {
					case errors.Is(err, journal.ErrFenced) && n > 1:
						return nil
					case err != nil && n <= 1:
						close(begun)
						fallthrough
					case err != nil:
						return fmt.Errorf("puts under a lease that has run out, while another takes it: %w", err)
					}
					r = put
				}
			}()
		}()
		<-begun
		_, err := b.own(l.Key, l.Term)
		var seen journal.Record
		if err == nil {
			seen, err = b.Get(k.ctx, l.Key)
		}
		if err != nil { // nothing stops the other otherwise
			return errors.Join(err, a.Release(k.ctx, "A"), <-fenced)
		}
		if err := <-fenced; err != nil {
			return err
		}
		if err := k.holds(b, seen); err != nil {
			return fmt.Errorf("after another replica has taken the key a put under the old lease was stored: %w", err)
		}
	}
	return nil
}

// checkRenewalsAndTaker has an owner renew a lease now and then too late, while another
// replica asks for its key. Once that succeeds, a renewal that ended since must tell
// that the lease had run out.
func checkRenewalsAndTaker(k leaseKit) error {
	const rounds = 5
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
		if _, err := a.own(key, 0); err != nil {
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
		err := eventually("a lease that was renewed too late never ran out", func() (bool, error) {
			asks.Add(1)
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
