package engine

import (
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
)

// vetoed reports whether an approval or answer that an earlier process has
// recorded is denied by today's policy, whatever anybody says. It looks once.
func (op *operation) vetoed(p *pendingState, job duvo.Job, q duvo.HumanRequest) bool {
	if !p.recheck {
		return false
	}
	p.recheck = false
	if job.BuildID != "" {
		op.job.buildID = job.BuildID
	}
	if p.entry.Verdict == hitl.Denied {
		return false
	}
	denied := false
	err := guard.Run(hitl.ErrPolicyPanic, func() error {
		at := p.decidedAt
		if p.throughRegistry() {
			at = p.firstSeen // it was put off in time, and then no deadline of the policy's ran
		}
		v, certain := hitl.Foresee(op.work.Settings.Policy, op.requestOf(p, q), at)
		denied = certain && v == hitl.Denied
		return nil
	})
	return denied || err != nil
}
