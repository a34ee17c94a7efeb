package duvotool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
)

func ExampleTool_Start() {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	ctx := context.Background()
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPollInterval(time.Millisecond),
		duvotool.WithJournal(journal.NewMemory())) // bolt.Open outlives the process
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	refunds, ok := reg.FindTool("Refunds")
	if !ok {
		fmt.Println("there is no such tool")
		return
	}
	res, err := refunds.Start(duvotool.WithOperationKey(ctx, "order 4711"), "Order 4711 arrived broken.")
	if err != nil { // nothing was started
		fmt.Println(err)
		return
	}
	fmt.Println(res.Key, "is", res.Outcome)
	_ = reg.Wait(ctx) // or let the program end: the next one goes on

	res, err = reg.Lookup(ctx, "order 4711") // starts nothing
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Key, "is", res.Outcome+":", res.Output)
	_, err = reg.Lookup(ctx, "order 4712")
	fmt.Println(err)
	// Output:
	// order 4711 is pending
	// order 4711 is completed: not refunded
	// duvotool: no operation has this key: "order 4712"
}
