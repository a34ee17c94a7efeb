// Restart hands a complaint to Duvo and may be killed at any moment: run again,
// it goes on where it was, with one Job and one decision.
//
// With DUVO_API_KEY set (and DUVO_API_BASE_URL, DUVO_TEAM_ID where needed) it
// talks to that Duvo, or to cmd/duvo-emulator. -journal names the file that the
// next run goes on from; without it each run is a complaint of its own, whose
// journal is removed once its outcome is known. Without DUVO_API_KEY it shows
// itself: an emulator in this process, and two lives of the program, of which the
// first is killed while its Job waits for an approval.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/duvotool/duvotool/outcome"
)

const complaint = "My order 4711 arrived today and the coffee machine in it is damaged. I want my 120 EUR back. Kim"

var help = usage.Text{
	Does: "Hands a complaint to Duvo; killed at any moment and run again, it goes on.",
	About: `One Job and one decision come of it, however often it is killed. Without
DUVO_API_KEY it shows itself: an emulator in this process, and two lives of the program, of
which the first is killed while its Job waits for an approval.`,
	Env:      usage.Duvo("without it the program shows itself on an emulator"),
	Examples: []string{"restart", "restart -journal refund.db"},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fs := flag.NewFlagSet("restart", flag.ContinueOnError)
	path := fs.String("journal", "", "the `FILE` that remembers what is in flight; it stays. Empty: a new one, which is removed at the end")
	approve := fs.String("approve", "ask", "who decides about the refund: `ask|yes`")
	poll := fs.Duration("poll", 0, "how often the Job is read; 0 is by its age, from 5s")
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	var err error
	if *approve != "ask" && *approve != "yes" || *poll < 0 {
		err = errors.New("-approve is ask or yes, and -poll cannot be negative")
		os.Exit(usage.Complain(fs.Name(), err, os.Stderr))
	}
	if os.Getenv(duvo.EnvAPIKey) != "" {
		err = inFolder(*path, func(path string) error { return work(ctx, path, *approve, *poll) })
	} else if program, e := os.Executable(); e == nil {
		_, err = show(ctx, program, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "restart:", err)
		os.Exit(1)
	}
}

// inFolder calls f with the journal's path. Without a path it is a new one, which
// is removed with its folder, unless f has failed: then a Job may be in flight
// that only the journal knows.
func inFolder(path string, f func(path string) error) error {
	if path != "" {
		return f(path)
	}
	dir, err := os.MkdirTemp("", folder+"*")
	if err != nil {
		return err
	}
	path = filepath.Join(dir, "journal.db")
	if err := f(path); err != nil {
		return fmt.Errorf("%w\nthe journal is kept; to go on from it: -journal %s", err, path)
	}
	return os.RemoveAll(dir)
}

const folder = "restart-"

// keyOf names the work: the complaint, and for journals of new folders which one
// it is, as if others had come in.
func keyOf(path string) string {
	key := "complaint of order 4711"
	if dir := filepath.Base(filepath.Dir(path)); strings.HasPrefix(dir, folder) {
		key += ", " + dir
	}
	return key
}

// work is the program.
func work(ctx context.Context, path, approve string, poll time.Duration) error {
	began := time.Now()
	client, err := duvo.FromEnv()
	if err != nil {
		return err
	}
	journal, err := bolt.Open(path)
	if err != nil {
		return err
	}
	defer journal.Close()
	screen := terminal.NewScreen(os.Stdout)
	operator, err := terminal.New(os.Stdin, screen, "you, at the terminal")
	if err != nil {
		return err
	}
	opts := []duvotool.Option{duvotool.WithJournal(journal), duvotool.WithPolicy(operator)}
	if approve == "yes" {
		opts = append(opts, duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Approve("flag -approve=yes", ""), nil
		})))
	}
	if poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(poll))
	}
	reg, err := duvotool.Discover(ctx, client, opts...)
	if err != nil {
		return err
	}
	defer reg.Close(context.Background())
	for _, j := range reg.Resumed() {
		fmt.Fprintf(screen, "took up Job %s of %s\n", j.JobID, hitl.SafeLine(j.Assignment.Name, 80))
	}
	if len(reg.Resumed()) == 0 { // one whose caller had left, by ctrl-C, waits for a call with its key
		if was, err := reg.Lookup(ctx, keyOf(path)); err == nil && was.Outcome == outcome.OutcomePending && was.JobID != "" {
			fmt.Fprintf(screen, "found Job %s by its key, and goes on with it\n", was.JobID)
		}
	}
	tool, err := reg.Tool("Complaint handler")
	if err != nil {
		return err
	}
	res, err := tool.Run(duvotool.WithOperationKey(ctx, keyOf(path)), complaint)
	if err != nil {
		return err
	}
	if res.Repeated && res.EndedAt.Before(began) {
		fmt.Fprintf(screen, "Nothing was started: %s knows how this complaint ended. Without -journal, or with another, it is a new one.\n", path)
	}
	fmt.Fprintf(screen, "%s: %s\n", res.Outcome, hitl.SafeText(res.Output, 1000))
	return nil
}

// show runs the program twice against an emulator and kills it once.
func show(ctx context.Context, program string, out io.Writer) ([]duvotest.JobRecord, error) {
	d := duvotest.NewServer(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	dir, err := os.MkdirTemp("", folder+"*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	life := func(approve string) *exec.Cmd {
		c := exec.CommandContext(ctx, program, "-journal", filepath.Join(dir, "journal.db"), "-poll", "50ms", "-approve", approve)
		c.Env = append(os.Environ(), duvo.EnvAPIKey+"="+d.Key(), duvo.EnvTeamID+"="+d.TeamID(), duvo.EnvBaseURL+"="+d.URL)
		c.Stdout, c.Stderr = out, out
		return c
	}
	first := life("ask")
	if _, err := first.StdinPipe(); err != nil { // nobody types
		return nil, err
	}
	if err := first.Start(); err != nil {
		return nil, err
	}
	for tick := time.NewTicker(20 * time.Millisecond); len(d.Jobs()) == 0 || d.Jobs()[0].Status != duvo.StatusWaiting; <-tick.C {
		if ctx.Err() != nil {
			return nil, first.Wait()
		}
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	fmt.Fprintln(out, "\n-- killed while the Job waits for an approval; and again:")
	if err := life("yes").Run(); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "-- Duvo has seen %d Job and %d response\n", len(d.Jobs()), d.Count("respondToHumanRequest"))
	return d.Jobs(), nil
}
