// Duvoctl is for the people and the scripts that look after Duvo Jobs: it starts,
// watches and stops them, shows what waits for a person, decides it, and tells who
// decided what.
//
//	duvoctl pending
//	duvoctl show REQUEST
//	duvoctl approve REQUEST --digest DIGEST
//
// Requests are decided at the desk of a service (see adapters/inbox), where its
// policies, audit and journal hold, or, without one, at Duvo itself. See README.md.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/duvotool/duvotool/internal/textwrap"
	"github.com/duvotool/duvotool/internal/version"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// An app is one run of the program.
type app struct {
	in        io.Reader
	out, errs io.Writer
	lines     *lineReader // of in
	asks      bool        // there is a person at a terminal

	desk      string
	tokenFile string
	headers   []string
	plainHTTP bool
	json      bool
	yes       bool
	timeout   time.Duration
	poll      time.Duration
	grace     time.Duration // how long what is being sent is waited for after Ctrl-C
	soon      time.Duration // how long after it was read a request may be answered at Duvo itself
	patience  time.Duration // how long a shell waits for names to choose from
	settled   time.Duration // how long a Job is looked at until a stop has come into effect
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	return newApp(in, out, errs).run(ctx, args)
}

func newApp(in io.Reader, out, errs io.Writer) *app {
	return &app{in: in, out: out, errs: errs, lines: &lineReader{in: in}, asks: isTerminal(in) && isTerminal(errs),
		grace: 10 * time.Second, soon: 10 * time.Second, patience: 3 * time.Second, settled: 30 * time.Second}
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.errs)
	err := root.ExecuteContext(ctx)
	a.json = a.json || slices.Contains(args, "--json") // it may not have been read before another flag was found wrong
	return a.told(err)
}

func isTerminal(s any) bool {
	f, ok := s.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

const about = `Looks after Duvo Jobs: starts, watches, stops them and decides what they ask.

Where requests are decided:
  at a desk   with --desk or DUVOCTL_DESK: the address of a service's approval
              desk. Its policies, audit and journal hold. To be preferred.
  at Duvo     else, with DUVO_API_KEY. A decision is then recorded by no
              service, and duvoctl says so.

Assignments, run, jobs, watch and stop always go to Duvo itself.

Environment:
  DUVO_API_KEY, DUVO_TEAM_ID, DUVO_API_BASE_URL   as for Duvo's own command line
  DUVOCTL_DESK          the desk's address, such as https://ops.example.com/desk
  DUVOCTL_DESK_TOKEN    sent to the desk as a bearer token: who you are there

Exit codes:
  0  done
  1  any other error, such as flags that make no sense
  2  not signed in, or not allowed
  3  no such thing
  4  nothing was sent: it was decided elsewhere, or waits no more`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "duvoctl", Short: "Look after Duvo Jobs, and decide what they ask", Long: about, Version: version.Of("cmd/duvoctl"),
		Example:      "  duvoctl pending --watch\n  duvoctl show REQUEST\n  duvoctl approve REQUEST --digest DIGEST --reason 'ticket 88213'",
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkFlags() },
	}
	root.SetVersionTemplate("duvoctl {{.Version}}\n")
	f := root.PersistentFlags()
	f.StringVar(&a.desk, "desk", os.Getenv(envDesk), "the `URL` under which the desk's pages are; empty: decide at Duvo itself")
	f.StringVar(&a.tokenFile, "desk-token-file", "", "a `FILE` with the bearer token for the desk, in place of "+envToken)
	f.StringArrayVar(&a.headers, "desk-header", nil, "a `'NAME: VALUE'` to send to the desk; the value @FILE is read from a file")
	f.BoolVar(&a.plainHTTP, "allow-plain-http", false, "let the key and the token travel unencrypted to hosts other than this one")
	f.BoolVar(&a.json, "json", false, "print JSON, as 'duvoctl schema' describes it; one line for each event when following")
	f.BoolVarP(&a.yes, "yes", "y", false, "do not ask; needed without a terminal for whatever decides, starts or stops")
	f.DurationVar(&a.timeout, "timeout", 30*time.Second, "how long one request to a server may take")
	f.DurationVar(&a.poll, "poll", 0, "how often to look when following (default: 200ms on this machine, else by the Job's age, from 5s)")
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", columns)))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &failure{kind: "usage", text: err.Error(), do: "see '" + c.CommandPath() + " -h'"}
	})
	root.AddCommand(a.assignmentsCmd(), a.runCmd(), a.jobsCmd(), a.watchCmd(), a.stopCmd(),
		a.pendingCmd(), a.showCmd(), a.approveCmd(), a.denyCmd(), a.answerCmd(), a.holdCmd(),
		a.auditCmd(), a.doctorCmd(), a.schemaCmd())
	narrow(root)
	return root
}

// columns is how wide a help text may be.
const columns = 80

// narrow has the help of a verb, and of those below it, fit into 80 columns.
func narrow(c *cobra.Command) {
	for _, sub := range c.Commands() {
		narrow(sub)
	}
	paragraphs := strings.Split(c.Long, "\n\n")
	for i, p := range paragraphs {
		if !strings.Contains(p, "\n ") { // what is set in columns stays
			paragraphs[i] = textwrap.Hang("", "", strings.Join(strings.Fields(p), " "), columns)
		}
	}
	c.Long = strings.Join(paragraphs, "\n\n")
}

// checkFlags tells what is wrong with flags of all verbs.
func (a *app) checkFlags() error {
	if a.timeout <= 0 || a.poll < 0 {
		return &failure{kind: "usage", text: "--timeout must be positive, and --poll cannot be negative"}
	}
	return nil
}

// exactly is how many arguments a verb takes, and what they are.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return &failure{kind: "usage", text: "the " + names[len(args)] + " is missing", do: "duvoctl " + c.Use}
		case len(args) > len(names):
			return &failure{kind: "usage", text: "unexpected argument " + quoted(args[len(names)]), do: "duvoctl " + c.Use}
		}
		return nil
	}
}
