package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/internal/guard"
)

// A Policy decides how a waiting Job is answered. It is asked once for each
// human request, in a goroutine of its own, and may take as long as a person
// needs: the Job's time limit stands still meanwhile.
//
// The context carries the values of the context that the call was made with.
// It ends when an answer no longer matters; [context.Cause] then tells why:
// [ErrAnsweredElsewhere], [ErrRequestChanged], outcome.ErrClosed, or what cancelled
// the call. What is returned after that is not used.
//
// An error, a panic, the end of its goroutine by runtime.Goexit, or a decision
// that does not fit the request sends nothing to Duvo, not even a denial; the call
// returns a *outcome.JobError. So does a String method that panics.
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
			d.Path = PolicyName(p)
		}
		d = d.Via(fmt.Sprintf("FirstOf[%d]", i+1))
		switch {
		case err != nil || d.HasOpinion():
			return d.after(last), err
		case d.NobodyAsked():
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
		if err := Validate(p); err != nil {
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

// Validate tells what is wrong with a policy, before it is used: nil, or what its own
// Validate method tells. A panic of that is an error, too.
func Validate(p Policy) error {
	if p == nil {
		return errNilPolicy
	}
	v, ok := p.(interface{ Validate() error })
	if !ok {
		return nil
	}
	return guard.Run(ErrPolicyPanic, v.Validate)
}

// SafePolicyName is [PolicyName] where the policy's own String may do no harm.
func SafePolicyName(p Policy) (name string) {
	if guard.Run(ErrPolicyPanic, func() error { name = PolicyName(p); return nil }) != nil {
		return fmt.Sprintf("%T", p)
	}
	return name
}

// PolicyName names a policy for logs and errors.
func PolicyName(p Policy) string {
	if s, ok := p.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", p)
}
