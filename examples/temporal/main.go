// Command temporal hands a complaint over to an Assignment of Duvo, with the operation
// on a Temporal server: kill the program at any moment and start it again, here or on
// another machine, and there is one Job and one decision. Several at once share the work.
//
//	go run ./cmd/duvo-emulator              # prints lines to paste, for the real Duvo's variables
//	go run ./examples/temporal -address 127.0.0.1:7233 -order 4711
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/temporal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/duvotool/duvotool/outcome"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

var help = usage.Text{
	Does: "Hands a complaint to Duvo, with the operation on a Temporal server.",
	About: `Kill it at any moment and start it again, here or on another machine: there is one
Job and one decision. Several at once share the work.`,
	Env:      usage.Duvo("it is needed"),
	Examples: []string{"temporal", "temporal -address 127.0.0.1:7233 -order 4711"},
}

func main() {
	fs := flag.NewFlagSet("temporal", flag.ContinueOnError)
	address := fs.String("address", client.DefaultHostPort, "the `ADDRESS` of the Temporal server")
	namespace := fs.String("namespace", client.DefaultNamespace, "the `NAMESPACE` on the server")
	tool := fs.String("tool", "Complaint handler", "the Assignment's `NAME`")
	order := fs.String("order", "4711", "the `NUMBER` of the order that the complaint is about: the operation's key")
	approve := fs.String("approve", "", "decided beforehand: `yes|no`; empty: you are asked")
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Stdin, os.Stdout, client.Options{HostPort: *address, Namespace: *namespace}, *tool, *order, *approve)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer, opts client.Options, tool, order, approve string) error {
	opts.Logger = log.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	c, err := client.Dial(opts)
	if err != nil {
		return err
	}
	defer c.Close()
	b, err := duvo.FromEnv()
	if err != nil {
		return err
	}
	// What is put off waits in the workflow, for whoever decides, in whichever process.
	putOff := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	reg, err := duvotool.Discover(ctx, b, temporal.On(c, "refunds"), duvotool.WithPolicy(putOff))
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = reg.Close(ending)
	}()
	refunds, err := reg.Tool(tool)
	if err != nil {
		return err
	}
	ctx = duvotool.WithOperationKey(ctx, "order "+order)
	for {
		res, err := refunds.Run(ctx, "Order "+order+" arrived broken. I want my money back.")
		if err != nil {
			return err
		}
		if res.Outcome != outcome.OutcomePending {
			fmt.Fprintf(out, "Job %s is %s: %s\n", res.JobID, res.Outcome, res.Output)
			return nil
		}
		if err := decide(ctx, in, out, reg, res.JobID, approve); err != nil {
			return err
		}
	}
}

// decide decides what the Job waits for.
func decide(ctx context.Context, in io.Reader, out io.Writer, reg *duvotool.Registry, jobID, approve string) error {
	for _, req := range reg.Pending() {
		if req.JobID != jobID {
			continue
		}
		fmt.Fprintf(out, "%s\nApprove? (yes or no) ", req)
		answer := approve
		if answer == "" {
			line, err := bufio.NewReader(in).ReadString('\n')
			if err != nil {
				return err
			}
			answer = strings.TrimSpace(line)
		}
		fmt.Fprintln(out, answer)
		d := hitl.Decision{Verdict: hitl.Denied, By: "you, at the terminal"}
		if answer == "yes" {
			d.Verdict = hitl.Approved
		}
		if err := reg.Decide(ctx, req, d); err != nil && !errors.Is(err, outcome.ErrNotPending) {
			return err
		}
		return nil
	}
	select { // the list of what waits is a little behind
	case <-time.After(200 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
