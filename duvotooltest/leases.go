package duvotooltest

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// TestLeases checks what every journal with leases must keep to; see [journal.Leases].
// open returns an empty journal each time: a function that returns, at each call,
// another replica's handle to its records, or the same again where replicas can share
// one. It arranges with t.Cleanup that all are closed. Run it with the race detector,
// and [TestJournal] besides.
//
//   - A key has one owner, whoever else tries, at once or later, until it is released
//     or the owner's lease has run out.
//   - Terms rise with every owner of a key, also after release and Forget.
//   - Put under a term that has passed is fenced, whatever the revision, from the moment
//     another replica took the key; not before.
//   - A lease that has run out and was not taken is kept by the next renewal, which says
//     that it had run out. Where a key was taken from an owner, its next renewal says so.
//   - Of many replicas that take over at once each takes what no other does, and only
//     what is running or waiting and has no living owner.
//   - What one tells, all hear, in whole, one text at a time, until their context ends.
//   - Stage, time since when it waits and term come back as they were put.
//   - A call whose context has ended changes nothing and says so; names are checked.
//
// It lives in real time, and waits for leases that run out, but depends on none that
// lasts shorter than an hour.
func TestLeases(t *testing.T, open func(t *testing.T) func() journal.Leases, opts ...LeaseOption) {
	t.Helper()
	c := leaseConfig{shortest: 10 * time.Millisecond}
	for _, o := range opts {
		o(&c)
	}
	for _, check := range leaseChecks {
		t.Run(check.name, func(t *testing.T) {
			k := leaseKit{journalKit: journalKit{ctx: t.Context()}, handle: open(t), shortest: c.shortest}
			if err := check.run(k); err != nil {
				t.Error(err)
			}
		})
	}
}

// A LeaseOption tells [TestLeases] about a journal.
type LeaseOption func(*leaseConfig)

type leaseConfig struct{ shortest time.Duration }

// ShortestLease says how short a lease can be that the suite lets run out; without it
// 10 ms.
func ShortestLease(d time.Duration) LeaseOption {
	return func(c *leaseConfig) { c.shortest = d }
}
