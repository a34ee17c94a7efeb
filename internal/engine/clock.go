package engine

import (
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// How much the journal keeps of an operation that has ended.
const (
	maxKept   = 1 << 20 // bytes of a Result's messages
	maxRecord = 4 << 20 // bytes of the record: what journals must take, see journal.Record
)

// optionsOf returns what the lifecycle must know of a work. It is made once.
func (eng *Engine) optionsOf(w *Work) *lifecycle.Options {
	if o, ok := eng.options.Load(w); ok {
		return o.(*lifecycle.Options)
	}
	c, s := &eng.cfg, &w.Settings
	_, messages := eng.backend.(messenger)
	o := lifecycle.Usual()
	o.Window, o.Post, o.Settle, o.Recording = c.PostTimeout+2*o.Stale, c.PostTimeout, c.Settle, c.PostTimeout
	o.JobTimeout, o.KeysHonoured, o.Hinted = s.JobTimeout, c.TrustKeys, c.WebhookURL != nil
	o.Claims, o.Forgets, o.CanLocate = true, eng.ledger == nil && c.Audit == nil, s.Marked
	o.TellReason, o.Correct = s.TellReason && messages, s.Correct && messages
	o.StopOnLeave, o.StopOnTimeout, o.StopOnPolicyFailure = s.StopOn[outcome.Cancelled], s.StopOn[outcome.TimedOut], s.StopOn[outcome.PolicyFailed]
	o.StopOnDeniedQuestion, o.StopOnNobody = s.StopOn[outcome.QuestionDenied], s.StopOn[outcome.NobodyToAsk]
	if eng.replicas != nil {
		o.Leases, o.Follow = true, eng.replicas.lasts/3
	}
	got, _ := eng.options.LoadOrStore(w, &o)
	return got.(*lifecycle.Options)
}

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
