package duvotool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
)

// askToRefund runs a Job that asks for an approval under a policy.
func askToRefund(p duvotool.Policy) {
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
	askToRefund(duvotool.AlwaysDeny())
	// Output: completed: not refunded (denied by policy always-deny: this program's policy approves nothing)
}

func ExampleForward() {
	askToRefund(duvotool.Forward(func(ctx context.Context, r duvotool.Request) (duvotool.Decision, error) {
		fmt.Println("Asking Kim:", duvotool.SafeLine(r.Title, 100))
		return duvotool.Approve("kim@example.com", "it was broken"), nil
	}))
	// Output:
	// Asking Kim: Refund 120 EUR
	// completed: refunded (approved by kim@example.com: it was broken)
}

func ExampleAutoApprove() {
	askToRefund(duvotool.AutoApprove(
		duvotool.For(refundsID).TitleMatches(`Refund \d+ EUR`).AtMost(10),
		duvotool.For(refundsID).DescriptionMatches(`(?is).*gift card.*`).Denies(),
	))
	// Output: completed: refunded (approved by policy auto-approve: rule 1: Assignment 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11, title matches "Refund \\d+ EUR")
}

func ExampleFirstOf() {
	askToRefund(duvotool.FirstOf(
		duvotool.AutoApprove(duvotool.For(refundsID).TitleIs("Send the receipt")),
		duvotool.PolicyFunc(func(context.Context, duvotool.Request) (duvotool.Decision, error) {
			return duvotool.Deny("the night shift", "come back tomorrow"), nil
		}),
	))
	// Output: completed: not refunded (denied by the night shift: come back tomorrow)
}

func ExampleLeaveToDuvo() {
	d, err := duvotool.LeaveToDuvo().Decide(context.Background(), duvotool.Request{})
	fmt.Println(d.Verdict, err)
	// Output: left <nil>
}

func ExampleRegistry_Decide() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := duvotool.WithOperationScope(context.Background(), "conversation 1")
	later := duvotool.PolicyFunc(func(context.Context, duvotool.Request) (duvotool.Decision, error) { return duvotool.Suspend(), nil })
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
		fmt.Println(r.Title, reg.Decide(ctx, r, duvotool.Approve("kim@example.com", "fine")))
	}
	res, _ = tool.Run(ctx, "Order 4711 arrived broken.")
	fmt.Println(res.Outcome, res.Output)
	// Output:
	// pending
	// Refund 120 EUR <nil>
	// completed refunded
}
