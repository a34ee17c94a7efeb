package lifecycle

import (
	"encoding/json"
	"time"
)

// An Event is something that has happened. The answers of exchanges bear the
// name of the effect that they answer, and are ignored where nobody waits for
// them; everything else may come at any time.
type Event interface{ event() }

// Called is a caller who wants the outcome.
type Called struct {
	Caller int    // to be told apart from others of this process
	Order  *Order // what it wants; the first one counts, and another that is not the same is refused
	Reword bool   // it counts in place of the first, where nothing was sent for that
	Queued bool   // its turn to start has not come: Admitted will tell
}

// Named is that somebody has been told the key, and may come back with it.
type Named struct{}

// Admitted is the turn to start.
type Admitted struct{}

// Left is a caller whose context ended.
type Left struct{ Caller int }

// BudgetOver is a caller whose wait budget is used up.
type BudgetOver struct{ Caller int }

// Resumed takes the operation up without callers. Alone says that no other
// process can be alive that shares the journal.
type Resumed struct {
	Alone     bool
	Unhurried bool // it is one of many: the first read may come at the watcher's pace
	Queued    bool // its turn to start has not come
}

// Closed is that nothing more may be sent. Draining says that only nothing more may
// be started: a Job that was started has time to end, but for that of people.
type Closed struct{ Draining bool }

// Renewed is another credential. Print tells credentials apart.
type Renewed struct{ Print string }

// Tick is that the time of the last [Wake] has come.
type Tick struct{}

// A Read is what a read of the Job has shown, or that it failed.
type Read struct {
	Began   Moment // when it was sent
	Failed  Class  // empty: it did not
	Status  string
	End     Outcome // where the status is terminal; empty: it is not
	Human   bool    // the Job waits for a person
	Pending *Ticket // the request that it waits for; nil: none that the API shows
	Ours    bool    // it is told that the Job runs the Assignment
	Build   string
	Updated Time // when the Job last changed, by Duvo's clock; zero: not told
}

// Seen is that somebody has seen the Job that was gone, or that reads make sense
// again after they were given up.
type Seen struct{}

// PutElsewhere is that another process has put the record, or has left the operation. Record
// is what the journal holds, where that was read; nil: it was not.
type PutElsewhere struct {
	Record   *Record
	Revision uint64
}

// Lapsed is that the lease is no longer this process's, or may not be.
type Lapsed struct{}

// Answered is what the policy has decided. Error stands for an error, a panic, or
// a decision that does not fit.
type Answered struct {
	Request, Digest string
	Turn            uint64
	Decision        *Decision
	Error           string
}

// Decide is a decision from outside about a request that was put off. Its fate is
// told by a [TellReply] with the same Reply.
type Decide struct {
	Request, Digest string
	Build           string // that it was shown with
	Decision        *Decision
	Reply           string
}

// StopAsked is that somebody wants the Job stopped.
type StopAsked struct{ By string }

// Reconciled is what a person has found about an operation whose outcome is
// unknown: its Job, or, where that is empty, that there is none.
type Reconciled struct {
	Job, By       string
	Created       Time
	Build, Status string
}

// The answers of exchanges.
type (
	// Saved is a record that the journal holds now.
	Saved struct {
		Name     uint64
		Revision uint64
	}
	// Conflict is a record that somebody else has put meanwhile; nil: it is no
	// longer there.
	Conflict struct {
		Name     uint64
		Record   *Record
		Revision uint64
	}
	// SaveFailed is that the audit or the journal could not be written. The record
	// may be there all the same. Fenced says that another process owns the
	// operation now.
	SaveFailed struct {
		Name   uint64
		Fenced bool
		Lost   bool // what the journal holds cannot be used, and that does not mend by itself
	}
	// Loaded is the record as the journal holds it; a failure leaves Record nil.
	Loaded struct {
		Name     uint64
		Record   *Record
		Revision uint64
	}
	// Owned is the term of the lease that this process has; zero: another has it, or
	// Failed. Record is what the journal holds; nil: nothing.
	Owned struct {
		Name     uint64
		Failed   bool
		Term     uint64
		Record   *Record
		Revision uint64
	}
	// Staged is a sandbox with the files.
	Staged struct {
		Name    uint64
		Failed  Proof
		Sandbox string
	}
	// Sent is what came of a start, a response, a message or a stop.
	Sent struct {
		Name       uint64
		Reply      Proof
		Local      bool          // the failure did not come from the server: it may still be on its way
		RetryAfter time.Duration // that the server asks for; zero: none
		Job        string        // of a start that succeeded
		Created    Time
		Build      string
		Status     string
		Ours       bool   // it is told that the Job runs the Assignment
		Broken     bool   // of a response in doubt: the code that sends it has panicked, and would do so again
		Text       string // of a failure, safe to show
	}
	// Located is the Job with the mark; empty: there is none.
	Located struct {
		Name          uint64
		Failed        bool
		Odd           bool // and another search is of no use
		Job           string
		Created       Time
		Build, Status string
	}
	// Claimed is that the Job or request is this operation's; TakenBy names the
	// operation whose it is instead.
	Claimed struct {
		Name    uint64
		Failed  bool
		TakenBy string
	}
	// Checked is whether today's rules allow what was decided. Where that cannot be
	// told now, or nothing is allowed for a while, Untold or Held says so.
	Checked struct {
		Name                   uint64
		Allowed, Unclear, Held bool
	}
	// Collected is a page of messages.
	Collected struct {
		Name    uint64
		Failed  Class
		Count   int
		Bytes   int
		More    bool            // there are further ones
		Part    Transcript      `json:",omitzero"` // zero: none that are kept
		Output  string          // the last words of the Job on this page; empty: none
		Found   bool            // the message that was asked about is among them
		Data    json.RawMessage `json:",omitempty"` // of the last page: the typed answer
		Problem string          // of the last page: why the answer does not fit, or why the message may not be posted
		Added   string          // of the last page before a follow-up: what messages come to with it
		Note    string          // what else is to be told
		Silent  bool            // of the last page: the Job has not said anything since it was asked for a correction
		Correct string          // of the last page: what to post about it
	}
)

// A Proof is what the answer to a send proves.
type Proof string

// The replies. The empty one is success.
const (
	OK        Proof = ""
	Doubt     Proof = "doubt"   // it may have taken effect
	Nothing   Proof = "nothing" // it provably did nothing, and may be tried again
	Wait      Proof = "wait"    // as Nothing, and the server wants to be left alone; it is no failed attempt
	NoAccess  Proof = "denied"  // as Nothing: the credential was refused
	Refusal   Proof = "refusal" // the server does not take it
	TooLate   Proof = "late"    // it was not sent, because its window was over
	NotThere  Proof = "missing" // what it is about is not found
	Elsewhere Proof = "foreign" // the server told of a Job that is another operation's, or of another Assignment
	CannotAct Proof = "cannot"  // nothing here can send it
)

func (Called) event()       {}
func (Named) event()        {}
func (Admitted) event()     {}
func (Left) event()         {}
func (BudgetOver) event()   {}
func (Resumed) event()      {}
func (Closed) event()       {}
func (Renewed) event()      {}
func (Tick) event()         {}
func (Read) event()         {}
func (Progress) event()     {}
func (Listed) event()       {}
func (Seen) event()         {}
func (PutElsewhere) event() {}
func (Lapsed) event()       {}
func (Owned) event()        {}
func (Answered) event()     {}
func (Decide) event()       {}
func (StopAsked) event()    {}
func (Reconciled) event()   {}
func (Saved) event()        {}
func (Conflict) event()     {}
func (SaveFailed) event()   {}
func (Loaded) event()       {}
func (Staged) event()       {}
func (Sent) event()         {}
func (Located) event()      {}
func (Claimed) event()      {}
func (Checked) event()      {}
func (Collected) event()    {}
