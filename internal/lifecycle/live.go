package lifecycle

import (
	"encoding/json"
	"time"
)

// Live is what a process knows of an operation beyond its record. It dies with
// the process; [Recover] makes it anew. Its times are of the monotonic clock, of
// which zero means never, where they are not of both.
type Live struct {
	Options  *Options
	Replica  string // this process, unlike any other
	Revision uint64 // of the record in the journal; zero: it is not there
	Print    string // of the credential that is in use

	Running  bool // it is worked on
	Admitted bool // its turn has come to start
	Closed   bool // nothing more may be sent
	Detached bool // it goes on without callers
	Callers  int
	Over     []int // callers whose wait budget is used up, and who were not told yet
	Informed bool  // callers have the result

	End *End // why the run is to end without a result; nil: it is not

	Counter   uint64   // of exchanges and questions
	Exchange  Exchange // in flight
	Dirty     bool     // the record differs from the journal's in what matters
	Fact      bool     // and in something that has happened
	SaveAfter time.Duration
	SaveFails int
	Lines     []Line    // for the audit, to be written before the record
	Announced Announced // in the record, and not sent yet

	NotBefore time.Duration // of the next step of a start or message
	Fails     int           // of it, in a row
	Since     Moment        // of the last attempt at a message: reads from before prove nothing
	Search    Search        // for a start or message in doubt
	Elsewhere time.Duration // until when another process may be at work on the start
	LoadAfter time.Duration // when to look again whether it was
	NoRepeat  bool          // the server refuses it, so that it can only be found
	Claim     string        // the Job that is to be claimed before it is known; empty: none
	Claimed   bool          // the Job

	Watching bool          // the watcher reads the Job
	Wish     time.Duration // since when a read is wished for; zero: it is not
	Read     *Read         // the last that was taken in
	Noted    *Read         // a newer one, not taken in yet
	Missing  time.Duration // since when the Job is not found
	Odd      time.Duration // since when reads make no sense
	BadReads int           // that told the same of the two, in a row; three are enough
	Refused  bool          // the credential is refused

	Look  time.Duration // when the Job's own time was last counted
	Human bool          // the Job waited for a person then
	Stuck time.Duration // since when it waits for what nobody here can give

	Asks      []Ask // by request
	StopFails int
	StopSent  time.Duration

	Fetch Fetch         // messages that are being collected
	Wake  time.Duration // the next Tick that was asked for; zero: none
}

// An Ask is what a process knows of a request.
type Ask struct {
	ID        string
	Turn      uint64  // of the question that is under way; zero: none is
	Suspended bool    // the policy has put the decision off
	Answer    *answer // that came, and is not taken in yet
	Checked   bool    // today's rules allow what was decided
	Claimed   bool    // no other operation has decided
	Refused   bool    // the server refused the response; a read must tell why
	Since     Moment  // of the decision or the last attempt: reads from before prove nothing
	Decided   Moment  // of the decision, if it was made by this process
	NotBefore time.Duration
	Fails     int
	Replies   []string // who decided from outside and waits to be told
}

// An answer is what came of a question.
type answer struct {
	Digest   string
	Decision *Decision // nil: there is none
	Error    string
	Reply    string // it came from outside; who is to be told
}

// An Exchange names what was asked of the driver and is not answered.
type Exchange struct {
	Name    uint64 // zero: nothing is in flight
	Kind    ExchangeKind
	Request string // where it is about one
}

// An ExchangeKind tells what an exchange does.
type ExchangeKind string

// The exchanges.
const (
	Saving     ExchangeKind = "save"
	Loading    ExchangeKind = "load"
	Staging    ExchangeKind = "stage"
	StartingX  ExchangeKind = "start"
	Locating   ExchangeKind = "locate"
	Claiming   ExchangeKind = "claim"
	Checking   ExchangeKind = "check"
	Responding ExchangeKind = "respond"
	PostingX   ExchangeKind = "post"
	StoppingX  ExchangeKind = "stop"
	Fetching   ExchangeKind = "collect"
)

// Announced is a send that the record tells of.
type Announced struct {
	Kind    ExchangeKind // empty: none
	Request string
	Durable bool // the journal holds it
	To      Moment
}

// A Search looks for what a start or message in doubt has done.
type Search struct {
	Until   time.Duration // from here on no effect can land any more
	Done    bool          // it was looked for after that, and not found
	Failing time.Duration // since when looks fail; zero: the last did not
}

// An End is why a run ends without a result.
type End struct {
	Cause Cause
	Text  string
	Park  bool // nobody takes it up by itself
}

// A Cause tells why callers get no result.
type Cause string

// The causes.
const (
	CauseLeft       Cause = "left"        // the last caller has left
	CauseClosed     Cause = "closed"      // Close was called
	CauseFailed     Cause = "failed"      // a start or message did nothing, again and again
	CauseRefused    Cause = "refused"     // Duvo does not take it
	CauseJournal    Cause = "journal"     // the journal or audit cannot be written, so nothing was started
	CausePolicy     Cause = "policy"      // the policy failed, so nothing was sent
	CauseResponse   Cause = "response"    // Duvo refused a response
	CauseKeyReused  Cause = "key reused"  // the key stands for something else
	CauseTaken      Cause = "taken"       // another operation has the Job
	CauseBusy       Cause = "busy"        // the Job has not ended, so nothing was said to it
	CauseGivenUp    Cause = "given up"    // reads have made no sense for long
	CauseFenced     Cause = "fenced"      // another process owns it now
	CauseNotStarted Cause = "not started" // a person has found that nothing was started
	CauseFiles      Cause = "files"       // files could not be staged
)

// A Fetch is how far messages have been collected.
type Fetch struct {
	Cursor  int
	Size    int // messages to ask for at once; zero: as the options say
	Bytes   int
	Whole   bool // all are here that will be
	Parts   []json.RawMessage
	Output  string
	Data    json.RawMessage
	Problem string // why the answer does not fit; empty: it fits, or need not
	Correct string // what to post about it
}

// ask returns what is known of a request, for changing it.
func (l *Live) ask(id string) *Ask {
	for i := range l.Asks {
		if l.Asks[i].ID == id {
			return &l.Asks[i]
		}
	}
	l.Asks = append(l.Asks, Ask{ID: id})
	return &l.Asks[len(l.Asks)-1]
}
