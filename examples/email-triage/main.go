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
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
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
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/tmc/langchaingo/chains"
	"golang.org/x/term"
)

const defaultMessage = "Hello, my order 4711 arrived today and the coffee machine in it is damaged: " +
	"the glass is broken and it leaks. I am very unhappy and want a refund of the 120 EUR I paid. Kim"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second ctrl-C ends the program at once
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

var help = usage.Text{
	Does: "Hands an e-mail to the Duvo Assignment that fits, and asks you what it asks.",
	About: `A model reads the e-mail and picks a tool; the tool runs a Job in Duvo; what the Job
wants to have approved is shown to you, and nothing is sent until you have typed yes or
no. Ctrl-C decides nothing.`,
	Env:  slices.Concat(usage.Duvo("without it an emulator inside this process is used"), usage.Model, []usage.Entry{{Name: "NO_COLOR", Means: "no colours, also on a terminal"}}),
	Exit: []usage.Entry{{Name: "0", Means: "the Job has ended, approved or denied"}, {Name: "1", Means: "it has not, or something failed; stderr says why"}, {Name: "130", Means: "stopped by ctrl-C"}},
	Args: true, // to say where they go
	Examples: []string{
		"email-triage",
		"email-triage -approve yes -json",
		"email-triage -message 'Where is my order 4711?'",
	},
}

func flagSet(f *flags) *flag.FlagSet {
	fs := flag.NewFlagSet("email-triage", flag.ContinueOnError)
	fs.StringVar(&f.message, "message", defaultMessage, "the e-mail's `TEXT` (default: a complaint about order 4711)")
	fs.StringVar(&f.transport, "transport", "rest", "how Duvo is reached: `rest|mcp`")
	fs.StringVar(&f.approve, "approve", "ask", "who decides about approvals: `ask|yes|no`; without a terminal, ask denies")
	fs.Var(&f.answers, "answer", "answer a question, as `'QUESTION=ANSWER'`; may be given several times")
	fs.BoolVar(&f.json, "json", false, "print one JSON object on stdout")
	fs.DurationVar(&f.poll, "poll", 0, "how often the Job is read (default: 100ms on the emulator, else by the Job's age, from 5s)")
	fs.DurationVar(&f.timeout, "timeout", 30*time.Minute, "the Job's time limit; the time a person takes is not counted")
	return fs
}

func (f flags) check() error {
	switch {
	case f.approve != "ask" && f.approve != "yes" && f.approve != "no":
		return fmt.Errorf("-approve is ask, yes or no, not %q", f.approve)
	case f.transport != "rest" && f.transport != "mcp":
		return fmt.Errorf("-transport is rest or mcp, not %q", f.transport)
	case strings.TrimSpace(f.message) == "":
		return errors.New("-message is empty")
	case f.poll < 0 || f.timeout < 0:
		return errors.New("-poll and -timeout cannot be negative")
	}
	return nil
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, c console) int {
	as, onOut := lookOf(c.err), lookOf(c.out)
	screen := terminal.NewScreen(c.err) // the progress and the operator's prompt share it
	c.err = screen
	var f flags
	fs := flagSet(&f)
	if code, done := help.Parse(fs, args, c.out, c.err); done {
		return code
	}
	err := f.check()
	if fs.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q; the e-mail's text goes behind -message", fs.Arg(0))
	}
	if err != nil {
		return usage.Complain(fs.Name(), err, c.err)
	}
	p := &progress{out: screen, as: as, asks: c.terminal && f.approve == "ask"}
	answer, err := triage(ctx, f, c, p)
	if err == nil || p.result != nil && ctx.Err() == nil {
		if printed := report(c.out, onOut, f.json, p.result, answer); err == nil {
			err = printed
		}
	}
	if err != nil {
		return complain(ctx, c, as, p, err)
	}
	return 0
}

// triage does the work. What came of it is in p, and in the model's last words.
func triage(ctx context.Context, f flags, c console, p *progress) (answer string, err error) {
	fmt.Fprint(c.err, p.as.title("An agent hands an e-mail to Duvo. What its Job asks, you decide."))
	fmt.Fprint(c.err, p.as.fact("E-mail", hitl.SafeLine(f.message, p.as.columns()-14)))
	backend, poll, closeBackend, err := connect(ctx, f, c, p.as)
	if err != nil {
		return "", err
	}
	defer closeBackend()

	policy, err := policyFor(f, c)
	if err != nil {
		return "", err
	}
	opts := []duvotool.Option{
		duvotool.WithPolicy(policy),
		duvotool.WithJobTimeout(f.timeout),
		duvotool.WithObserver(p.observe),
	}
	if poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(poll))
	}
	reg, err := duvotool.Discover(ctx, backend, opts...)
	if err != nil {
		return "", err
	}
	answer, err = agent(ctx, f, c, reg, p)

	// Closing also waits until the observer has been told everything.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	closeErr := reg.Close(closing)
	switch {
	case err != nil:
		return "", err
	case closeErr != nil:
		return "", closeErr
	case p.result == nil:
		return "", fmt.Errorf("the model started no Job; it said: %s", answer)
	case !p.result.Status.Terminal():
		return answer, fmt.Errorf("the Job has not ended: its outcome is %s", p.result.Outcome)
	}
	return answer, nil
}

// agent has the model read the e-mail, with the tools of the registry.
func agent(ctx context.Context, f flags, c console, reg *duvotool.Registry, p *progress) (answer string, err error) {
	if len(reg.All()) == 0 {
		return "", errors.New("this team has no Assignments; make one in Duvo first")
	}
	executor, modelName, err := newExecutor(reg.Tools())
	if err != nil {
		return "", err
	}
	fmt.Fprint(c.err, p.as.fact("Model", modelName), p.as.fact("Tools", names(reg)))
	// One scope for the e-mail: a model that repeats a call starts no second Job.
	scoped := duvotool.WithOperationScope(ctx, fmt.Sprintf("email-%d", time.Now().UnixNano()))
	defer p.start()()
	return chains.Run(scoped, executor, f.message)
}

// names are those of the tools, as far as a person wants to read them.
func names(reg *duvotool.Registry) string {
	const most = 8
	var out []string
	for i, t := range reg.All() {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(reg.All())-most))
			break
		}
		out = append(out, t.Name())
	}
	return strings.Join(out, ", ")
}

// connect returns the way to the real Duvo, or to one in this process.
func connect(ctx context.Context, f flags, c console, as look) (backend duvotool.Backend, poll time.Duration, done func(), err error) {
	poll, done = f.poll, func() {}
	var client *duvo.Client
	var tools *mcp.Client
	var where string
	switch real := os.Getenv(duvo.EnvAPIKey) != ""; {
	case real && f.transport == "rest":
		client, err = duvo.FromEnv()
	case real:
		tools, err = mcp.FromEnv(ctx)
	default:
		d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
		server := duvotestmcp.New(d) // REST, and MCP beside it
		at := server.Listen()
		where = fmt.Sprintf("an emulator at %s (set %s to use the real one)", strings.TrimPrefix(at, "http://"), duvo.EnvAPIKey)
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
		fmt.Fprint(c.err, as.fact("Duvo", cmp.Or(where, client.String())))
		return client, poll, done, nil
	}
	fmt.Fprint(c.err, as.fact("Duvo", cmp.Or(where, tools.String())+", through MCP "+tools.Protocol()))
	end := done
	return tools, poll, func() {
		_ = tools.Close()
		end()
	}, nil
}
