// Smallest lists a team's Assignments and runs one of them.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
)

func main() {
	ctx := context.Background()
	client, err := duvo.FromEnv() // DUVO_API_KEY
	if err != nil {
		log.Fatal(err)
	}
	reg, err := duvotool.Discover(ctx, client) // every request is denied: the default
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close(ctx)

	for _, tool := range reg.Tools() { // give these to a langchaingo agent
		fmt.Println(tool.Name(), "-", tool.Description())
	}
	tool, err := reg.Tool("Order status") // or run one yourself
	if err != nil {
		log.Fatal(err)
	}
	res, err := tool.Run(ctx, "Where is order 4711?")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Outcome, res.Output)
}
