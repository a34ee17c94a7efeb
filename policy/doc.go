// Package policy combines policies: who is asked, in which order, how long, how
// many of them, and how often.
//
//	policy.Route(
//		policy.When(policy.AssignmentIs(refunds), policy.Quorum(2, kim, lee)),
//		policy.When(policy.FolderIs("Support"),
//			policy.Timeout(4*time.Hour, kim, duvotool.AlwaysDeny())),
//	)
//
// Everything here is a [duvotool.Policy], is safe to share between registries
// and Jobs, and can be put into everything else. What a constructor was given
// is checked when the registry is made, so composing needs no error handling:
// names and IDs too, which must be there unless they are said to be optional.
//
// A denial that stands, see [duvotool.Vetoer], wins wherever in a policy it is,
// before anybody is asked.
//
// Deadlines count from Request.FirstSeen, when the registry first saw the
// request, and not from when a policy is asked. The time that people take
// never counts against a Job's own time limit.
//
// A policy that asks others in goroutines of their own ends their context as
// soon as their answer no longer matters, and does not wait for those that
// ignore it; the registry's Close names them.
package policy
