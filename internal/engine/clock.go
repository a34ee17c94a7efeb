package engine

import (
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
)

// clock reads both clocks.
func (eng *Engine) clock() lifecycle.Moment {
	mono := eng.now()
	return lifecycle.Moment{Wall: wallOf(time.Now()), Mono: eng.monoOf(mono)}
}

// now is the time, later than any that it returned before: what happened in an order
// is seen to have.
func (eng *Engine) now() time.Time {
	eng.last.Lock()
	defer eng.last.Unlock()
	now := time.Now()
	if !now.After(eng.last.at) {
		now = eng.last.at.Add(1)
	}
	eng.last.at = now
	return now
}

func (eng *Engine) monoOf(t time.Time) time.Duration { return t.Sub(eng.born) + time.Second }

// momentOf is what both clocks showed at a time that now returned, which may be a
// little ahead of the time of day.
func (eng *Engine) momentOf(t time.Time) lifecycle.Moment {
	return lifecycle.Moment{Wall: wallOf(t.Add(-time.Millisecond)), Mono: eng.monoOf(t)}
}

// timeAt is the opposite of momentOf, as far as the monotonic clock goes.
func (eng *Engine) timeAt(mono time.Duration) time.Time { return eng.born.Add(mono - time.Second) }

// credential returns a print of what the backend's requests are authorized with;
// empty where it does not tell.
func (eng *Engine) credential() string {
	b, ok := eng.backend.(interface{ Fingerprint() string })
	if !ok {
		return ""
	}
	print := b.Fingerprint()
	if last := eng.print.Load(); last != nil && *last == print {
		return *last // one text for all operations
	}
	eng.print.Store(&print)
	return print
}

// timeOf turns a time of a record into one of ours; zero stays zero.
func timeOf(t lifecycle.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t))
}

func wallOf(t time.Time) lifecycle.Time {
	if t.IsZero() {
		return 0
	}
	return lifecycle.Time(t.UnixNano())
}
