// Email-triage hands an inbound e-mail to the Duvo Assignment that fits it,
// asks you whenever the Job wants a person's decision, and prints how it ended.
//
// Without any environment it runs on a Duvo emulator inside this process, with
// a stand-in for the model. With DUVO_API_KEY set it talks to Duvo
// (DUVO_API_BASE_URL, DUVO_TEAM_ID). With OPENAI_API_KEY (OPENAI_BASE_URL,
// OPENAI_MODEL) or OLLAMA_HOST (OLLAMA_MODEL) set it uses that model. With
// -transport mcp Duvo, or the emulator, is reached through its MCP server.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/chains"
	"golang.org/x/term"
)

const defaultMessage = "Hello, my order 4711 arrived today and the coffee machine in it is damaged: " +
	"the glass is broken and it leaks. I am very unhappy and want a refund of the 120 EUR I paid. Kim"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], console{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
	})
	stop()
	os.Exit(code)
}

// A console is where the program talks to a person.
type console struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // somebody can read err, and type
}

type flags struct {
	message   string
	transport string
	approve   string
	answers   answerFlags
	json      bool
	poll      time.Duration
	timeout   time.Duration
}

func parseFlags(args []string, out io.Writer) (flags, error) {
	var f flags
	fs := flag.NewFlagSet("email-triage", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&f.message, "message", defaultMessage, "the e-mail's `TEXT`")
	fs.StringVar(&f.transport, "transport", "rest", "how Duvo is reached: `rest|mcp`")
	fs.StringVar(&f.approve, "approve", "ask", "who decides about approvals: `ask|yes|no`; without a terminal, ask denies")
	fs.Var(&f.answers, "answer", "answer a question, as `'question=answer'`; may be given several times")
	fs.BoolVar(&f.json, "json", false, "print one JSON object on stdout")
	fs.DurationVar(&f.poll, "poll", 0, "how often the Job is read (default: 100ms on the emulator, else by the Job's age, from 5s)")
	fs.DurationVar(&f.timeout, "timeout", 30*time.Minute, "the Job's time limit; the time a person takes is not counted")
	if err := fs.Parse(args); err != nil {
		return f, err
	}
	switch {
	case fs.NArg() > 0:
		return f, fmt.Errorf("unexpected argument %q; the e-mail's text goes behind -message", fs.Arg(0))
	case f.approve != "ask" && f.approve != "yes" && f.approve != "no":
		return f, fmt.Errorf("-approve is ask, yes or no, not %q", f.approve)
	case f.transport != "rest" && f.transport != "mcp":
		return f, fmt.Errorf("-transport is rest or mcp, not %q", f.transport)
	case strings.TrimSpace(f.message) == "":
		return f, errors.New("-message is empty")
	case f.poll < 0 || f.timeout < 0:
		return f, errors.New("-poll and -timeout cannot be negative")
	}
	return f, nil
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, c console) int {
	screen := terminal.NewScreen(c.err) // the progress and the operator's prompt share it
	c.err = screen
	f, err := parseFlags(args, c.err)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = triage(ctx, f, c, screen)
	}
	if err != nil {
		fmt.Fprintln(c.err, "email-triage:", hitl.SafeLine(err.Error(), 1000))
		return 1
	}
	return 0
}

func triage(ctx context.Context, f flags, c console, screen *terminal.Screen) error {
	backend, poll, closeBackend, err := connect(ctx, f, c)
	if err != nil {
		return err
	}
	defer closeBackend()

	policy, err := policyFor(f, c)
	if err != nil {
		return err
	}
	progress := &progress{out: screen, asks: c.terminal && f.approve == "ask"}
	opts := []duvotool.Option{
		duvotool.WithPolicy(policy),
		duvotool.WithJobTimeout(f.timeout),
		duvotool.WithObserver(progress.observe),
	}
	if poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(poll))
	}
	reg, err := duvotool.Discover(ctx, backend, opts...)
	if err != nil {
		return err
	}
	if len(reg.All()) == 0 {
		_ = reg.Close(ctx)
		return errors.New("this team has no Assignments; make one in Duvo first")
	}
	fmt.Fprintf(c.err, "Assignments on offer: %d\n", len(reg.All()))
	for _, t := range reg.All() {
		fmt.Fprintf(c.err, "  %s: %s\n", t.Name(), hitl.SafeLine(t.Description(), 100))
	}

	executor, modelName, err := newExecutor(reg.Tools())
	if err != nil {
		_ = reg.Close(ctx)
		return err
	}
	fmt.Fprintf(c.err, "Model: %s\n", modelName)
	// One scope for the e-mail: a model that repeats a call starts no second Job.
	scoped := duvotool.WithOperationScope(ctx, fmt.Sprintf("email-%d", time.Now().UnixNano()))
	quiet := progress.start()
	answer, runErr := chains.Run(scoped, executor, f.message)
	quiet()

	// Closing also waits until the observer has been told everything.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	closeErr := reg.Close(closing)
	switch {
	case runErr != nil:
		return runErr
	case closeErr != nil:
		return closeErr
	case progress.result == nil:
		return fmt.Errorf("the model started no Job; it said: %s", answer)
	}
	if err := report(c.out, f.json, progress.result, answer); err != nil {
		return err
	}
	if !progress.result.Status.Terminal() {
		return fmt.Errorf("the Job has not ended: its outcome is %s", progress.result.Outcome)
	}
	return nil
}

// connect returns the way to the real Duvo, or to one in this process.
func connect(ctx context.Context, f flags, c console) (backend duvotool.Backend, poll time.Duration, done func(), err error) {
	poll, done = f.poll, func() {}
	var client *duvo.Client
	var tools *mcp.Client
	switch real := os.Getenv(duvo.EnvAPIKey) != ""; {
	case real && f.transport == "rest":
		client, err = duvo.FromEnv()
	case real:
		tools, err = mcp.FromEnv(ctx)
	default:
		d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
		server := duvotestmcp.New(d) // REST, and MCP beside it
		fmt.Fprintf(c.err, "Duvo emulator at %s (set %s to use the real one)\n", server.Listen(), duvo.EnvAPIKey)
		done = func() {
			d.Close()
			server.Close()
		}
		if poll == 0 {
			poll = 100 * time.Millisecond
		}
		if f.transport == "rest" {
			client, err = duvo.New(server.Options()...)
		} else {
			tools, err = mcp.Connect(ctx, mcp.With(server.Options()...))
		}
	}
	if err != nil {
		done()
		return nil, 0, nil, err
	}
	if tools == nil {
		fmt.Fprintf(c.err, "Duvo: %s\n", client)
		return client, poll, done, nil
	}
	fmt.Fprintf(c.err, "Duvo: %s, through MCP %s\n", tools, tools.Protocol())
	end := done
	return tools, poll, func() {
		_ = tools.Close()
		end()
	}, nil
}

// report prints the outcome.
func report(out io.Writer, asJSON bool, r *outcome.Result, answer string) error {
	if asJSON {
		type decision struct {
			RequestID string           `json:"request_id"`
			Kind      duvo.RequestType `json:"kind"`
			Verdict   hitl.Verdict     `json:"verdict"`
			By        string           `json:"by"`
			Reason    string           `json:"reason"`
		}
		decisions := []decision{}
		for _, d := range r.Decisions {
			decisions = append(decisions, decision{d.RequestID, d.Kind, d.Verdict, d.By, d.Reason})
		}
		return json.NewEncoder(out).Encode(struct {
			JobID       string          `json:"job_id"`
			Assignment  string          `json:"assignment"`
			Status      duvo.Status     `json:"status"`
			Outcome     outcome.Outcome `json:"outcome"`
			Output      string          `json:"output"`
			FinalAnswer string          `json:"final_answer"`
			Decisions   []decision      `json:"decisions"`
		}{r.JobID, r.Assignment.Name, r.Status, r.Outcome, r.Output, answer, decisions})
	}
	fmt.Fprintf(out, "\nJob %s of %q: %s\n", r.JobID, hitl.SafeLine(r.Assignment.Name, 200), r.Outcome)
	for _, d := range r.Decisions {
		fmt.Fprintf(out, "  %s %q was %s by %s", d.Kind, hitl.SafeLine(d.Title, 200), d.Verdict, hitl.SafeLine(d.By, 200))
		if d.Reason != "" {
			fmt.Fprintf(out, ": %s", hitl.SafeLine(d.Reason, 500))
		}
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprintf(out, "The Job's answer:\n%s\n\nThe model's final answer:\n%s\n",
		hitl.SafeText(r.Output, 0), hitl.SafeText(answer, 0))
	return err
}
