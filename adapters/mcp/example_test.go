package mcp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func ExampleConnect() {
	ctx := context.Background()
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	// Against Duvo: mcp.FromEnv(ctx).
	client, err := mcp.Connect(ctx, mcp.With(duvotestmcp.New(d).Options()...))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for a, err := range client.Assignments(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(a.Name)
	}
	// Output:
	// Complaint handler
	// Order status
	// Contract review
	// Newsletter
}

func ExampleServer() {
	ctx := context.Background()
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	reg, err := duvotool.Discover(ctx, d.Client(),
		duvotool.WithPolicy(mcp.Elicit(nil)), // the host's user answers questions, and approves nothing
		duvotool.WithObserver(mcp.Progress(nil)))
	if err != nil {
		log.Fatal(err)
	}
	defer reg.Close(ctx)
	server, err := mcp.NewServer(reg)
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close(ctx)
	// A program that a host starts would serve &sdk.StdioTransport{}.
	ours, theirs := sdk.NewInMemoryTransports()
	go func() { _ = server.Run(ctx, ours) }()

	host, err := sdk.NewClient(&sdk.Implementation{Name: "host"}, nil).Connect(ctx, theirs, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer host.Close()
	for tool, err := range host.Tools(ctx, nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(tool.Name)
	}
	// Output:
	// complaint_handler
	// contract_review
	// newsletter
	// order_status
}
