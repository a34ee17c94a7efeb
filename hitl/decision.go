package hitl

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/safetext"
)

// A DecisionEntry is one decision, and what became of it.
type DecisionEntry struct {
	RequestID   string           `json:"request_id"`
	Kind        duvo.RequestType `json:"kind"`
	Title       string           `json:"title"` // untrusted
	Digest      string           `json:"digest"`
	Decision                     // who, why
	RequestedAt time.Time        `json:"requested_at"` // first seen
	DecidedAt   time.Time        `json:"decided_at"`
	Delivery    Delivery         `json:"delivery"`
}

// Delivery is what became of a decision.
type Delivery string

// The deliveries.
const (
	NotSent     Delivery = "not sent"    // there was nothing to send: left, a question denied, or nobody to ask
	Sent        Delivery = "sent"        // on its way
	Accepted    Delivery = "accepted"    // the server took it
	Refused     Delivery = "refused"     // the server did not take it, and the request still waits
	Superseded  Delivery = "superseded"  // the request was gone or changed before it was sent
	Unconfirmed Delivery = "unconfirmed" // sent, the answer lost, and the request is gone since
)

// Observation tells the model what was denied, by whom and why, and what it may do
// about that. What nobody decided is not told as anybody's denial.
func (e DecisionEntry) Observation(pending bool) string {
	what := fmt.Sprintf("the %s titled %q", e.Kind, safetext.OneLine(e.Title, 200))
	because := ""
	if e.Reason != "" {
		because = ", because: " + safetext.OneLine(e.Reason, 500)
	}
	who := ""
	switch {
	case e.NobodyAsked():
		who = "Nobody could be asked"
	case e.Source == SourceTimeout:
		who = "Nobody answered in time"
	default:
		return fmt.Sprintf("Denied by %s: %s%s. Do not retry or rephrase this.\n", Decider(e.By), what, because)
	}
	verb := "approved"
	if e.Kind == duvo.Question {
		verb = "answered"
	}
	next := "It may be asked for again when somebody can answer."
	if pending && e.Delivery == NotSent {
		next = "It is still open in Duvo, where a person can answer it: tell your user so."
	}
	return fmt.Sprintf("%s: %s was not %s%s. Nobody decided against it. %s\n", who, what, verb, because, next)
}

// Decider names who has decided, safe to print; the policy where nobody is named.
func Decider(by string) string {
	if by == "" {
		return "the policy"
	}
	return safetext.OneLine(by, 100)
}

// Clone returns a copy that shares no memory.
func (d Decision) Clone() Decision {
	d.Answers, d.People, d.Proofs = maps.Clone(d.Answers), slices.Clone(d.People), cloneProofs(d.Proofs)
	return d
}

// Clone returns a copy that shares no memory.
func (e DecisionEntry) Clone() DecisionEntry {
	e.Decision = e.Decision.Clone()
	return e
}

// Verdict is what a [Decision] comes to.
type Verdict int

// The verdicts. The zero Verdict denies.
const (
	Denied    Verdict = iota // an approval is refused; a question stays unanswered
	Approved                 // an approval is granted
	Answered                 // a question is answered
	Left                     // the reviewers in Duvo's own inbox decide; the call goes on waiting
	Passed                   // no opinion: the next policy is asked, and at the end of all it is a denial
	Suspended                // decided later, through Registry.Decide; the call returns as pending
)

// String returns the verdict in a word.
func (v Verdict) String() string {
	switch v {
	case Denied:
		return "denied"
	case Approved:
		return "approved"
	case Answered:
		return "answered"
	case Left:
		return "left"
	case Passed:
		return "passed"
	case Suspended:
		return "suspended"
	}
	return fmt.Sprintf("verdict(%d)", int(v))
}

// MarshalText returns the verdict in a word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	for w := Denied; w <= Suspended; w++ {
		if w.String() == string(text) {
			*v = w
			return nil
		}
	}
	return fmt.Errorf("duvotool: there is no verdict %q", SafeLine(string(text), 40))
}

// Source tells what kind of mind a decision came from.
type Source string

// The sources of decisions.
const (
	SourcePolicy    Source = "policy"    // a rule or program
	SourcePerson    Source = "person"    // somebody asked by [Forward], or who called duvotool.Registry.Decide
	SourceTimeout   Source = "timeout"   // nobody decided in time; a rule for that case did
	SourceElsewhere Source = "elsewhere" // somebody in Duvo's own inbox; only in audit records

	// SourceNobody is a denial for want of anybody who could be asked, or who
	// answered: nobody denied, and Duvo is sent nothing. See [Nobody].
	SourceNobody Source = "nobody"

	// SourceUnauthenticated is somebody whom nobody has identified, at a program
	// that may have answered in their place. It is no person's vote.
	SourceUnauthenticated Source = "unauthenticated"
)

// A Decision says how a human request is to be answered. Make it with
// [Approve], [Deny], [Answer], [Leave], [Suspend] or [Pass]. The zero Decision
// denies.
//
// By and Reason are kept in the outcome.Result and told to the observer. Duvo's API
// has no place for them, so they are not sent. By must come from the host
// program (a login, a rule's name), never from the model or from Duvo's text.
type Decision struct {
	Verdict Verdict           `json:"verdict"`
	By      string            `json:"by,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Source  Source            `json:"source,omitempty"`
	Answers map[string]string `json:"answers,omitempty"` // from each question's text to its answer

	// People are those who decided, where it took several, as for a [Quorum]; By
	// then names them all in one text. Empty: By did.
	People []string `json:"people,omitempty"`

	// Proofs show that those who decided did, where a policy demands it; see
	// [RequireProof].
	Proofs []Proof `json:"proofs,omitempty"`

	// Path tells which policies the decision came through, as in
	// "FirstOf[2] > Forward". Policies that ask others add to it with Via.
	Path string `json:"path,omitempty"`
}

// HasOpinion reports whether the decision decides anything: [Pass] and [Nobody]
// do not, and a policy that asks several goes on to the next.
func (d Decision) HasOpinion() bool { return d.Verdict != Passed && !d.NobodyAsked() }

// NobodyAsked reports whether it is a denial for want of anybody to ask.
func (d Decision) NobodyAsked() bool { return d.Verdict == Denied && d.Source == SourceNobody }

// after returns the decision as one that was made where the one before could ask
// nobody: a rule's denial then says so, since that is what led to it.
func (d Decision) after(before Decision) Decision {
	if before.NobodyAsked() && d.Verdict == Denied && (d.Source == "" || d.Source == SourcePolicy) {
		d.Reason = strings.TrimSuffix("nobody could be asked: "+before.Reason, ": ") + strings.TrimSuffix("; "+d.Reason, "; ")
	}
	return d
}

// Summary tells the verdict and whose it is, on one line: what did not come from
// anybody is not told as anybody's.
func (d Decision) Summary() string {
	switch {
	case d.NobodyAsked():
		return "not decided, because nobody could be asked"
	case d.Verdict == Denied && d.Source == SourceTimeout:
		return "denied because nobody decided in time"
	}
	return d.Verdict.String() + " by " + Decider(d.By)
}

// Via returns the decision as one that came through a policy of this name.
func (d Decision) Via(name string) Decision {
	if d.Path == "" {
		d.Path = name
	} else {
		d.Path = name + " > " + d.Path
	}
	return d
}

// Approve grants an approval. The identity by is required.
func Approve(by, reason string) Decision { return Decision{Verdict: Approved, By: by, Reason: reason} }

// Deny refuses an approval. The reason reaches the model. Duvo has no way to
// refuse a question: a denied one is left unanswered, and after a minute the
// call returns with outcome.OutcomePending; or the Job is stopped, with duvotool.StopOn.
func Deny(by, reason string) Decision { return Decision{Verdict: Denied, By: by, Reason: reason} }

// Nobody denies for want of anybody who could be asked, or who answered: a host
// that shows no forms, a form that was closed, a person who is not on duty. The
// reason says which. Nothing is sent to Duvo, where the request stays open to
// others, and no reader takes it for somebody's denial.
func Nobody(reason string) Decision { return Decision{Reason: reason, Source: SourceNobody} }

// Answer answers the questions of a request: answers is keyed by the question's
// text and must fit it, see [Request.CheckAnswers]. The identity by is
// required. Several choices are joined with [JoinChoices].
func Answer(by string, answers map[string]string) Decision {
	return Decision{Verdict: Answered, By: by, Answers: maps.Clone(answers)}
}

// Leave leaves the request to the reviewers in Duvo's own inbox. The call goes
// on waiting for them.
func Leave() Decision { return Decision{Verdict: Left} }

// Suspend leaves the decision for later: the call returns with
// outcome.OutcomePending, the request is listed by duvotool.Registry.Pending and decided by
// duvotool.Registry.Decide. The registry goes on watching the Job; a call with the
// same operation key or scope is told its outcome.
func Suspend() Decision { return Decision{Verdict: Suspended} }

// Pass has no opinion.
func Pass() Decision { return Decision{Verdict: Passed} }

// Check tells why d cannot answer req; nil if it can. The registry checks every
// decision before it acts on it.
func (d Decision) Check(req Request) error {
	if len(d.Proofs) > maxProofs {
		return fmt.Errorf("%w: it has more than %d proofs", ErrInvalidDecision, maxProofs)
	}
	for _, p := range d.Proofs {
		if err := p.check(); err != nil {
			return errtext.Errorf("%w: %w", ErrInvalidDecision, err)
		}
	}
	switch d.Verdict {
	case Denied, Left, Passed, Suspended:
		return nil
	case Approved, Answered:
	default:
		return fmt.Errorf("%w: %v is unknown", ErrInvalidDecision, d.Verdict)
	}
	if PersonKey(d.By) == "" || d.Source == SourceNobody {
		return fmt.Errorf("%w: it does not say who decided", ErrInvalidDecision)
	}
	switch {
	case d.Verdict == Approved && req.Kind != duvo.Approval:
		return fmt.Errorf("%w: a request of kind %q cannot be approved", ErrInvalidDecision, req.Kind)
	case d.Verdict == Approved && len(d.Answers) > 0:
		return fmt.Errorf("%w: an approval with answers", ErrInvalidDecision)
	case d.Verdict == Answered:
		if err := req.CheckAnswers(d.Answers); err != nil {
			return errtext.Errorf("%w: %w", ErrInvalidDecision, err)
		}
	}
	return nil
}

// Same reports whether two entries are of one and the same decision,
// whatever became of it since.
func (e *DecisionEntry) Same(other DecisionEntry) bool {
	return e.RequestID == other.RequestID && e.Digest == other.Digest && e.DecidedAt.Equal(other.DecidedAt) &&
		e.Verdict == other.Verdict && e.By == other.By && e.Reason == other.Reason && e.Source == other.Source && e.Path == other.Path &&
		maps.Equal(e.Answers, other.Answers) && slices.Equal(e.People, other.People)
}
