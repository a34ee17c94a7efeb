// Package setup is what the examples share. It reaches Duvo and a model where
// the environment names them, and else an emulator in this process and a
// scripted stand-in for the model.
package setup

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"syscall"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/tmc/langchaingo/llms"
	"golang.org/x/term"
)

// A Setup is where an example runs.
type Setup struct {
	Client   *duvo.Client
	Options  []duvotool.Option // for Discover: an emulator is read more often
	Model    llms.Model
	Operator hitl.Policy // who sits at the terminal; without one all is denied
	Out      io.Writer   // a screen that the operator's prompts share
}

// Offline is a Setup on an emulator, with a stand-in for the model and nobody to
// ask.
func Offline(d *duvotest.Duvo, script Script, out io.Writer) Setup {
	return Setup{
		Client:   d.Client(),
		Options:  []duvotool.Option{duvotool.WithPollInterval(20 * time.Millisecond)},
		Model:    StandIn(script),
		Operator: Unattended("the program", "it denies what nobody is there to decide: there is no terminal"),
		Out:      terminal.NewScreen(out),
	}
}

// Trial runs an example for a test: offline, with this operator at the terminal,
// or with nil nobody. It returns what the emulator saw and what was printed.
func Trial(ctx context.Context, emulated []duvotest.Assignment, script Script, operator hitl.Policy, run func(context.Context, Setup) error) ([]duvotest.JobRecord, string, error) {
	d := duvotest.New(duvotest.WithAssignments(emulated...))
	defer d.Close()
	var out bytes.Buffer
	s := Offline(d, script, &out)
	if operator != nil {
		s.Operator = operator
	}
	err := run(ctx, s)
	return d.Jobs(), out.String(), err
}

// Env are the environment variables that an example of [Main] reads.
var Env = slices.Concat(usage.Duvo("without it an emulator inside this process is used"), usage.Model)

// Main is the main function of an example with these flags: it runs it where the
// environment says, or on an emulator with these Assignments, and ends the process.
func Main(help usage.Text, fs *flag.FlagSet, emulated []duvotest.Assignment, script Script, run func(context.Context, Setup) error) {
	help.Env = Env
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	d := duvotest.New(duvotest.WithAssignments(emulated...))
	s, err := fromEnv(Offline(d, script, os.Stdout), script)
	if err == nil {
		err = run(ctx, s)
	}
	d.Close()
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", fs.Name(), hitl.SafeLine(err.Error(), 1000))
		os.Exit(1)
	}
}

// fromEnv puts what the environment names in the place of what is offline.
func fromEnv(s Setup, script Script) (Setup, error) {
	where := "an emulator (set " + duvo.EnvAPIKey + " to use the real one)"
	if os.Getenv(duvo.EnvAPIKey) != "" {
		client, err := duvo.FromEnv()
		if err != nil {
			return s, err
		}
		s.Client, s.Options, where = client, nil, client.String()
	}
	model, name, err := Model(script)
	if err != nil {
		return s, err
	}
	s.Model = model
	fmt.Fprintf(s.Out, "Duvo: %s\nModel: %s\n", where, name)
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		fmt.Fprintln(s.Out, "No terminal: what needs a person is denied.")
		return s, nil
	}
	s.Operator, err = terminal.New(os.Stdin, s.Out, OperatorName())
	return s, err
}

// Unattended is the rule of a program at which nobody sits: it denies, in its own
// name, so that the Job can go on.
func Unattended(by, reason string) hitl.Policy {
	return hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Deny(by, reason), nil
	})
}

// OperatorName tells who sits at the terminal.
func OperatorName() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = cmp.Or(u.Username, name)
	}
	return cmp.Or(name, "the person at the terminal")
}
