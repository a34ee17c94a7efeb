package lifecycle

import (
	"encoding/json"
	"time"
)

// An Effect is something that the driver is to do. Those with a Name are
// exchanges: at most one is in flight, and its answer bears the same name. All
// others are answered by events that name what they are about, or by none.
type Effect interface{ effect() }

// The exchanges.
type (
	// Save writes the audit lines and then puts the record, if the journal's has
	// the revision. Answered by Saved, Conflict or SaveFailed. Done and the bar
	// of the Assignment in its scope follow from the record; a bar is put before
	// it and lifted after it.
	Save struct {
		Name     uint64
		Revision uint64
		Record   *Record
		Lines    []Line

		LinesOnly bool // the journal has the record, which is not put: answered by Saved with the same revision, or SaveFailed
	}
	// Load reads the record. Answered by Loaded.
	Load struct{ Name uint64 }
	// Own asks for the lease of the operation, and then reads its record; Fresh says
	// that this process knows of none. Answered by Owned.
	Own struct {
		Name  uint64
		Fresh bool
	}
	// StageFiles makes a sandbox and puts the files there. Answered by Staged.
	StageFiles struct{ Name uint64 }
	// StartJob posts the start. Answered by Sent.
	StartJob struct {
		Name    uint64
		Window  Window
		Order   *Order
		Sandbox string
	}
	// Locate looks for the Job with the mark. It reads every row of a list that
	// was created since, whether it is over or not. Answered by Located.
	Locate struct {
		Name    uint64
		Sandbox string
		Since   Time
	}
	// Claim puts a record that the Job, or the request of it, is this
	// operation's, unless there is one of an operation that has not ended.
	// Claiming again what is one's own succeeds. Answered by Claimed.
	Claim struct {
		Name         uint64
		Job, Request string
	}
	// CheckRules asks the rules of the policy, and nobody else, whether they deny
	// what was decided. Answered by Checked.
	CheckRules struct {
		Name     uint64
		Ticket   *Ticket
		Decision *Decision
	}
	// Respond posts the sealed response. Answered by Sent.
	Respond struct {
		Name         uint64
		Window       Window
		Job, Request string
		Body         json.RawMessage `json:",omitempty"`
		Key          string
	}
	// Post posts a message. Answered by Sent.
	Post struct {
		Name      uint64
		Window    Window
		Job, Text string
		Key       string
	}
	// StopJob asks for the Job to be stopped. Answered by Sent.
	StopJob struct {
		Name   uint64
		Window Window
		Job    string
	}
	// Collect reads a page of messages, at most Limit; zero: all. Find is a message that is looked for
	// among them; empty: none. Answered by Collected.
	Collect struct {
		Name  uint64
		Job   string
		After int // messages that are not asked for again
		Limit int
		Find  string
	}
)

// The effects that nobody waits for.
type (
	// Watch lets the Job be read, at the watcher's pace; each read is a Read
	// event.
	Watch struct{ Job string }
	// Disown gives the lease back.
	Disown struct{}
	// Unwatch ends that.
	Unwatch struct{}
	// ReadNow wishes for a read that begins at or after Since, ahead of others.
	// One that fails is repeated, at the watcher's pace.
	ReadNow struct{ Since time.Duration }
	// Wake wants a Tick at a time of the monotonic clock, in place of any wanted
	// before; zero: none.
	Wake struct{ At time.Duration }
	// AskPolicy asks the policy. Answered by Answered.
	AskPolicy struct {
		Turn      uint64
		FirstSeen Time
		Ticket    *Ticket
	}
	// EndAsk ends a question whose answer no longer matters.
	EndAsk struct {
		Request string
		Turn    uint64
		Cause   AskEnd
	}
	// Interim gives callers what is known, as pending. Callers lists them; nil:
	// all.
	Interim struct {
		Callers []int
		Request string // that was put off; empty: none
	}
	// Finish gives callers the result of the record. Callers lists them; nil: all.
	// Recorded says that the journal holds it.
	Finish struct {
		Callers  []int
		Recorded bool
	}
	// EndCalls gives callers how the Job stands, as pending or expired. The run is
	// over, the operation is not: whoever calls again goes on with it.
	EndCalls struct {
		Outcome Outcome
		Note    string
	}
	// Release gives callers an error. Callers lists them; nil: all, and the run
	// is over.
	Release struct {
		Callers []int
		Cause   Cause
		Text    string
	}
	// TellReply tells who decided from outside what came of it.
	TellReply struct {
		Reply string
		Fate  Fate
	}
	// Tell tells the observer and the log.
	Tell struct {
		Kind    Notice
		Request string
		Text    string
	}
)

// A Line is a record of the audit. What it tells of a request stands in the
// record beside it, but for a decision that does not count.
type Line struct {
	Kind    LineKind
	Request string
	Text    string
	About   *Request // the request as it was then; nil: it is about none
}

// Binding reports whether nothing goes on that the line tells of until it is
// written.
func (k LineKind) Binding() bool {
	return k == LineRequested || k == LineDecided || k == LineSent || k == LineReconciled
}

// A LineKind tells what a line is about.
type LineKind string

// The lines.
const (
	LineRequested  LineKind = "requested"
	LineUndecided  LineKind = "undecided"
	LineDecided    LineKind = "decided"
	LineSent       LineKind = "sent"
	LineFailed     LineKind = "failed"
	LineDelivered  LineKind = "delivered"
	LineElsewhere  LineKind = "elsewhere"
	LineOutcome    LineKind = "outcome"
	LineReconciled LineKind = "reconciled"
	LineNotSent    LineKind = "not sent"    // what was announced to the audit was not sent after all
	LineNotCounted LineKind = "not counted" // a decision that the audit was told of does not count, or perhaps not
)

// An AskEnd tells a policy why its answer no longer matters.
type AskEnd string

// Why a question ends.
const (
	AskElsewhere AskEnd = "answered elsewhere"
	AskChanged   AskEnd = "changed"
	AskLeft      AskEnd = "left"
	AskClosed    AskEnd = "closed"
)

// A Fate is what came of a decision from outside.
type Fate string

// The fates.
const (
	FateTaken      Fate = "taken"       // it reached Duvo, or there was nothing to send
	FateNotPending Fate = "not pending" // the request waits for no decision
	FateChanged    Fate = "changed"     // it reads differently now
	FateDecided    Fate = "decided"     // somebody else had decided; the record tells who
	FateRefused    Fate = "refused"     // Duvo did not take it
	FateClosed     Fate = "closed"      // Close was called
	FateInDoubt    Fate = "in doubt"    // it may have reached Duvo
	FateUnrecorded Fate = "unrecorded"  // it could not be recorded, and counts only if the journal holds it all the same; it may be decided again
	FateHeld       Fate = "held"        // it counts, and was not sent yet because the journal or the audit cannot be written
)

// A Notice is something to tell of.
type Notice string

// The notices.
const (
	NoticeStarted   Notice = "started"
	NoticeStatus    Notice = "status"
	NoticeRequested Notice = "requested"
	NoticeSuspended Notice = "suspended"
	NoticeDecided   Notice = "decided"
	NoticeDelivered Notice = "delivered"
	NoticeTrouble   Notice = "trouble" // something fails that may mend
	NoticeMended    Notice = "mended"
	NoticeTwoJobs   Notice = "two jobs" // another process knows another Job
)

func (Save) effect()       {}
func (Load) effect()       {}
func (StageFiles) effect() {}
func (StartJob) effect()   {}
func (Locate) effect()     {}
func (Claim) effect()      {}
func (CheckRules) effect() {}
func (Respond) effect()    {}
func (Post) effect()       {}
func (StopJob) effect()    {}
func (Collect) effect()    {}
func (Watch) effect()      {}
func (Unwatch) effect()    {}
func (ReadNow) effect()    {}
func (Wake) effect()       {}
func (AskPolicy) effect()  {}
func (EndAsk) effect()     {}
func (Interim) effect()    {}
func (Finish) effect()     {}
func (EndCalls) effect()   {}
func (Release) effect()    {}
func (Own) effect()        {}
func (Disown) effect()     {}
func (TellReply) effect()  {}
func (Tell) effect()       {}
