package duvotool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
)

// A Policy decides how a waiting Job is answered. It is asked once for each
// human request, in a goroutine of its own, and may take as long as a person
// needs: the Job's time limit stands still meanwhile.
//
// The context carries the values of the context that the call was made with.
// It ends when an answer no longer matters; [context.Cause] then tells why:
// [ErrAnsweredElsewhere], [ErrRequestChanged], [ErrClosed], or what cancelled
// the call. What is returned after that is not used.
//
// An error, a panic, the end of its goroutine by runtime.Goexit, or a decision
// that does not fit the request sends nothing to Duvo, not even a denial; the call
// returns a [*JobError]. So does a String method that panics.
//
// The request is the policy's own: what it writes into it changes nothing of what
// others see or of what is sent.
//
// One Policy serves all Jobs of a registry at once, so Decide must be safe for
// concurrent use. A policy with a method Validate() error has it called when
// the registry is made.
type Policy interface {
	Decide(ctx context.Context, req Request) (Decision, error)
}

// PolicyFunc makes a policy of a function.
type PolicyFunc func(context.Context, Request) (Decision, error)

// Decide calls f.
func (f PolicyFunc) Decide(ctx context.Context, req Request) (Decision, error) {
	if f == nil {
		return Decision{}, errNilPolicy
	}
	return f(ctx, req)
}

// Validate refuses a nil function.
func (f PolicyFunc) Validate() error {
	if f == nil {
		return errNilPolicy
	}
	return nil
}

var errNilPolicy = errors.New("the policy is nil")

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
	SourcePerson    Source = "person"    // somebody asked by [Forward], or who called [Registry.Decide]
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
// By and Reason are kept in the [Result] and told to the observer. Duvo's API
// has no place for them, so they are not sent. By must come from the host
// program (a login, a rule's name), never from the model or from Duvo's text.
type Decision struct {
	Verdict Verdict           `json:"verdict"`
	By      string            `json:"by,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Source  Source            `json:"source,omitempty"`
	Answers map[string]string `json:"answers,omitempty"` // from each question's text to its answer

	// Path tells which policies the decision came through, as in
	// "FirstOf[2] > Forward". Policies that ask others add to it with Via.
	Path string `json:"path,omitempty"`
}

// HasOpinion reports whether the decision decides anything: [Pass] and [Nobody]
// do not, and a policy that asks several goes on to the next.
func (d Decision) HasOpinion() bool { return d.Verdict != Passed && !d.nobody() }

// nobody reports whether it is a denial for want of anybody to ask.
func (d Decision) nobody() bool { return d.Verdict == Denied && d.Source == SourceNobody }

// after returns the decision as one that was made where the one before could ask
// nobody: a rule's denial then says so, since that is what led to it.
func (d Decision) after(before Decision) Decision {
	if before.nobody() && d.Verdict == Denied && (d.Source == "" || d.Source == SourcePolicy) {
		d.Reason = strings.TrimSuffix("nobody could be asked: "+before.Reason, ": ") + strings.TrimSuffix("; "+d.Reason, "; ")
	}
	return d
}

// summary tells the verdict and whose it is, on one line: what did not come from
// anybody is not told as anybody's.
func (d Decision) summary() string {
	switch {
	case d.nobody():
		return "not decided, because nobody could be asked"
	case d.Verdict == Denied && d.Source == SourceTimeout:
		return "denied because nobody decided in time"
	}
	return d.Verdict.String() + " by " + orNobody(d.By)
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
// call returns with [OutcomePending]; or the Job is stopped, with [StopOn].
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
// [OutcomePending], the request is listed by [Registry.Pending] and decided by
// [Registry.Decide]. The registry goes on watching the Job; a call with the
// same operation key or scope is told its outcome.
func Suspend() Decision { return Decision{Verdict: Suspended} }

// Pass has no opinion.
func Pass() Decision { return Decision{Verdict: Passed} }

// Check tells why d cannot answer req; nil if it can. The registry checks every
// decision before it acts on it.
func (d Decision) Check(req Request) error {
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

// AlwaysDeny denies everything. It is the default. The reason, if one is given,
// is what the model and the audit are told; several are joined.
func AlwaysDeny(reason ...string) Policy {
	return alwaysDeny{strings.TrimSpace(strings.Join(reason, "; "))}
}

type alwaysDeny struct{ reason string }

func (a alwaysDeny) Decide(context.Context, Request) (Decision, error) {
	reason := a.reason
	if reason == "" {
		reason = "this program's policy approves nothing"
	}
	return Decision{By: "policy always-deny", Reason: reason, Source: SourcePolicy, Path: "AlwaysDeny"}, nil
}

func (alwaysDeny) String() string { return "AlwaysDeny" }

// LeaveToDuvo leaves everything to the reviewers in Duvo's own inbox.
func LeaveToDuvo() Policy { return leaveToDuvo{} }

type leaveToDuvo struct{}

func (leaveToDuvo) Decide(context.Context, Request) (Decision, error) {
	return Leave().Via("LeaveToDuvo"), nil
}

func (leaveToDuvo) String() string { return "LeaveToDuvo" }

// Forward asks a person: ask shows the request to somebody and returns what
// they decided. The decision is recorded as a person's. Show the request with
// [Request.String] or [SafeText], since its text is a stranger's.
func Forward(ask PolicyFunc) Policy { return forward{ask} }

type forward struct{ ask PolicyFunc }

func (f forward) Decide(ctx context.Context, req Request) (Decision, error) {
	d, err := f.ask.Decide(ctx, req)
	if err == nil && d.Verdict != Passed && d.Source == "" {
		d.Source = SourcePerson
	}
	return d.Via("Forward"), err
}

func (f forward) Validate() error { return f.ask.Validate() }

func (forward) String() string { return "Forward" }

// FirstOf asks the policies in order until one has an opinion. If none has,
// neither has FirstOf; where one could ask nobody, see [Nobody], that is what it
// says. An error of one ends the asking. A denial that stands, see [Vetoer], wins
// wherever in the order it is.
func FirstOf(policies ...Policy) Policy { return firstOf(slices.Clone(policies)) }

type firstOf []Policy

func (f firstOf) Decide(ctx context.Context, req Request) (Decision, error) {
	if slices.Contains(f, nil) {
		return Decision{}, errNilPolicy
	}
	if i, d, err := Veto(ctx, req, f...); i >= 0 {
		return d.Via(fmt.Sprintf("FirstOf[%d]", i+1)), err
	}
	last := Pass()
	for i, p := range f {
		if err := ctx.Err(); err != nil {
			return Decision{}, context.Cause(ctx)
		}
		d, err := p.Decide(ctx, req.Clone())
		if d.Path == "" {
			d.Path = policyName(p)
		}
		d = d.Via(fmt.Sprintf("FirstOf[%d]", i+1))
		switch {
		case err != nil || d.HasOpinion():
			return d.after(last), err
		case d.nobody():
			last = d
		}
	}
	return last, nil
}

// Vetoes asks all, the later ones too: a denial may stand behind one that had an
// opinion then and has none now.
func (f firstOf) Vetoes(req Request) bool {
	return slices.ContainsFunc(f, func(p Policy) bool { return Vetoes(p, req) })
}

func (f firstOf) Validate() error {
	if len(f) == 0 {
		return errors.New("FirstOf: no policies")
	}
	var errs []error
	for i, p := range f {
		if err := validatePolicy(p); err != nil {
			errs = append(errs, fmt.Errorf("FirstOf: policy %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

// CheckNames asks all.
func (f firstOf) CheckNames(n Names) error {
	var errs []error
	for i, p := range f {
		if err := CheckNames(p, n); err != nil {
			errs = append(errs, fmt.Errorf("FirstOf: policy %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

func (firstOf) String() string { return "FirstOf" }

func validatePolicy(p Policy) error {
	if p == nil {
		return errNilPolicy
	}
	v, ok := p.(interface{ Validate() error })
	if !ok {
		return nil
	}
	return guard.Run(ErrPolicyPanic, v.Validate)
}

// safeName is policyName where the policy's own String may not do harm.
func safeName(p Policy) (name string) {
	if guard.Run(ErrPolicyPanic, func() error { name = policyName(p); return nil }) != nil {
		return fmt.Sprintf("%T", p)
	}
	return name
}

// policyName names a policy for logs and errors.
func policyName(p Policy) string {
	if s, ok := p.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", p)
}
