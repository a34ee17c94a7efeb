package lifecycle

import (
	"encoding/json"
	"strings"
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
	Lease    uint64 // the term of this process's lease of the operation; zero: it has none
	Counter  uint64 // of exchanges and questions

	Running   bool // it is worked on
	Admitted  bool // its turn has come to start
	Closed    bool // nothing more may be sent
	Draining  bool // nothing more may be started
	Detached  bool // it goes on without callers
	Informed  bool // callers have the result
	Dirty     bool // the record differs from the journal's in what matters
	Claimed   bool // the Job
	Watching  bool // the watcher reads the Job
	Refused   bool // the credential is refused
	Human     bool // the Job waited for a person at the last look
	Young     bool // nothing new can be expected of it: the first read may come at the watcher's pace
	StopFails int8 // stops that did not end the Job, in a row
	Callers   int

	Read *Read         // the last that was taken in
	Look time.Duration // when the Job's own time was last counted
	Asks []Ask         // by request
	Wake time.Duration // the next Tick that was asked for; zero: none

	*Passing // never nil; that of Options where there is nothing of it
}

// Passing is what a process knows of an operation for a while only: what is under way
// or in trouble. Where a Job quietly waits there is nothing of it, and all of those share
// the one in their Options; Step works on a copy.
type Passing struct {
	Over  []int  // callers whose wait budget is used up, and who were not told yet
	Lines []Line // for the audit, to be written before the record; only added to until a save succeeds or meets a conflict

	underway
}

// isNothing reports whether nothing is under way or in trouble.
func (p *Passing) isNothing() bool {
	return len(p.Over) == 0 && len(p.Lines) == 0 && p.underway == (underway{})
}

// underway is what of Passing can be compared.
type underway struct {
	End *End // why the run is to end without a result; nil: it is not

	Exchange  Exchange // in flight
	Again     bool     // the record is dirty by what came while it was put into the journal
	Fact      bool     // and in something that has happened
	LinesDue  bool     // lines are to be written though the record need not be
	SaveFails int8     // in a row
	Looked    bool     // whether another process has recorded what it came to, since that cannot be recorded here
	SaveAfter time.Duration
	Announced *Announced // in the record, and not sent yet; never changed; nil: nothing is

	NotBefore time.Duration // of the next step of a start or message
	Fails     int8          // of it, in a row
	Late      int8          // attempts at it in a row that could not begin in time
	NoRepeat  bool          // the server refuses it, so that it can only be found
	Since     Moment        // of the last attempt at a message: reads from before prove nothing
	Search    Search        // for a start or message in doubt
	Elsewhere time.Duration // until when another process may be at work on the start
	LoadAfter time.Duration // when to look again whether it was
	Claim     string        // the Job that is to be claimed before it is known; empty: none

	Reconciling *Record // as it was before a person has told what is true, which is not recorded yet; nil: nobody has

	OwnAfter time.Duration // when to ask for the lease again; zero: at once
	Behind   bool          // another process has put the record since

	BadReads int8          // that told the same of Missing and Odd, in a row; three are enough
	Wish     time.Duration // since when a read is wished for; zero: it is not
	Noted    *Read         // a newer one than Read, not taken in yet
	Missing  time.Duration // since when the Job is not found
	Odd      time.Duration // since when reads make no sense
	Stuck    time.Duration // since when it waits for what nobody here can give
	People   time.Duration // since when it waits for a person while it is drained; zero: it does not
	StopSent time.Duration

	Fetch *Fetch // messages that are being collected; never changed; nil: none were asked for
}

// An Ask is what a process knows of a request.
type Ask struct {
	ID        string
	Ticket    *Ticket // as it was shown last; nil: not by this process
	Turn      uint64  // of the question that is under way; zero: none is
	Suspended bool    // the policy has put the decision off
	Unheld    bool    // it was decided, and the journal does not hold that yet
	Checked   bool    // today's rules allow what was decided
	Claimed   bool    // no other operation has decided
	Late      int8    // attempts in a row that could not begin in time
	Fails     int8    // that provably did nothing, in a row
	Answer    *answer // that came, and is not taken in yet
	Since     Moment  // of the decision or the last attempt: reads from before prove nothing
	Decided   Moment  // of the decision, if it was made by this process
	NotBefore time.Duration
	Replies   []string // who decided from outside and waits to be told
}

// An answer is what came of a question.
type answer struct {
	Digest   string
	Decision *Decision // nil: there is none
	Error    string
	Reply    string   // it came from outside; who is to be told
	Beaten   []string // who came second, and is told that it was decided
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
	Owning     ExchangeKind = "own"
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
	Kind    ExchangeKind
	Request string
	Durable bool // the journal holds it
	To      Moment
}

// A Search looks for what a start or message in doubt has done.
type Search struct {
	Until   time.Duration // from here on no effect can land any more
	Done    bool          // it was looked for after that, and not found
	Failing time.Duration // since when looks fail; zero: the last did not
	Ended   bool          // before it, the Job was seen to have ended so that it takes no message
}

// An End is why a run ends without a result.
type End struct {
	Cause Cause
	Text  string
	Park  bool    // nobody takes it up by itself
	Mute  bool    // nothing more is recorded: the record is somebody else's, or cannot be used
	Calls Outcome // callers are told how the Job stands; empty: they get an error

	Nothing bool // it tells that nothing was started or said, as far as this process knows
	Looked  bool // and the journal was asked, where this process has recorded nothing
}

// A Fetch is how far messages have been collected.
type Fetch struct {
	Cursor  int
	Size    int // messages to ask for at once; zero: as the options say, or all
	Bytes   int
	Whole   bool // all are here that will be
	Parts   []Transcript
	Output  string
	Data    json.RawMessage `json:",omitempty"` // else nil would become null
	Problem string          // why the answer does not fit; empty: it fits, or need not
	Silent  bool            // the Job has not said anything since it was asked for a correction
	Odd     time.Duration   // since when they make no sense; zero: they do
	Missing time.Duration   // since when they are not found; zero: they are
	Misses  int8            // in a row; three are enough
	Lost    bool            // they are no longer there
	Correct string          // what to post about it
}

// Ask returns what is known of a request, in whatever case its ID is written.
func (l *Live) Ask(id string) (a Ask, ok bool) {
	if p := l.find(id); p != nil {
		return *p, true
	}
	return Ask{}, false
}

func (l *Live) find(id string) *Ask {
	for i := range l.Asks {
		if strings.EqualFold(l.Asks[i].ID, id) {
			return &l.Asks[i]
		}
	}
	return nil
}

// announces reports whether a send of this kind is announced; empty: of any kind.
func (l *Live) announces(kind ExchangeKind) bool {
	return l.Announced != nil && (kind == "" || l.Announced.Kind == kind)
}

// fetched returns how far messages have been collected.
func (l *Live) fetched() Fetch {
	if l.Fetch == nil {
		return Fetch{}
	}
	return *l.Fetch
}

// fetching returns a copy of how far messages have been collected, in its place and
// for changing it.
func (l *Live) fetching() *Fetch {
	f := l.fetched()
	l.Fetch = &f
	return &f
}

// ask returns what is known of a request, for changing it.
func (l *Live) ask(id string) *Ask {
	if p := l.find(id); p != nil {
		return p
	}
	l.Asks = append(l.Asks, Ask{ID: id})
	return &l.Asks[len(l.Asks)-1]
}
