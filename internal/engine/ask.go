package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/track"
	"github.com/duvotool/duvotool/outcome"
)

// askPolicy asks the policy, in a goroutine of its own.
func (op *operation) askPolicy(r *run, f lifecycle.AskPolicy) {
	u := r.undertake() // until the run is over: who was asked may have people to tell yet
	ctx := track.With(u.ctx, op.eng.life)
	r.mu.Lock()
	more := r.moreLocked()
	if more.asks == nil {
		more.asks = map[uint64]*undertaking{}
	}
	more.asks[f.Turn] = u
	r.mu.Unlock()
	req := shownAt(f.Ticket, f.FirstSeen)
	policy := op.work.Settings.Policy
	op.eng.life.Again()
	go func() {
		defer op.eng.life.Leave()
		var d hitl.Decision
		guard.Then(hitl.ErrPolicyPanic, func() (err error) {
			d, err = decideBy(ctx, op.eng.life, policy, req.Clone())
			return err
		}, func(err error) {
			r.forgetAsk(f.Turn)
			op.post(op.answered(r, f, req, d, err))
		})
	}()
}

// shownAt is what the decider of a request sees.
func shownAt(t *lifecycle.Ticket, firstSeen lifecycle.Time) hitl.Request {
	req := t.Shown.Clone()
	req.FirstSeen = timeOf(firstSeen)
	return req
}

func decideBy(ctx context.Context, life *lifetime.Lifetime, policy hitl.Policy, req hitl.Request) (hitl.Decision, error) {
	defer life.Callback(ctx, "policy "+hitl.PolicyName(policy))()
	if i, d, err := hitl.Veto(ctx, req, policy); i >= 0 {
		return d.Clone(), err
	}
	shown := req.Clone()
	d, err := policy.Decide(ctx, req)
	d = d.Clone()
	if err == nil && d.Check(shown) == nil { // else nothing comes of it anyway
		err = hitl.CheckDecision(ctx, policy, shown, d)
	}
	return d, err
}

// endAsksFirst ends the questions that a step ends for a reason of their own, before it
// may end the run, and with it whatever is under way.
func (r *run) endAsksFirst(effects []lifecycle.Effect) {
	for _, f := range effects {
		if f, ends := f.(lifecycle.EndAsk); ends && r != nil && (f.Cause == lifecycle.AskElsewhere || f.Cause == lifecycle.AskChanged) {
			r.endAsk(f)
		}
	}
}

// endAsk ends a question whose answer no longer matters.
func (r *run) endAsk(f lifecycle.EndAsk) {
	if u := r.forgetAsk(f.Turn); u != nil {
		u.cancel(askEnds[f.Cause])
		r.done(u)
	}
}

var askEnds = map[lifecycle.AskEnd]error{
	lifecycle.AskElsewhere: hitl.ErrAnsweredElsewhere, lifecycle.AskChanged: hitl.ErrRequestChanged,
	lifecycle.AskLeft: context.Canceled, lifecycle.AskClosed: outcome.ErrClosed,
}

func (r *run) forgetAsk(turn uint64) *undertaking {
	r.mu.Lock()
	defer r.mu.Unlock()
	asks := r.extrasLocked().asks
	u := asks[turn]
	delete(asks, turn)
	return u
}

// answered checks what the policy has decided about req.
func (op *operation) answered(r *run, f lifecycle.AskPolicy, req hitl.Request, d hitl.Decision, err error) lifecycle.Event {
	if err == nil {
		err = d.Check(req) // not what the policy was handed, which it may have changed
	}
	e := lifecycle.Answered{Request: f.Ticket.ID, Digest: f.Ticket.Digest, Turn: f.Turn}
	name := hitl.SafePolicyName(op.work.Settings.Policy)
	if is(err, hitl.ErrRefused) { // the request waits for a decision that may stand
		why := hitl.SafeLine(err.Error(), 500)
		op.requestLogger(req.JobID, req.ID).Warn("duvotool: what the policy decided was refused, and the request is suspended", "policy", name, "reason", why)
		d, err = hitl.Suspend(), nil
		d.By, d.Reason, d.Path = "policy "+name, why, name
	}
	if err != nil {
		e.Error, err = policyFailure(err)
		r.note(lifecycle.CausePolicy, err)
		if r.abandoned() == nil {
			op.requestLogger(req.JobID, req.ID).Error("duvotool: the policy failed; nothing was sent", "policy", name, "error", e.Error)
		}
		return e
	}
	if d.Source == "" {
		d.Source = hitl.SourcePolicy
	}
	if d.Path == "" {
		d.Path = name
	}
	if d.Verdict == hitl.Passed {
		if d.Source == hitl.SourceNobody {
			d.Verdict = hitl.Denied
		} else {
			why := strings.TrimSuffix("no policy had an opinion: "+d.Reason, ": ")
			d = hitl.Decision{By: "policy " + name, Reason: why, Source: hitl.SourcePolicy, Path: d.Path}
		}
	}
	e.Decision = sealed(f.Ticket, d)
	return e
}

// is is errors.Is for an error of a policy, which may do harm.
func is(err, target error) (yes bool) {
	return err != nil && guard.Run(hitl.ErrPolicyPanic, func() error { yes = errors.Is(err, target); return nil }) == nil && yes
}

// policyFailure words the error of a policy, once: reading it may do harm.
func policyFailure(err error) (words string, failure error) {
	harm := guard.Run(hitl.ErrPolicyPanic, func() error {
		failure, words = fmt.Errorf("the policy failed, and nothing was sent to Duvo: %w", err), hitl.SafeLine(err.Error(), 500)
		return nil
	})
	if harm != nil {
		return policyFailure(harm) // which is ours
	}
	return words, failure
}

// sealed makes what the lifecycle must know of a decision: what is sent for it,
// which nobody can change any more.
func sealed(t *lifecycle.Ticket, d hitl.Decision) *lifecycle.Decision {
	out := &lifecycle.Decision{Verdict: verdictOf(d), Given: d.Clone(), Content: t.Shown.ContentDigest(), Nobody: d.NobodyAsked()}
	question := t.Shown.Kind == duvo.Question
	switch {
	case d.Verdict == hitl.Left, d.Verdict == hitl.Suspended:
		return out
	case d.NobodyAsked():
		out.Why = "nobody could be asked, nothing was sent to Duvo, and the Job still waits"
		return out
	case d.Verdict == hitl.Denied && question && d.Source == hitl.SourceTimeout:
		out.Why = "nobody answered the question in time, and the Job still waits"
		return out
	case d.Verdict == hitl.Denied && question:
		out.Why = "the question was denied, which Duvo has no answer for, and the Job still waits"
		return out
	}
	out.Key = "duvotool-" + digest.Of("respond", t.Shown.JobID, t.ID, t.Digest)
	r := duvo.Response{JobID: t.Shown.JobID, RequestID: t.ID, IdempotencyKey: out.Key}
	if d.Verdict == hitl.Answered {
		r.Answers = maps.Clone(d.Answers)
	} else {
		approved := d.Verdict == hitl.Approved
		r.Approved = &approved
	}
	out.Body, _ = json.Marshal(r)
	return out
}

func verdictOf(d hitl.Decision) lifecycle.Verdict {
	switch d.Verdict {
	case hitl.Approved:
		return lifecycle.Approved
	case hitl.Answered:
		return lifecycle.Answering
	case hitl.Left:
		return lifecycle.LeftAlone
	case hitl.Suspended:
		return lifecycle.Suspended
	}
	return lifecycle.Denied
}

// checkRules asks today's rules, and nobody else, whether they deny what was
// decided.
func (op *operation) checkRules(r *run, s *lifecycle.State, f lifecycle.CheckRules) {
	p := s.Record.Request(f.Ticket.ID)
	policy := op.work.Settings.Policy
	op.do(func() lifecycle.Event {
		e := lifecycle.Checked{Name: f.Name}
		if f.Ticket.Shown == nil || p == nil {
			return e
		}
		at := timeOf(p.DecidedAt)
		if throughRegistry(f.Decision.Given) {
			at = timeOf(p.FirstSeen) // it was put off in time, and then no deadline of the policy's ran
		}
		err := guard.Run(hitl.ErrPolicyPanic, func() error {
			defer op.eng.life.Callback(r.Context(), "policy "+hitl.PolicyName(policy))()
			v, certain := hitl.Foresee(policy, shownAt(f.Ticket, p.FirstSeen), at)
			e.Allowed = !(certain && v == hitl.Denied)
			return nil
		})
		if err != nil || !e.Allowed {
			return lifecycle.Checked{Name: f.Name}
		}
		err = op.checkDecision(r.Context(), shownAt(f.Ticket, p.FirstSeen), f.Decision.Given)
		e.Allowed, e.Held = err == nil, is(err, hitl.ErrHeld)
		e.Unclear = err != nil && !is(err, hitl.ErrRefused)
		return e
	}, func(error) lifecycle.Event { return lifecycle.Checked{Name: f.Name} })
}

// checkDecision asks the policy of today whether a decision may stand, for as long as a
// request to Duvo may take.
func (op *operation) checkDecision(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	policy := op.work.Settings.Policy
	ctx, cancel := context.WithTimeout(ctx, op.eng.cfg.PostTimeout)
	defer cancel()
	return guard.Run(hitl.ErrPolicyPanic, func() error {
		defer op.eng.life.Callback(ctx, "policy "+hitl.PolicyName(policy))()
		return hitl.CheckDecision(ctx, policy, req, d)
	})
}

// viaRegistry begins the path of what was decided by Registry.Decide.
const viaRegistry = "Registry.Decide"

// throughRegistry reports whether Registry.Decide was told the decision.
func throughRegistry(d hitl.Decision) bool {
	return d.Path == viaRegistry || strings.HasPrefix(d.Path, viaRegistry+" > ")
}
