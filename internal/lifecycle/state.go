package lifecycle

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// A State is all that is known of one operation: what the journal holds, and
// what dies with the process. Everything behind its pointers is never changed, so
// that a State may be read, kept and published while the next one is made.
type State struct {
	Record Record
	Live   Live
}

// A Stage is how far an operation has come; the package doc has the table.
type Stage string

// The stages.
const (
	New        Stage = ""           // nothing was announced
	Starting   Stage = "starting"   // a start was announced, the Job is not known
	Watching   Stage = "watching"   // the Job is known
	Collecting Stage = "collecting" // the Job has ended, its messages are not read
	Posting    Stage = "posting"    // a message is to be posted to the Job, which has ended
	Ended      Stage = "ended"      // the outcome is known, or known to be unknown
)

// A Record is exactly what the journal holds of an operation. Times are of the
// wall clock of whoever wrote them.
type Record struct {
	Order   *Order   `json:"order"` // never changed
	Stage   Stage    `json:"stage,omitempty"`
	Writer  string   `json:"writer,omitempty"`  // the replica that wrote it
	Serial  uint64   `json:"serial,omitempty"`  // which of that replica's writes it is
	Term    uint64   `json:"term,omitempty"`    // of the owner's lease under which it was written; zero: there are no leases
	Holders []string `json:"holders,omitempty"` // replicas that work on it; none: it is parked, and nobody takes it up by itself

	Start      Attempt `json:"start,omitzero"`
	Sandbox    string  `json:"sandbox,omitempty"`    // that the Job is started with, and known by
	Credential string  `json:"credential,omitempty"` // a print of what the start was sent with

	Job       string        `json:"job,omitempty"`
	Created   Time          `json:"created,omitzero"` // by Duvo's clock
	Build     string        `json:"build,omitempty"`
	Status    string        `json:"status,omitempty"` // the last that was read
	StartedAt Time          `json:"started_at,omitzero"`
	Worked    time.Duration `json:"worked,omitempty"` // the Job's own time, without that of people

	Unkeyed       bool      `json:"unkeyed,omitempty"`   // the key was made for the call and told to nobody, so nobody comes back with it
	Ours          bool      `json:"ours,omitempty"`      // the start or a read has told that the Job runs the Assignment
	ReasonsPosted bool      `json:"told,omitempty"`      // the reasons of denials were posted, or perhaps so
	Corrected     bool      `json:"corrected,omitempty"` // a correction was asked for, or perhaps so
	Requests      []Request `json:"requests,omitempty"`  // in the order they were seen
	Past          []Request `json:"past,omitempty"`      // as requests were whose decision was thrown away, in the order it was
	Latest        *Message  `json:"message,omitempty"`   // see Message
	Earlier       int       `json:"earlier,omitempty"`   // messages that stand before the one of a follow-up, and are no part of its Result

	Stopping *Stop   `json:"stop,omitempty"` // see Stop
	Note     string  `json:"note,omitempty"`
	Trouble  Class   `json:"trouble,omitempty"` // why it was given up; empty: it was not
	Result   *Result `json:"result,omitempty"`
	Erased   bool    `json:"erased,omitempty"` // what was said by and to it was taken away, once it had ended
}

// An Order is what was called for. It is never changed.
type Order struct {
	Key        string           `json:"key"`
	Own        string           `json:"own,omitempty"` // the caller's key, where that of its scope won
	Scope      string           `json:"scope,omitempty"`
	Caller     hitl.Caller      `json:"caller,omitzero"`
	Assignment *duvo.Assignment `json:"assignment"` // shared by all orders of it
	Folder     string           `json:"folder,omitempty"`
	Input      string           `json:"input"`               // that the Job is started with
	AnyInput   bool             `json:"any_input,omitempty"` // a call with another input is the same
	StartKey   string           `json:"start_key,omitempty"` // the idempotency key of starts, made from Key
	Webhook    string           `json:"webhook,omitempty"`   // where Duvo reports progress; empty: nowhere
	Files      bool             `json:"files,omitempty"`     // they are staged in a sandbox first
	Handle     string           `json:"handle,omitempty"`    // of its own caller; perhaps not given out
	After      *FollowUp        `json:"after,omitempty"`     // nil: it starts a Job of its own
}

// A FollowUp makes an operation begin with a message to a Job that has ended.
type FollowUp struct {
	Job       string `json:"job"`
	Turn      string `json:"turn"`            // the key of the operation that it follows
	Text      string `json:"text"`            // what is said
	Known     string `json:"known,omitempty"` // what messages have added, as the Result tells that is continued
	HasResult bool   `json:"told,omitempty"`  // that Result tells what the Job said, so it must be recorded before the Job says more
}

// Same reports whether another call with this key asks for the same.
func (o *Order) Same(p *Order) bool {
	if o.Key != p.Key || !strings.EqualFold(o.Assignment.ID, p.Assignment.ID) || (o.After == nil) != (p.After == nil) {
		return false
	}
	if o.After == nil {
		return o.Input == p.Input || o.AnyInput
	}
	return strings.EqualFold(o.After.Job, p.After.Job) && o.After.Turn == p.After.Turn && o.After.Text == p.After.Text
}

// An Attempt is what is known of all attempts to send one thing.
type Attempt struct {
	First   Time `json:"first,omitzero"`    // when the first of them was announced that may have taken effect
	Until   Time `json:"until,omitzero"`    // until when the latest may begin, or when it ended
	Open    bool `json:"open,omitempty"`    // it is announced, and its answer not known
	Earlier bool `json:"earlier,omitempty"` // one that is over may have taken effect unseen
}

// A RequestStage is how far a human request has come; the package doc has the
// table.
type RequestStage string

// The stages of a request.
const (
	Unasked RequestStage = ""        // nothing was decided
	Decided RequestStage = "decided" // the response is sealed, and was not announced, or provably did nothing
	Sending RequestStage = "sending" // the response may have been sent
	Settled RequestStage = "settled" // nothing more is sent
	Stuck   RequestStage = "stuck"   // the Job waits on, and nobody here can end that
)

// A Request is one human request of the Job.
type Request struct {
	ID        string       `json:"id"`
	Digest    string       `json:"digest"` // of what the decider sees
	Kind      string       `json:"kind"`
	Title     string       `json:"title,omitempty"`
	Build     string       `json:"build,omitempty"` // that the Job was said to run when it was asked about
	Added     string       `json:"added,omitempty"` // what messages had added to the Job when it was shown: no message is posted to a Job that waits
	FirstSeen Time         `json:"first_seen,omitzero"`
	Stage     RequestStage `json:"stage,omitempty"`
	Gone      bool         `json:"gone,omitempty"`    // a read did not show it
	Reached   bool         `json:"reached,omitempty"` // the server has refused a response to it
	Decision  *Decision    `json:"decision,omitempty"`
	DecidedAt Time         `json:"decided_at,omitzero"`
	Attempt   Attempt      `json:"attempt,omitzero"`
	Delivery  Delivery     `json:"delivery,omitempty"`
	PutOff    *Ticket      `json:"put_off,omitempty"` // as it was shown when its decision was put off, for who decides in another process; nil: it was not, or operations have no owners
	Why       string       `json:"why,omitempty"`     // it is stuck, or what else is to be told
}

// A Verdict is what a decision comes to.
type Verdict string

// The verdicts. The empty one is no decision.
const (
	Denied    Verdict = "denied"
	Approved  Verdict = "approved"
	Answering Verdict = "answered"
	LeftAlone Verdict = "left"
	Suspended Verdict = "suspended"
)

// A Decision is who decided what, and what is sent for it. It is checked and
// sealed by the driver and never changed.
type Decision struct {
	Verdict Verdict         `json:"verdict"`
	Given   hitl.Decision   `json:"given"`             // as it was made
	Content string          `json:"content,omitempty"` // the content digest of what the decider saw; empty: from before it was kept
	Body    json.RawMessage `json:"body,omitempty"`    // every attempt posts it; nil: there is nothing to send
	Key     string          `json:"key,omitempty"`     // the idempotency key of every attempt
	Nobody  bool            `json:"nobody,omitempty"`  // it is for want of anybody to ask: whoever calls again has the policy asked again
	Why     string          `json:"why,omitempty"`     // why there is nothing to send, and the Job waits on
}

// A Delivery is what became of a decision.
type Delivery string

// The deliveries.
const (
	NotSent     Delivery = ""            // not, or not yet
	Accepted    Delivery = "accepted"    // the server took it
	Refused     Delivery = "refused"     // the server did not take it, and the request still waits
	Superseded  Delivery = "superseded"  // the request was gone or changed before it was sent
	Unconfirmed Delivery = "unconfirmed" // it may have been sent, and nobody can tell whether it was taken
)

// A Message is one that is posted to the Job, so that it goes on.
type Message struct {
	Kind    MessageKind `json:"kind,omitempty"`
	Text    string      `json:"text,omitempty"`
	Key     string      `json:"key,omitempty"`
	Added   string      `json:"added,omitempty"` // all that messages have added to the Job, a follow-up too
	After   int         `json:"after,omitempty"` // how many messages stand before it
	Before  Time        `json:"before,omitzero"` // when the Job last changed before it, by Duvo's clock
	Attempt Attempt     `json:"attempt,omitzero"`
	Posted  bool        `json:"posted,omitempty"`
}

// A MessageKind tells what a message is for.
type MessageKind string

// The kinds of messages.
const (
	FollowUpMessage MessageKind = "follow-up"
	ReasonMessage   MessageKind = "reasons"
	CorrectMessage  MessageKind = "correction"
)

// A Stop is a wish that the Job be stopped.
type Stop struct {
	Asked bool      `json:"asked,omitempty"`
	By    string    `json:"by,omitempty"`
	Then  StopAfter `json:"then,omitempty"`
	Done  bool      `json:"done,omitempty"` // it was posted, and reads have told what came of it
}

// StopAfter is what follows when a stopped Job does not end.
type StopAfter string

// What follows.
const (
	StopGoOn   StopAfter = ""        // it is watched on
	StopExpire StopAfter = "expired" // the outcome is that its time is over
	StopLeave  StopAfter = "left"    // the run ends, because its callers have left
)

// An Outcome is how an operation ended.
type Outcome string

// The outcomes.
const (
	Completed   Outcome = "completed"
	Failed      Outcome = "failed"
	Stopped     Outcome = "stopped"
	Interrupted Outcome = "interrupted"
	Expired     Outcome = "expired"
	Pending     Outcome = "pending"
	Gone        Outcome = "gone"
	Unknown     Outcome = "unknown"
)

// A Result is what an operation came to.
type Result struct {
	Outcome  Outcome         `json:"outcome"`
	EndedAt  Time            `json:"ended_at,omitzero"`
	Output   string          `json:"output,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`    // a typed answer that fits
	Messages Transcript      `json:"messages,omitzero"` // zero also where they are too large to be kept
}

// Orphan stands among the holders for a process that has closed and left the
// operation for the next one to take up.
const Orphan = "-"

// Message returns the latest message that was or is to be posted; zero: there is none.
func (r *Record) Message() Message {
	if r.Latest == nil {
		return Message{}
	}
	return *r.Latest
}

// Stop returns the wish that the Job be stopped; zero: there is none.
func (r *Record) Stop() Stop {
	if r.Stopping == nil {
		return Stop{}
	}
	return *r.Stopping
}

// Parked reports whether nobody takes the operation up by itself.
func (r *Record) Parked() bool { return len(r.Holders) == 0 }

// Done reports whether the record may be forgotten once it is old: the outcome is
// known, or it is left to a caller who has no key to come back with, or who finds
// nothing started.
func (r *Record) Done() bool {
	if r.Result != nil {
		return r.Result.Outcome != Unknown
	}
	message := r.Message().Attempt
	inDoubt := r.Start.Earlier || r.Start.Open || message.Earlier || message.Open
	return r.Parked() && (r.Unkeyed || r.Stage == New && !inDoubt)
}

// Barred reports whether nothing more may be started of its Assignment in its
// scope, because nobody knows whether it was started here.
func (r *Record) Barred() bool {
	return r.Result != nil && r.Result.Outcome == Unknown && r.Order.After == nil && r.Order.Scope != ""
}

// Request returns the request with this ID, in whatever case it is written; nil if
// there is none. It is part of the record.
func (r *Record) Request(id string) *Request {
	for i := range r.Requests {
		if strings.EqualFold(r.Requests[i].ID, id) {
			return &r.Requests[i]
		}
	}
	return nil
}

// copied returns a record of which Step may change all that it changes in place: none
// of that is nil, and none is shared with r.
func (r *Record) copied() Record {
	c, message, stop := *r, r.Message(), r.Stop()
	c.Requests, c.Latest, c.Stopping = slices.Clone(r.Requests), &message, &stop
	return c
}

// sealed is a copy of the record to be kept.
func (r *Record) sealed() *Record {
	c := r.copied()
	c.tidy()
	return &c
}

// tidy lets what tells nothing take no room.
func (r *Record) tidy() {
	if r.Message() == (Message{}) {
		r.Latest = nil
	}
	if r.Stop() == (Stop{}) {
		r.Stopping = nil
	}
}

// A Class is what a failure proves.
type Class string

// The classes.
const (
	Down       Class = "down"    // 5xx, 429, network: nothing
	NotAllowed Class = "denied"  // 401, 403: nothing about the Job
	Missing    Class = "missing" // 404 or no Job: nothing at once
	Odd        Class = "odd"     // 302, 409, a page that makes no sense
	Foreign    Class = "foreign" // it is about another Job or Assignment
	TooLarge   Class = "large"   // of messages: fewer must be asked for at once
)

// Progress is that a list shows another status of a Job on its way: something to
// tell of, and nothing to go by.
type Progress struct{ Status string }

// Listed is a row of a list. It hints at what a read may show.
type Listed struct {
	Began   Moment
	Status  string
	End     Outcome
	Updated Time
}

// A Ticket is a human request as a read shows it.
type Ticket struct {
	ID, Digest, Kind, Title string
	Build                   string        // that the Job is said to run; empty: not told
	Added                   string        // what messages have added to the Job; part of the digest
	Known                   bool          // its kind can be answered
	Question                bool          // a denial cannot be sent
	Shown                   *hitl.Request // what the decider sees, but for when it was first seen; never changed
}

// Announces reports whether something is announced that was not sent yet, as far as the
// record tells.
func (r *Record) Announces() bool {
	if r.Start.Open || r.Message().Attempt.Open {
		return true
	}
	return slices.ContainsFunc(r.Requests, func(p Request) bool { return p.Attempt.Open })
}

// Waits reports whether a request waits for a decision from outside, as far as the
// record of an operation with owners tells.
func (r *Record) Waits(p *Request) bool {
	return p != nil && p.PutOff != nil && p.Stage == Unasked && !p.Gone && !r.Parked()
}
