package watch

import (
	"math"
	"math/rand/v2"
	"time"
)

// An instant is a reading of the monotonic clock, in nanoseconds since a century
// before the watcher was made: zero means never, and is before all others. A
// process keeps several of them for each of thousands of Jobs.
type instant int64

const forever instant = math.MaxInt64

const century = 100 * 365 * 24 * time.Hour

func (i instant) IsZero() bool                { return i == 0 }
func (i instant) Before(j instant) bool       { return i < j }
func (i instant) After(j instant) bool        { return i > j }
func (i instant) Add(d time.Duration) instant { return i + instant(d) }
func (i instant) Sub(j instant) time.Duration { return time.Duration(i - j) }

// A clock tells instants.
type clock struct{ epoch time.Time }

func newClock() clock { return clock{time.Now().Add(-century)} }

func (c clock) now() instant                  { return c.instantOf(time.Now()) }
func (c clock) instantOf(t time.Time) instant { return instant(t.Sub(c.epoch)) }
func (c clock) since(i instant) time.Duration { return c.now().Sub(i) }

// A stamp is a time that Duvo has told, in microseconds since 1970; zero: none.
type stamp int64

func stampOf(t time.Time) stamp {
	if t.IsZero() {
		return 0
	}
	return stamp(t.UnixMicro())
}

func (s stamp) time() time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(s))
}

// jitter spreads a pause by a tenth either way.
func jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// sooner returns the earlier of two times of which either may be zero: never.
func sooner[T instant | stamp](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
