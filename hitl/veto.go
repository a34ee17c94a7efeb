package hitl

import (
	"context"
	"time"
)

// A Vetoer is a [Policy] with denials that stand, whatever others decide: rules
// that deny, say. They are asked before anybody else is, and a decision that an
// earlier process has recorded and not sent is held against them once more. The
// policies of this module that hold others ask those; see [Veto] and [Foreseer].
type Vetoer interface {
	// Vetoes reports whether the request is denied by a rule. It must not ask
	// anybody.
	Vetoes(Request) bool
}

// Vetoes reports whether a policy is a [Vetoer] that vetoes the request.
func Vetoes(p Policy, req Request) bool {
	v, ok := p.(Vetoer)
	return ok && v.Vetoes(req.Clone())
}

// A Foreseer is a [Policy] that can tell what a request comes to without asking
// anybody. A decision that an earlier process has recorded and not sent is thrown
// away where the policy of today denies the request for certain.
//
// A denial that is foreseen holds where the policy stands: a case of hitl.Route
// that denies all, what hitl.Timeout asks first, its fallback where the time was
// over. Behind others that might have an opinion it is foreseen no longer. One
// that wins wherever it stands is a veto, see [Vetoer].
type Foreseer interface {
	// Foresee returns what Decide comes to at that time, and whether this is
	// certain: whether it follows from the request and the time alone, and not from
	// anybody's answer or from what was used up or forgotten since. It must not ask
	// anybody.
	Foresee(req Request, at time.Time) (v Verdict, certain bool)
}

// Foresee returns what a policy comes to at that time, if that is certain: where
// it is a [Vetoer] that vetoes the request, or a [Foreseer] that knows.
func Foresee(p Policy, req Request, at time.Time) (v Verdict, certain bool) {
	if Vetoes(p, req) {
		return Denied, true
	}
	if f, ok := p.(Foreseer); ok {
		return f.Foresee(req, at)
	}
	return Passed, false
}

// Veto returns the denial of the first of the policies that vetoes the request,
// and which one that is; -1 if none does. A policy that holds others asks it
// before it asks anybody, so that a veto wins live as it does after a restart.
func Veto(ctx context.Context, req Request, policies ...Policy) (which int, d Decision, err error) {
	for i, p := range policies {
		if !Vetoes(p, req) {
			continue
		}
		d, err := p.Decide(ctx, req.Clone())
		if err != nil {
			return i, Decision{}, err
		}
		if d.Verdict != Denied || !d.HasOpinion() {
			d = Decision{By: "policy " + PolicyName(p), Reason: "one of its rules denies this", Source: SourcePolicy}
		}
		if d.Path == "" {
			d.Path = PolicyName(p)
		}
		return i, d, nil
	}
	return -1, Decision{}, nil
}

func (alwaysDeny) Foresee(Request, time.Time) (Verdict, bool) { return Denied, true }

// Foresee knows what comes of the first that has an opinion for certain. At the
// end of others AlwaysDeny only stands for no opinion: what one of them decided,
// which perhaps it would not decide again, is kept.
func (f firstOf) Foresee(req Request, at time.Time) (Verdict, bool) {
	for i, p := range f {
		v, certain := Foresee(p, req, at)
		if _, fallsThrough := p.(alwaysDeny); !certain || fallsThrough && i > 0 {
			return Passed, false
		}
		if v != Passed {
			return v, true
		}
	}
	return Passed, true
}

// Foresee knows that there is no opinion where no rule could allow the request,
// whatever the time and whatever has been used up.
func (a autoApprove) Foresee(req Request, _ time.Time) (Verdict, bool) {
	for _, r := range a {
		if !r.denies && r.mayHold(req) {
			return Passed, false
		}
	}
	return Passed, true
}
