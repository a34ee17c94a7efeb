package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
)

var refunds = duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds", Script: func(j *duvotest.Job) {
	if j.AskApproval("Refund "+j.Input()+" EUR", "") {
		j.Complete("Refunded.")
	}
	j.Complete("Not refunded.")
}}

func person(name string, most int) hitl.PolicyFunc {
	return func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
		if amount(r) <= most {
			return hitl.Approve(name, "within my limit"), nil
		}
		return hitl.Deny(name, fmt.Sprintf("more than the %d EUR that I may approve", most)), nil
	}
}

var help = usage.Text{
	Does: "Shows a policy of one's own: refunds by amount, two people for the largest.",
	About: `Four refunds run on an emulator inside this process, where kim@example.com may
approve up to 5000 EUR and lee@example.com up to 1000.`,
	Examples: []string{"custom-policy"},
}

func main() {
	if code, done := help.Parse(flag.NewFlagSet("custom-policy", flag.ContinueOnError), os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	p := duvotool.WithPolicy(Refunds(refunds.ID, 50, 500, person("kim@example.com", 5000), person("lee@example.com", 1000)))
	reg, err := duvotool.Discover(context.Background(), d.Client(), p, duvotool.WithPollInterval(20*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = reg.Close(context.Background()) }()
	tool, err := reg.Tool("Refunds")
	if err != nil {
		log.Fatal(err)
	}
	for _, euros := range []string{"20", "300", "900", "3000"} {
		res, err := tool.Run(context.Background(), euros)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s EUR: %s\n", euros, res.Output)
		for _, d := range res.Decisions {
			fmt.Println("  ", d.Summary())
		}
	}
}
