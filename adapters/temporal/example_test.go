package temporal_test

import (
	"context"
	"fmt"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/temporal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"go.temporal.io/sdk/client"
)

// A registry on Temporal is used as any other.
func ExampleOn() {
	ctx := context.Background()
	c, err := client.Dial(client.Options{HostPort: "127.0.0.1:7233"})
	if err != nil {
		return
	}
	defer c.Close()
	duvoClient, err := duvo.FromEnv()
	if err != nil {
		return
	}
	putOff := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	reg, err := duvotool.Discover(ctx, duvoClient,
		temporal.On(c, "refunds"), // all processes with this queue share the work
		duvotool.WithPolicy(putOff))
	if err != nil {
		return
	}
	defer reg.Close(context.Background())

	refunds, err := reg.Tool("Refunds")
	if err != nil {
		return
	}
	ctx = duvotool.WithOperationKey(ctx, "order 4711")
	res, err := refunds.Run(ctx, "Order 4711 arrived broken.") // starts the workflow, or joins it
	if err != nil {
		return
	}
	for _, req := range reg.Pending() { // in any process
		err = reg.Decide(ctx, req, hitl.Approve("kim@example.com", "the photo shows it"))
	}
	fmt.Println(res.Outcome, err)
}
