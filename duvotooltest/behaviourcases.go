package duvotooltest

import (
	"context"
	"errors"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

func (b *behaviour) oneKey() {
	reg := b.open(approves())
	first, second := b.call(b.Context(), reg, "Refunds", "order 1", "order 1"), b.call(b.Context(), reg, "Refunds", "order 1", "order 1")
	x, y := <-first, <-second
	b.ok(x.err)
	b.ok(y.err)
	b.want(x.res.Output == "refunded order 1" && x.res.Outcome == outcome.OutcomeCompleted, "%s: %q", x.res.Outcome, x.res.Output)
	b.want(x.res.JobID == y.res.JobID && x.res.Output == y.res.Output, "two callers of one key got %s and %s", x.res.JobID, y.res.JobID)
	b.want(len(x.res.Decisions) == 1 && x.res.Decisions[0].By == kim.By && x.res.Decisions[0].Delivery == hitl.Accepted, "%+v", x.res.Decisions)
	again := b.run(reg, "Refunds", "order 1", "order 1")
	b.want(again.JobID == x.res.JobID && again.Repeated, "a later call got %s, repeated: %t", again.JobID, again.Repeated)
	b.sent(1, 1)
	b.want(b.d.Count("startRun") == 1 && b.d.Count("respondToHumanRequest") == 1, "%d starts and %d responses were sent", b.d.Count("startRun"), b.d.Count("respondToHumanRequest"))

	other := b.run(reg, "Refunds", "order 2", "order 1")
	b.want(other.JobID != x.res.JobID, "another key got the same Job")
	b.sent(2, 2)
}

func (b *behaviour) keyReused() {
	reg := b.open(approves())
	b.run(reg, "Talks", "key", "one")
	c := <-b.call(b.Context(), reg, "Talks", "key", "two")
	b.want(errors.Is(c.err, outcome.ErrKeyReused), "%v", c.err)
	c = <-b.call(b.Context(), reg, "Fails", "key", "one")
	b.want(errors.Is(c.err, outcome.ErrKeyReused), "%v", c.err)
	b.sent(1, 0)
}

func (b *behaviour) lostStart() {
	reg := b.open(approves())
	b.d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter})
	res := b.run(reg, "Talks", "key", "you")
	b.want(res.Output == "hello you", "%q", res.Output)
	b.sent(1, 0)
	b.want(b.d.Count("startRun") == 2, "%d starts were sent", b.d.Count("startRun"))
}

func (b *behaviour) lostResponse() {
	reg := b.open(approves())
	b.d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetAfter})
	res := b.run(reg, "Refunds", "key", "order 3")
	b.want(res.Output == "refunded order 3" && len(res.Decisions) == 1, "%q, %+v", res.Output, res.Decisions)
	b.sent(1, 1)
	b.want(b.d.Count("respondToHumanRequest") == 1, "%d responses were sent", b.d.Count("respondToHumanRequest"))
}

func (b *behaviour) oneDecision() {
	reg := b.open(putsOff())
	res := b.run(reg, "Refunds", "key", "order 4")
	b.want(res.Outcome == outcome.OutcomePending, "%s", res.Outcome)
	req := b.pending(reg)
	b.want(req.Title == "Refund 120 EUR" && req.Input == "order 4" && req.Key == "key", "%+v", req)
	b.want(b.d.Count("respondToHumanRequest") == 0, "something was decided")

	results := make(chan error, 2)
	for _, by := range []string{"kim@example.com", "robin@example.com"} {
		go func() { results <- reg.Decide(b.Context(), req, hitl.Decision{Verdict: hitl.Approved, By: by}) }()
	}
	x, y := <-results, <-results
	b.want((x == nil) != (y == nil), "of two decisions one counts: %v, %v", x, y)
	late := x
	if late == nil {
		late = y
	}
	b.want(errors.Is(late, outcome.ErrNotPending), "%v", late)
	end := b.run(reg, "Refunds", "key", "order 4")
	b.want(end.Output == "refunded order 4" && len(end.Decisions) == 1, "%q, %+v", end.Output, end.Decisions)
	b.want(errors.Is(reg.Decide(b.Context(), req, kim), outcome.ErrNotPending), "what is over was decided once more")
	b.sent(1, 1)
	b.want(b.d.Count("respondToHumanRequest") == 1, "%d responses were sent", b.d.Count("respondToHumanRequest"))
}

func (b *behaviour) changedText() {
	reg := b.open(putsOff())
	b.run(reg, "Refunds", "key", "order 5")
	before := b.pending(reg)
	b.want(b.d.Jobs()[0].ID == before.JobID, "the request is of another Job")
	b.ok(b.d.ChangeRequest(before.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 1,200 EUR" }))
	if err := reg.Decide(b.Context(), before, kim); err == nil {
		b.Fatal("a decision about a text that has changed was taken")
	}
	b.want(b.d.Count("respondToHumanRequest") == 0, "a decision about a text that has changed was sent")
	now := b.pending(reg)
	for now.Title == before.Title { // until it was read
		b.want(b.Context().Err() == nil, "the change was not noticed")
		select {
		case <-time.After(50 * time.Millisecond):
		case <-b.Context().Done():
		}
		now = b.pending(reg)
	}
	b.want(now.Digest() != before.Digest(), "the new text has the old digest")
	b.want(reg.Decide(b.Context(), before, kim) != nil, "a decision about the old text was taken")
	b.ok(reg.Decide(b.Context(), now, kim))
	end := b.run(reg, "Refunds", "key", "order 5")
	b.want(end.Output == "refunded order 5", "%q", end.Output)
	b.sent(1, 1)
	b.want(b.d.Count("respondToHumanRequest") == 1, "%d responses were sent", b.d.Count("respondToHumanRequest"))
}

func (b *behaviour) leaving() {
	waits, asked := b.waits()
	stay := make(chan struct{}, 1)
	reg := b.open(hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
		select {
		case <-stay:
			return kim, nil
		default:
			return waits.Decide(ctx, r)
		}
	}))
	ctx, leave := context.WithCancel(b.Context())
	call := b.call(ctx, reg, "Refunds", "key", "order 6")
	<-asked
	leave()
	c := <-call
	var job *outcome.JobError
	b.want(errors.As(c.err, &job) && errors.Is(c.err, context.Canceled), "%v", c.err)
	b.want(job.Key == "key" && job.JobID != "", "the error tells the key %q and the Job %q", job.Key, job.JobID)
	b.want(b.d.Count("respondToHumanRequest") == 0 && b.d.Count("stopRun") == 0, "something was sent for a caller who had left")

	stay <- struct{}{}
	res := b.run(reg, "Refunds", "key", "order 6")
	b.want(res.JobID == job.JobID && res.Output == "refunded order 6", "%s: %q", res.JobID, res.Output)
	b.sent(1, 1)
	b.want(b.d.Count("startRun") == 1, "%d starts were sent", b.d.Count("startRun"))
}

func (b *behaviour) restartAsked() {
	waits, asked := b.waits()
	first := b.open(waits)
	call := b.call(b.Context(), first, "Refunds", "key", "order 7")
	<-asked
	b.close(first)
	c := <-call
	b.want(errors.Is(c.err, outcome.ErrClosed), "%v", c.err)
	b.want(b.d.Count("respondToHumanRequest") == 0, "something was decided by a policy that was cut short")

	res := b.run(b.open(approves()), "Refunds", "key", "order 7")
	b.want(res.Output == "refunded order 7" && len(res.Decisions) == 1, "%q, %+v", res.Output, res.Decisions)
	b.sent(1, 1)
	b.want(b.d.Count("startRun") == 1, "%d starts were sent", b.d.Count("startRun"))
}

func (b *behaviour) restartPutOff() {
	first := b.open(putsOff())
	b.run(first, "Refunds", "key", "order 8")
	shown := b.pending(first)
	b.close(first)

	second := b.open(putsOff())
	req := b.pending(second)
	b.want(req.Digest() == shown.Digest(), "another text waits after the restart")
	b.ok(second.Decide(b.Context(), shown, kim)) // as it was shown before
	res := b.run(second, "Refunds", "key", "order 8")
	b.want(res.Output == "refunded order 8", "%q", res.Output)
	b.sent(1, 1)
	found, err := second.Lookup(b.Context(), "key")
	b.ok(err)
	b.want(found.JobID == res.JobID && found.Outcome == outcome.OutcomeCompleted, "%s: %s", found.JobID, found.Outcome)
	_, err = second.Lookup(b.Context(), "another key")
	b.want(errors.Is(err, outcome.ErrUnknownKey), "%v", err)
	b.want(b.d.Count("startRun") == 1 && b.d.Count("respondToHumanRequest") == 1, "%d starts and %d responses were sent", b.d.Count("startRun"), b.d.Count("respondToHumanRequest"))
}

func (b *behaviour) followUp() {
	reg := b.open(approves())
	first := b.run(reg, "Talks", "first", "you")
	b.want(first.Output == "hello you", "%q", first.Output)
	ctx := duvotool.WithOperationKey(b.Context(), "second")
	for range 2 {
		second, err := reg.Continue(ctx, first, "the weather")
		b.ok(err)
		b.want(second.Output == "about the weather" && second.JobID == first.JobID, "%q", second.Output)
		b.want(second.Input == "you" && second.FollowUp == "the weather", "input %q, follow-up %q", second.Input, second.FollowUp)
	}
	b.sent(1, 1)
	b.want(b.d.Count("postRunMessage") == 1, "%d messages were posted", b.d.Count("postRunMessage"))
	again := b.run(reg, "Talks", "first", "you")
	b.want(again.Output == "hello you", "what the first call came to is now %q", again.Output)
}

func (b *behaviour) outcomes() {
	reg := b.open(approves())
	for name, want := range map[string]outcome.Outcome{"Talks": outcome.OutcomeCompleted, "Fails": outcome.OutcomeFailed, "Breaks off": outcome.OutcomeInterrupted} {
		res := b.run(reg, name, name, "you")
		b.want(res.Outcome == want && len(res.Messages) > 0 && !res.EndedAt.IsZero(), "%s: %s", name, res.Outcome)
	}
	b.sent(3, 0)
}

func (b *behaviour) denial() {
	reg := b.open(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Decision{Verdict: hitl.Denied, By: "kim@example.com", Reason: "too much"}, nil
	}))
	res := b.run(reg, "Refunds", "key", "order 9")
	b.want(res.Outcome == outcome.OutcomeCompleted && res.Output == "not refunded", "%s: %q", res.Outcome, res.Output)
	b.want(len(res.Decisions) == 1 && res.Decisions[0].Verdict == hitl.Denied && res.Decisions[0].Reason == "too much", "%+v", res.Decisions)
	b.sent(1, 1)
}

func (b *behaviour) failure() {
	reg := b.open(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { panic("no") }))
	c := <-b.call(b.Context(), reg, "Refunds", "key", "order 10")
	var job *outcome.JobError
	b.want(errors.As(c.err, &job) && errors.Is(c.err, hitl.ErrPolicyPanic) && job.Phase == outcome.PhaseDeciding, "%v", c.err)
	b.sent(1, 0)
	b.want(b.d.Count("respondToHumanRequest") == 0, "something was sent for a policy that failed")
}

func (b *behaviour) stop() {
	reg := b.open(putsOff())
	b.run(reg, "Refunds", "key", "order 11")
	req := b.pending(reg)
	res, err := reg.Stop(b.Context(), req.JobID, "robin@example.com")
	b.ok(err)
	b.want(res.Outcome == outcome.OutcomeStopped, "%s", res.Outcome)
	b.want(errors.Is(reg.Decide(b.Context(), req, kim), outcome.ErrNotPending), "a request of a Job that was stopped was decided")
	b.sent(1, 0)
	b.want(b.d.Count("stopRun") >= 1, "no stop was sent")
	_, err = reg.Stop(b.Context(), "00000000-0000-4000-8000-000000000000", "robin@example.com")
	b.want(errors.Is(err, outcome.ErrUnknownJob), "%v", err)
}

func (b *behaviour) start() {
	reg := b.open(approves())
	ctx := duvotool.WithOperationKey(b.Context(), "key")
	res, err := b.tool(reg, "Refunds").Start(ctx, "order 12")
	b.ok(err)
	b.want(res.Key == "key", "the key is %q", res.Key)
	end := b.run(reg, "Refunds", "key", "order 12")
	b.want(end.Output == "refunded order 12", "%q", end.Output)
	b.sent(1, 1)
}
