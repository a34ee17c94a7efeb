package hitl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrOwnWork is a decision of somebody about work that they asked for themselves. See
// [NotOwn].
var ErrOwnWork = errors.New("duvotool: whoever asked for the work cannot approve it")

// NotOwn keeps duties apart: who asked for the work, by [Caller.User], cannot approve
// what it asks, nor answer it, alone or with others, whatever way the decision comes. It
// is refused with [ErrOwnWork], and the request waits for somebody else. Everybody can
// deny. Where it is not known who asked, nobody's approval counts.
//
// same tells whether the user of a call is the person who decides; nil: by their names,
// as [PersonKey] compares them. A rule is nobody who asks for work, but a standing grant
// is whoever's gave it.
func NotOwn(same func(asked Caller, decider string) bool, p Policy) Policy { return notOwn{same, p} }

type notOwn struct {
	same func(Caller, string) bool
	p    Policy
}

func (n notOwn) Decide(ctx context.Context, req Request) (Decision, error) {
	if n.Validate() != nil {
		return Decision{}, errUnusable
	}
	return checked(ctx, "NotOwn", n.p, req, func(d Decision) error { return n.apart(req, d) })
}

// CheckDecision looks who decided, and asks the policy.
func (n notOwn) CheckDecision(ctx context.Context, req Request, d Decision) error {
	if n.Validate() != nil {
		return errUnusable
	}
	return errors.Join(n.apart(req, d), CheckDecision(ctx, n.p, req, d))
}

// apart tells why a decision is not one of somebody else's.
func (n notOwn) apart(req Request, d Decision) error {
	if PersonKey(req.Caller.User) == "" {
		return &refusal{ErrOwnWork, "it is not known who asked for it; duvotool.WithCaller tells"}
	}
	for _, person := range d.deciders() {
		own := PersonKey(person) == PersonKey(req.Caller.User)
		if n.same != nil {
			own = n.same(req.Caller, person)
		}
		if own {
			return &refusal{ErrOwnWork, fmt.Sprintf("%s by %s", d.Verdict, Decider(person))}
		}
	}
	return nil
}

// Vetoes asks the policy.
func (n notOwn) Vetoes(req Request) bool { return Vetoes(n.p, req) }

// Foresee knows of all but what is approved or answered.
func (n notOwn) Foresee(req Request, at time.Time) (Verdict, bool) {
	v, certain := Foresee(n.p, req, at)
	return v, certain && !Decision{Verdict: v}.grants()
}

// CheckNames asks the policy.
func (n notOwn) CheckNames(names Names) error { return checkNames(names, "NotOwn", n.p) }

func (n notOwn) Validate() error { return validate("NotOwn", n.p) }

func (notOwn) String() string { return "NotOwn" }
