package duvotool

import (
	"context"

	"github.com/duvotool/duvotool/hitl"
)

// The door to human decisions: what the smallest program needs of package hitl,
// under short names. Everything else a policy author needs is in that package.
type (
	// A Policy decides how a waiting Job is answered.
	Policy = hitl.Policy
	// A Request is what a waiting Job wants to know from a person.
	Request = hitl.Request
	// A Decision says how a request is to be answered. The zero Decision denies.
	Decision = hitl.Decision
)

// Forward asks a person through a function of the program's, which is safe for
// concurrent use; see [hitl.Forward].
func Forward(ask func(context.Context, Request) (Decision, error)) Policy { return hitl.Forward(ask) }

// AutoApprove approves what one of the rules allows, and nothing else; see
// [hitl.AutoApprove]. Start a rule with [For].
func AutoApprove(rules ...hitl.Rule) Policy { return hitl.AutoApprove(rules...) }

// For starts a rule for the Assignment with this ID; see [hitl.For].
func For(assignmentID string) hitl.Rule { return hitl.For(assignmentID) }

// AlwaysDeny denies everything. It is the default; see [hitl.AlwaysDeny].
func AlwaysDeny(reason ...string) Policy { return hitl.AlwaysDeny(reason...) }

// Approve grants an approval on behalf of by, which is required; see
// [hitl.Approve].
func Approve(by, reason string) Decision { return hitl.Approve(by, reason) }

// Deny refuses an approval; the reason reaches the model. See [hitl.Deny].
func Deny(by, reason string) Decision { return hitl.Deny(by, reason) }

// Pending lists the requests that were suspended and still wait for a decision,
// the oldest first. What was suspended before a restart is listed, and can be
// decided, once its Job was read again; those Jobs are read first, and until then
// [Registry.Jobs] lists the Job alone.
func (r *Registry) Pending() []hitl.Request { return r.ops.Pending() }

// Decide decides a request that a policy suspended. It returns once the
// decision has reached Duvo: nil then, or why it did not. Of several who decide
// at once one wins; the others get a [*outcome.DecidedError] that tells who. A request
// that reads differently now is refused with [hitl.ErrRequestChanged]; list it again
// with [Registry.Pending]. While Duvo cannot be reached it waits, until ctx ends; so it
// does where the request was open before a restart and its Job was not read since.
//
// What the policy has against a decision refuses it with [hitl.ErrRefused]: it lacks a
// proof, approvals are held, somebody decides on their own work. The request waits on.
//
// The decision must be Approve, Deny, Answer or Leave, and counts as a person's
// unless it says otherwise. When ctx ends the decision stands all the same,
// once it was taken.
func (r *Registry) Decide(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	return r.ops.Decide(ctx, req, d)
}

// CheckDecision tells why [Registry.Decide] would not take a decision now, and decides
// nothing: an error of those that it returns, or nil. So a place where people answer can
// show that a proof is needed ([hitl.ErrProofNeeded]) before it is asked for.
func (r *Registry) CheckDecision(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	return r.ops.CheckDecision(ctx, req, d)
}
