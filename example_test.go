package duvotool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
)

// askToRefund runs a Job that asks for an approval under a policy.
func askToRefund(p hitl.Policy) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := context.Background()
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPolicy(p), duvotool.WithPollInterval(time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	tool, err := reg.Tool("Refunds")
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := tool.Run(ctx, "Order 4711 arrived broken.")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s", res.Outcome, res.Output)
	for _, d := range res.Decisions {
		fmt.Printf(" (%s by %s: %s)", d.Verdict, d.By, d.Reason)
	}
	fmt.Println()
}

func ExampleAlwaysDeny() {
	askToRefund(hitl.AlwaysDeny())
	// Output: completed: not refunded (denied by policy always-deny: this program's policy approves nothing)
}

func ExampleForward() {
	askToRefund(hitl.Forward(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
		fmt.Println("Asking Kim:", hitl.SafeLine(r.Title, 100))
		return hitl.Approve("kim@example.com", "it was broken"), nil
	}))
	// Output:
	// Asking Kim: Refund 120 EUR
	// completed: refunded (approved by kim@example.com: it was broken)
}

func ExampleAutoApprove() {
	askToRefund(hitl.AutoApprove(
		hitl.For(refundsID).TitleMatches(`Refund \d+ EUR`).AtMost(10),
		hitl.For(refundsID).DescriptionMatches(`(?is).*gift card.*`).Denies(),
	))
	// Output: completed: refunded (approved by policy auto-approve: rule 1: Assignment 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11, title matches "Refund \\d+ EUR")
}

func ExampleFirstOf() {
	askToRefund(hitl.FirstOf(
		hitl.AutoApprove(hitl.For(refundsID).TitleIs("Send the receipt")),
		hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Deny("the night shift", "come back tomorrow"), nil
		}),
	))
	// Output: completed: not refunded (denied by the night shift: come back tomorrow)
}

func ExampleLeaveToDuvo() {
	d, err := hitl.LeaveToDuvo().Decide(context.Background(), hitl.Request{})
	fmt.Println(d.Verdict, err)
	// Output: left <nil>
}

func ExampleRegistry_Decide() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := duvotool.WithOperationScope(context.Background(), "conversation 1")
	later := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPolicy(later), duvotool.WithPollInterval(time.Millisecond))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	tool, err := reg.Tool("Refunds")
	if err != nil {
		fmt.Println(err)
		return
	}
	res, _ := tool.Run(ctx, "Order 4711 arrived broken.")
	fmt.Println(res.Outcome)
	for _, r := range reg.Pending() { // on a page, or in a chat
		fmt.Println(r.Title, reg.Decide(ctx, r, hitl.Approve("kim@example.com", "fine")))
	}
	res, _ = tool.Run(ctx, "Order 4711 arrived broken.")
	fmt.Println(res.Outcome, res.Output)
	// Output:
	// pending
	// Refund 120 EUR <nil>
	// completed refunded
}
