package duvotooltest

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// Whole Jobs, through a registry over the backend.

func (b *backendTest) discover(opts ...duvotool.Option) *duvotool.Registry {
	b.Helper()
	reg, err := duvotool.Discover(b.Context(), b.b, opts...)
	b.ok(err)
	b.Cleanup(func() { _ = reg.Close(context.Background()) })
	return reg
}

func (b *backendTest) tool(reg *duvotool.Registry, name string) *duvotool.Tool {
	b.Helper()
	t, err := reg.Tool(name)
	b.ok(err)
	return t
}

// accepted counts the responses that the Duvo took for a request.
func (b *backendTest) accepted() (n int) {
	for _, j := range b.d.Jobs() {
		for _, q := range j.Requests {
			if q.Response != nil && !q.Response.Elsewhere {
				n++
			}
			b.want(!q.Bypassed, "a request was walked past")
		}
	}
	return n
}

func (b *backendTest) people() {
	kim := NewOperator("kim@example.com").Approves("Refund 120 EUR").
		Answers("Survey", map[string]string{"Which ones?": hitl.JoinChoices("a, b", "c"), "Why \"so\"?": "why not"})
	reg := b.discover(duvotool.WithPolicy(kim))
	for name, want := range map[string]string{"Refunds": "Refunded.", "Survey": "a, b, c; why not", "Slow": "done"} {
		res, err := b.tool(reg, name).Run(b.Context(), "order 4711")
		b.ok(err)
		b.want(res.Outcome == outcome.OutcomeCompleted && res.Output == want, "%s: %s %q", name, res.Outcome, res.Output)
	}
	b.want(len(kim.Asked()) == 2 && b.accepted() == 2, "%d questions, %d responses", len(kim.Asked()), b.accepted())

	// Nobody approves anything.
	res, err := b.tool(b.discover(), "Refunds").Run(b.Context(), "order 4712")
	b.ok(err)
	b.want(res.Output == "Not refunded." && res.Decisions[0].Delivery == hitl.Accepted, "denied: %q, %+v", res.Output, res.Decisions)

	// A policy that fails sends nothing.
	sent := b.d.Count("respondToHumanRequest")
	failing := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Approve("kim@example.com", ""), errors.New("no")
	})
	_, err = b.tool(b.discover(duvotool.WithPolicy(failing)), "Refunds").Run(b.Context(), "order 4713")
	var failed *outcome.JobError
	b.want(errors.As(err, &failed) && b.d.Count("respondToHumanRequest") == sent, "a policy that fails: %v", err)

	// Somebody else answers.
	reg = b.discover(duvotool.WithPolicy(hitl.LeaveToDuvo()))
	time.AfterFunc(time.Minute, func() {
		for _, j := range b.d.Jobs() {
			if j.Input == "order 4714" {
				_ = b.d.AnswerElsewhere(j.ID, duvo.Response{Approved: &yes})
			}
		}
	})
	res, err = b.tool(reg, "Refunds").Run(b.Context(), "order 4714")
	b.ok(err)
	b.want(res.Output == "Refunded." && b.d.Count("respondToHumanRequest") == sent, "answered elsewhere: %q", res.Output)
}

func (b *backendTest) takenUp() {
	reg := b.discover()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	_, err := b.tool(reg, "Slow").Run(ctx, "x")
	var left *outcome.JobError
	b.want(errors.As(err, &left) && errors.Is(err, context.DeadlineExceeded) && left.JobID != "", "a caller that leaves: %v", err)
	sent := len(b.d.Requests())
	time.Sleep(10 * time.Minute)
	b.want(len(b.d.Requests()) == sent, "something was sent for a caller that had left")
	res, err := b.tool(reg, "Slow").Run(duvotool.WithOperationKey(b.Context(), left.Key), "x")
	b.ok(err)
	b.want(res.JobID == left.JobID && res.Output == "done" && len(b.d.Jobs()) == 1, "taken up: %+v", res)
}

type lifecycleFault struct {
	name   string
	faults []duvotest.Fault
}

// lifecycleFaults are all faults of all operations that a Job needs, once and
// a few times in a row.
func lifecycleFaults() []lifecycleFault {
	out := []lifecycleFault{{name: "no fault"}}
	for _, op := range []string{"startRun", "getRun", "listRunMessages", "respondToHumanRequest"} {
		for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.LateEffect, duvotest.StatusBefore, duvotest.StatusAfter,
			duvotest.Truncate, duvotest.NotJSON, duvotest.Hang} {
			for _, times := range []int{1, 3} {
				out = append(out, lifecycleFault{fmt.Sprintf("%s %s %d", op, kind, times),
					[]duvotest.Fault{{Op: op, Kind: kind, Times: times, EffectDelay: 3 * time.Second}}})
			}
		}
		out = append(out, lifecycleFault{op + " 429", []duvotest.Fault{{Op: op, Kind: duvotest.StatusBefore, Status: 429, RetryAfter: 20 * time.Second}}},
			lifecycleFault{op + " 409", []duvotest.Fault{{Op: op, Kind: duvotest.StatusAfter, Status: 409, Skip: map[bool]int{true: 1 << 20}[op == "getRun" || op == "listRunMessages"]}}})
	}
	return out
}

// wholeJob: whatever goes wrong, there is one Job, one response, and its
// output.
func (b *backendTest) wholeJob(f lifecycleFault) {
	kim := NewOperator("kim@example.com").Approves("")
	reg := b.discover(duvotool.WithPolicy(kim))
	b.d.Inject(f.faults...)
	res, err := b.tool(reg, "Refunds").Run(b.Context(), "order 4711")
	b.ok(err)
	b.want(res.Outcome == outcome.OutcomeCompleted && res.Output == "Refunded.", "%s: %s %q", f.name, res.Outcome, res.Output)
	synctest.Wait()
	b.want(len(b.d.Jobs()) == 1, "%s: %d Jobs", f.name, len(b.d.Jobs()))
	b.want(len(kim.Asked()) == 1 && b.accepted() == 1, "%s: asked %d times, %d responses", f.name, len(kim.Asked()), b.accepted())
	keys := map[string]bool{}
	for _, r := range b.d.Requests() {
		if r.Op == "startRun" || r.Op == "respondToHumanRequest" {
			keys[r.Op+r.Header.Get("Idempotency-Key")+string(r.Body)] = true
		}
	}
	b.want(len(keys) == 2, "%s: the attempts differ: %v", f.name, keys)
	b.want(res.Decisions[0].By == "kim@example.com" && res.Decisions[0].Kind == duvo.Approval, "%s: %+v", f.name, res.Decisions)
}
