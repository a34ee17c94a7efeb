package lifecycle

import "time"

// Options are what a process brings to its operations. They never change while
// the process lives. A limit of zero is no limit, where its comment does not say
// otherwise.
type Options struct {
	Stale       time.Duration // the age from which a read is no longer "just before"
	Window      time.Duration // how long an announced send may begin
	Post        time.Duration // the longest that a send takes
	Settle      time.Duration // how long after its send a late effect may land
	Recording   time.Duration // how long another process may take to record an answer
	Resend      time.Duration // in place of Post and Settle where KeysHonoured
	Pause       time.Duration // between an unclear start and the next step, and between looks at the journal
	StartMax    time.Duration // an unclear start or message is not sent again when its first attempt is older
	DecisionMax time.Duration // a decision is not sent when it is older
	Skew        time.Duration // how far the clocks of two processes may be apart

	StuckGrace    time.Duration // before a wait that nobody here can end is told
	AcceptedGrace time.Duration // the same, where a response of ours was taken
	MissingGrace  time.Duration // how long a Job must not be found before it is gone
	OddGrace      time.Duration // how long reads may make no sense before they are given up
	Lag           time.Duration // how long reads may take to show a message that was posted

	BackoffMin time.Duration // after a first failure; doubled with each further one
	BackoffMax time.Duration // the longest pause, whatever a server asks for
	Attempts   int           // of a start or message that provably did nothing, and of any send that cannot begin in time; zero: one; at most eight

	Follow time.Duration // how often who follows asks for the lease, where it is told nothing

	DrainAsked  time.Duration // how long a policy may take while the process closes, before it is taken for a person
	JobTimeout  time.Duration // of the Job's own time, without that of people
	MaxMessages int           // that are collected
	MaxBytes    int           // of text that is collected
	PageSize    int           // messages asked for at once; zero: all

	KeysHonoured bool // the server honours idempotency keys, and checks a response against its request
	CanLocate    bool // a start can be looked for by its mark
	Leases       bool // operations have owners; see own.go and follow.go
	Forgets      bool // there is no journal and no audit: what is to be recorded is so at once
	Claims       bool // Jobs and requests are claimed: several operations may meet at one
	TrustLists   bool // a row of a list may tell that a Job has ended
	TellReason   bool // reasons of denials are posted to the Job when it has ended
	Correct      bool // a typed answer that does not fit is asked for once more

	Hinted bool // webhooks may tell of the Job of a start in doubt

	StopOnLeave, StopOnTimeout, StopOnDeniedQuestion, StopOnNobody, StopOnPolicyFailure bool

	nothing Passing // shared by all operations of which nothing is passing; see Live
	without guard   // removed by tests alone
}

// How long things take, and how often they are tried, unless a caller has it otherwise.
const (
	Stale   = 5 * time.Second // see Options
	MaxSkew = 5 * time.Minute // Options.Skew
)

// Usual are the Options that nobody sets. What is missing depends on the program.
func Usual() Options {
	return Options{
		Stale: Stale, Skew: MaxSkew, StartMax: 15 * time.Minute, DecisionMax: 15 * time.Minute,
		Pause: 2 * time.Second, Resend: 2 * time.Second, Lag: 30 * time.Second,
		StuckGrace: time.Minute, AcceptedGrace: 15 * time.Minute, MissingGrace: 3 * time.Minute, OddGrace: 5 * time.Minute,
		BackoffMin: 500 * time.Millisecond, BackoffMax: time.Minute, Attempts: 6,
		DrainAsked: 10 * time.Second, // whoever takes longer is a person
	}
}

// A guard is a rule that a test can take away, to see that the exhaustive check
// misses it.
type guard uint64

const (
	guardDigest     guard = 1 << iota // a decision is bound to the text it was made about
	guardRead                         // a read just before each response and message
	guardOnce                         // what may have been sent is never decided again
	guardSettle                       // no response is repeated before a late effect has landed
	guardSearch                       // no start is repeated before a late effect must have been found
	guardSearchFail                   // no start is repeated where the search fails
	guardCancel                       // nothing is sent without callers
	guardVeto                         // rules are asked again about a decision of an earlier process
	guardResend                       // rules and age are asked again before a response is repeated
	guardDurable                      // nothing is sent before its announcement is recorded
	guardNotAfter                     // a send does not begin too late
	guardUntil                        // another process's announcement is waited out
	guardStartMax                     // an old start is not repeated
	guardWall                         // ages are taken by the wall clock too
	guardMissing                      // a Job is gone only when it was missing for long
	guardCredential                   // and under the credential that started it
	guardDenied                       // a refused credential proves nothing
	guardOdd                          // a page that makes no sense proves nothing
	guardClose                        // nothing is sent after Close
	guardDrain                        // nothing is started while it drains
	guardHolders                      // parked means that nobody holds it
	guardMerge                        // facts outlive a conflict
	guardFacts                        // a fact that could not be recorded is recorded later
	guardPending                      // what waits stays pending while the journal fails
	guardFloor                        // a row older than the last read proves nothing
	guardListed                       // a Job last seen waiting is always read
	guardClaim                        // Jobs and requests are claimed
	guardMessage                      // a message goes only to a Job that has ended
	guardHuman                        // people's time is not the Job's
	guardPeople                       // a drain waits for nobody
	guardOrphan                       // what a process was at when it closed is taken up
	guardDoubt                        // what a dead process had announced may have been sent
	guardRefusal                      // a refusal proves nothing about an earlier attempt
	guardAge                          // an old decision is not sent
	guardRecording                    // another process has time to record what came of its start
	guardRepost                       // no message is repeated before a late effect has landed
	guardAccepted                     // accepted work is not given up for what may mend
	guardFence                        // nothing is put under a lease that another has taken; of the journal
	guardOwner                        // only the owner works on the operation
	guardNothing                      // that nothing was begun is told where the journal agrees
	guardRetry                        // a server's wish to be left alone is bounded
)

// on reports whether a guard is in force.
func (o *Options) on(g guard) bool { return o.without&g == 0 }

// settle is how long after the last moment of an attempt its effect may still
// land.
func (o *Options) settle() time.Duration {
	if o.KeysHonoured {
		return o.Resend
	}
	return o.Post + o.Settle
}

// SettleAfter is settle once the attempt has ended in this way: what the server has
// answered is not on its way any more.
func (o *Options) SettleAfter(e Sent) time.Duration {
	if e.Local || o.KeysHonoured {
		return o.settle()
	}
	return o.Settle
}

// attempts is how often what provably did nothing is tried.
func (o *Options) attempts() int8 { return int8(min(max(o.Attempts, 1), 8)) }

// backoff is the pause after a number of failures, or what the server asks for,
// within bounds.
func (o *Options) backoff(failures int8, retryAfter time.Duration) time.Duration {
	d := o.BackoffMin << min(max(failures-1, 0), 6)
	if retryAfter > 0 {
		if !o.on(guardRetry) {
			return retryAfter
		}
		d = retryAfter
	}
	return min(d, o.BackoffMax)
}
