package engine

import (
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// How the engine paces itself.
const (
	staleRead       = 5 * time.Second  // the age from which a read no longer counts as "just before"
	startDoubtPause = 2 * time.Second  // between an unclear start and the next attempt
	trustedPause    = 2 * time.Second  // before what is in doubt is sent again, where keys are trusted
	drainAsked      = 10 * time.Second // that a policy may take while the registry closes; whoever takes longer is a person
	startDoubtMax   = 15 * time.Minute // after which an unclear start or message is not sent again
	decisionMaxAge  = 15 * time.Minute // of a decision that was not sent; then the policy is asked again
	sendAttempts    = 6                // of a start or message that provably did nothing
	stuckGrace      = time.Minute      // before a wait that nobody here can end is reported
	acceptedGrace   = 15 * time.Minute // the same, where our response was accepted
	missingGrace    = 3 * time.Minute  // how long a Job must not be found before it is gone
	oddGrace        = 5 * time.Minute  // before reads that make no sense end a run
	messageLag      = 30 * time.Second // how long reads may take to show a message that was posted
	maxSkew         = 5 * time.Minute  // how far the clocks of those who share a journal may be apart
	backoffMin      = 500 * time.Millisecond
	backoffMax      = time.Minute
	maxKept         = 1 << 20 // bytes of a Result's messages that the journal keeps
	maxRecord       = 4 << 20 // bytes of the record of an operation that has ended: what journals must take, see journal.Record
)

// optionsOf returns what the lifecycle must know of a work. It is made once.
func (eng *Engine) optionsOf(w *Work) *lifecycle.Options {
	if o, ok := eng.options.Load(w); ok {
		return o.(*lifecycle.Options)
	}
	c, s := &eng.cfg, &w.Settings
	_, messages := eng.backend.(messenger)
	o := &lifecycle.Options{
		Stale: staleRead, Window: c.PostTimeout + 2*staleRead, Post: c.PostTimeout, Settle: c.Settle, Recording: c.PostTimeout,
		KeysHonoured: c.TrustKeys, Resend: trustedPause,
		Pause: startDoubtPause, StartMax: startDoubtMax, DecisionMax: decisionMaxAge, Skew: maxSkew,
		StuckGrace: stuckGrace, AcceptedGrace: acceptedGrace, MissingGrace: missingGrace, OddGrace: oddGrace, Lag: messageLag,
		BackoffMin: backoffMin, BackoffMax: backoffMax, Attempts: sendAttempts,
		DrainAsked: drainAsked, JobTimeout: s.JobTimeout,
		CanLocate: s.Marked, Hinted: c.WebhookURL != nil, Forgets: eng.ledger == nil && c.Audit == nil, Claims: true, TellReason: s.TellReason && messages, Correct: s.Correct && messages,
		StopOnLeave: s.StopOn[outcome.Cancelled], StopOnTimeout: s.StopOn[outcome.TimedOut], StopOnPolicyFailure: s.StopOn[outcome.PolicyFailed],
		StopOnDeniedQuestion: s.StopOn[outcome.QuestionDenied], StopOnNobody: s.StopOn[outcome.NobodyToAsk],
	}
	if eng.replicas != nil {
		o.Leases, o.Follow = true, eng.replicas.lasts/3
	}
	got, _ := eng.options.LoadOrStore(w, o)
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
