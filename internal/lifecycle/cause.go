package lifecycle

// A Cause tells why callers get no result.
type Cause string

// The causes.
const (
	CauseLeft       Cause = "left"        // the last caller has left
	CauseClosed     Cause = "closed"      // Close was called
	CauseFailed     Cause = "failed"      // a start or message did nothing, again and again, or the code that sends is broken
	CauseRefused    Cause = "refused"     // Duvo does not take it
	CauseJournal    Cause = "journal"     // the journal or audit cannot be written, so nothing was started
	CausePolicy     Cause = "policy"      // the policy failed, so nothing was sent
	CauseResponse   Cause = "response"    // Duvo refused a response
	CauseKeyReused  Cause = "key reused"  // the key stands for something else
	CauseTaken      Cause = "taken"       // another operation has the Job
	CauseBusy       Cause = "busy"        // the Job has not ended, so nothing was said to it
	CauseGivenUp    Cause = "given up"    // reads have made no sense for long
	CauseFenced     Cause = "fenced"      // another process owns it now
	CauseCalls      Cause = "calls"       // only the calls end: see EndCalls
	CauseForeign    Cause = "foreign"     // what was told is of another Job or Assignment
	CauseNobodys    Cause = "nobody's"    // nothing tells which Assignment the Job runs, so nothing is decided about it
	CauseTooLate    Cause = "too late"    // something takes too long before every send
	CauseNotStarted Cause = "not started" // a person has found that nothing was started
	CauseFiles      Cause = "files"       // files could not be staged
)
