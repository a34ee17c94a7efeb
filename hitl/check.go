package hitl

import (
	"context"
	"errors"

	"github.com/duvotool/duvotool/internal/guard"
)

// A DecisionChecker is a [Policy] with conditions on what is decided, by whatever way
// the decision comes: a proof, see [RequireProof]; that nothing is approved for now,
// see [Hold]; that somebody else decides, see [NotOwn]. The registry asks it about
// approvals and answers alone, for denying and leaving open are always allowed: before
// what the policy itself decided is recorded, before what duvotool.Registry.Decide is
// told is taken, and again before what an earlier process has recorded, or what may
// have been sent, is sent.
//
// A condition holds wherever in a composition it stands, as a veto does: the policies
// of this module that hold others ask all of them, [Route] those of the case that the
// request goes to. One of your own that holds others should do the same, see
// [CheckDecisions].
type DecisionChecker interface {
	// CheckDecision returns nil where the decision may stand, a refusal that wraps
	// [ErrRefused] where it may not, or another error where it cannot tell: then it
	// does not stand either. It must not ask anybody, and may read what it needs.
	CheckDecision(ctx context.Context, req Request, d Decision) error
}

// ErrRefused is what every refusal of a decision wraps, and what its kinds are:
// [ErrProofNeeded], [ErrHeld], [ErrOwnWork]. Nothing was sent, and the request waits
// for a decision that may stand: one that a policy itself has made is not sent, and the
// request is suspended, to be decided by duvotool.Registry.Decide.
var ErrRefused = errors.New("duvotool: the decision was refused")

// A refusal is an error of one of the kinds of ErrRefused.
type refusal struct {
	kind error
	why  string
}

func (r *refusal) Error() string        { return r.kind.Error() + ": " + r.why }
func (r *refusal) Is(target error) bool { return target == r.kind || target == ErrRefused }

// CheckDecision asks a policy that is a [DecisionChecker]; any other takes all. About
// what neither approves nor answers nobody is asked. A panic is an error that wraps
// [ErrPolicyPanic].
func CheckDecision(ctx context.Context, p Policy, req Request, d Decision) error {
	c, ok := p.(DecisionChecker)
	if !ok || !d.grants() {
		return nil
	}
	return guard.Run(ErrPolicyPanic, func() error { return c.CheckDecision(ctx, req.Clone(), d.Clone()) })
}

// CheckDecisions asks several policies, and returns what all of them have against the
// decision.
func CheckDecisions(ctx context.Context, req Request, d Decision, policies ...Policy) error {
	var errs []error
	for _, p := range policies {
		errs = append(errs, CheckDecision(ctx, p, req, d))
	}
	return errors.Join(errs...)
}

// grants reports whether the decision lets a Job go on: whether it approves or answers.
func (d Decision) grants() bool { return d.Verdict == Approved || d.Verdict == Answered }

// CheckDecision asks all: whichever had an opinion, another's condition holds.
func (f firstOf) CheckDecision(ctx context.Context, req Request, d Decision) error {
	return CheckDecisions(ctx, req, d, f...)
}

// CheckDecision asks the policy that the request goes to.
func (r route) CheckDecision(ctx context.Context, req Request, d Decision) error {
	for _, c := range r {
		if c.match != nil && c.match(req) {
			return CheckDecision(ctx, c.p, req, d)
		}
	}
	return nil
}

// CheckDecision asks both.
func (t timeout) CheckDecision(ctx context.Context, req Request, d Decision) error {
	return CheckDecisions(ctx, req, d, t.p, t.fallback)
}

// CheckDecision asks both.
func (b *budget) CheckDecision(ctx context.Context, req Request, d Decision) error {
	return CheckDecisions(ctx, req, d, b.p, b.then)
}

// CheckDecision asks all approvers.
func (q quorum) CheckDecision(ctx context.Context, req Request, d Decision) error {
	return CheckDecisions(ctx, req, d, q.approvers...)
}

// CheckDecision asks all, those of later steps too.
func (e escalate) CheckDecision(ctx context.Context, req Request, d Decision) error {
	return CheckDecisions(ctx, req, d, e.asked()...)
}

// checked asks p for a decision, and returns it if what check has to say allows it.
func checked(ctx context.Context, via string, p Policy, req Request, check func(Decision) error) (Decision, error) {
	d, err := decide(ctx, via, p, req)
	if err != nil || !d.grants() {
		return d, err
	}
	if err := check(d); err != nil {
		return Decision{}, err
	}
	return d, nil
}
