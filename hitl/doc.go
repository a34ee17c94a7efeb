// Package hitl is about human decisions: what a waiting Job wants to know, what a
// policy may answer, and policies to compose. A policy author needs no other
// package of this module.
//
// A [Policy] is asked once for each [Request] and returns a [Decision]; the zero
// Decision denies. [Forward] asks a person by a function, [AutoApprove] approves
// what is on a list of rules, [AlwaysDeny] is the default. The others combine
// policies: who is asked, in which order, how long, how many of them, and how
// often.
//
//	hitl.Route(
//		hitl.When(hitl.AssignmentIs(refunds), hitl.Quorum(2, kim, lee)),
//		hitl.When(hitl.FolderIs("Support"),
//			hitl.Timeout(4*time.Hour, kim, hitl.AlwaysDeny())),
//	)
//
// Everything here is safe to share between registries and Jobs, and can be put
// into everything else. What a constructor was given is checked when the registry
// is made, so composing needs no error handling.
//
// Deadlines count from Request.FirstSeen, when the registry first saw the
// request, and not from when a policy is asked. The time that people take
// never counts against a Job's own time limit.
//
// A denial that stands, see [Vetoer] and [Foreseer], is asked for before anybody
// is asked, wherever in a composition it is, and again after a restart for what an
// earlier process has recorded and not sent.
//
// A condition on decisions, see [DecisionChecker], holds by whatever way one comes: the
// policy's own answer, Registry.Decide, what an earlier process has recorded. So does a
// proof of who decided ([RequireProof]), a switch that stops all approvals ([Hold]), and
// that nobody approves their own work ([NotOwn]). Denying is always allowed.
//
// A policy that asks others in goroutines of their own ends their context as
// soon as their answer no longer matters, and does not wait for those that
// ignore it; the registry's Close names them.
package hitl
