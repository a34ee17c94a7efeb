package watch

import (
	"math/rand/v2"
	"time"
)

// jitter spreads a pause by a tenth either way.
func jitter(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5+1) }

// sooner returns the earlier of two times of which either may be zero: never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
