package lifecycle

import (
	"fmt"
	"time"
)

// A Time is a reading of the wall clock, in nanoseconds since 1970. Zero means
// that there is none. It is what a [Record] holds; as text it is RFC 3339.
type Time int64

// MarshalText writes the time as RFC 3339 with nanoseconds, in UTC.
func (t Time) MarshalText() ([]byte, error) {
	return []byte(time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano)), nil
}

// UnmarshalText reads what MarshalText wrote.
func (t *Time) UnmarshalText(text []byte) error {
	u, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return fmt.Errorf("lifecycle: a time: %w", err)
	}
	*t = Time(u.UnixNano())
	return nil
}

// A Moment is a reading of both clocks. Wall tells the time of day: it may jump,
// forwards and back, and other processes read it too. Mono is the time since the
// process began, at least one: it only grows, and stands still while the machine
// sleeps. Neither alone can tell how old something is.
type Moment struct {
	Wall Time
	Mono time.Duration
}

// Add returns the moment d later by both clocks.
func (m Moment) Add(d time.Duration) Moment {
	return Moment{m.Wall + Time(d), m.Mono + d}
}

// within reports whether what happened at m is at most d old: by both clocks,
// and the wall clock has not gone back since.
func (m Moment) within(d time.Duration, now Moment) bool {
	if now.Mono-m.Mono > d {
		return false
	}
	return now.Wall >= m.Wall && time.Duration(now.Wall-m.Wall) <= d
}

// A Window is the time in which a send may begin. Whoever carries the send out
// asks Open just before, and answers [Expired] where it is false.
type Window struct{ From, To Moment }

// Open reports whether a send may begin now: neither clock is past the end, and
// the wall clock has not gone back.
func (w Window) Open(now Moment) bool {
	return now.Mono <= w.To.Mono && now.Wall <= w.To.Wall && now.Wall >= w.From.Wall
}

// end returns the earlier of the window's end and another.
func (w Window) end(to Moment) Window {
	w.To.Wall = min(w.To.Wall, to.Wall)
	w.To.Mono = min(w.To.Mono, to.Mono)
	return w
}

// age returns how long ago a recorded time was, at most. A time ahead of the
// clock by no more than skew is of another clock, and just now; one further ahead
// comes from a clock that was wrong, and is of unknown age: ok is false.
func age(t Time, now Moment, skew time.Duration) (d time.Duration, ok bool) {
	d = time.Duration(now.Wall - t)
	if d < -skew {
		return 0, false
	}
	return max(d, 0), true
}

// left returns how long there is to wait until a recorded time, at most limit: a
// time further ahead comes from a clock that was wrong, or is ours that went back.
func left(t Time, now Moment, limit time.Duration) time.Duration {
	return min(max(time.Duration(t-now.Wall), 0), limit)
}

// sooner returns the earlier of two times of which zero means never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
