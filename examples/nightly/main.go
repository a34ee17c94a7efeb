// Nightly works through a file of refunds, one operation key a line. It may be killed at
// any moment and is run again, the same night or the next, over the same file or a longer
// one: no line is done twice. Small refunds are approved by an allowlist with a limit;
// what needs a person is left for people, and reported.
//
//	key,order,euros
//	2026-11-26/1,4711,20
//	2026-11-26/2,4712,300
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
)

// remembered is how long a key stands for its line after that has ended. What is older
// must not be in the file any more: it would be done again.
const remembered = 400 * 24 * time.Hour

// The exit codes beside those of every program.
const left = 3 // nothing is wrong, but something waits for people, or is still at work

var help = usage.Text{
	Does: "Works through a file of refunds, each once, and reports what became of them.",
	About: `The file has lines of "key,order,euros". A line is the work with its key: killed
and run again, tonight or in a month, the program goes on with what is under way, knows
what has ended, and starts nothing twice. Refunds of up to -up-to EUR are approved by the
program, -limit of them in 24 hours at most. All others wait in Duvo for a person, who
decides in its inbox or by "duvoctl pending"; the next run reports what came of it.

Without -file it works on a sample, and without DUVO_API_KEY on an emulator inside this
process.`,
	Env: usage.Duvo("without it an emulator inside this process is used"),
	Exit: []usage.Entry{
		{Name: "0", Means: "every line has ended as it should"},
		{Name: "1", Means: "a line failed, or it is not known what became of it; the report names it"},
		{Name: "3", Means: "nothing is wrong, but lines wait for people or are still at work: run it again"},
	},
	Examples: []string{
		"nightly",
		"nightly -file refunds.csv -data /var/lib/nightly -assignment ID -limit 50",
		"nightly -file refunds.csv -data data -assignment ID || echo exit code $?",
	},
}

type config struct {
	file, data, assignment string
	upTo, limit, workers   int
	wait, poll             time.Duration
}

func flagSet(c *config) *flag.FlagSet {
	fs := flag.NewFlagSet("nightly", flag.ContinueOnError)
	fs.StringVar(&c.file, "file", "", "the `FILE` of refunds (default: a sample)")
	fs.StringVar(&c.data, "data", "", "the `FOLDER` of journal, audit and limit, which outlive the process; needed with DUVO_API_KEY")
	fs.StringVar(&c.assignment, "assignment", "", "the `ID` of the Assignment that refunds; needed with DUVO_API_KEY, since money hangs on it")
	fs.IntVar(&c.upTo, "up-to", 50, "the program approves refunds of up to so many `EUR`")
	fs.IntVar(&c.limit, "limit", 20, "and so many `REFUNDS` in 24 hours at most, over all runs")
	fs.IntVar(&c.workers, "workers", 8, "how many `JOBS` are under way at the same time")
	fs.DurationVar(&c.wait, "wait", time.Hour, "how long a Job that is at work is waited for; then it is left for the next run")
	fs.DurationVar(&c.poll, "poll", 0, "how often a Job is read (default: 50ms on the emulator, else by its age, from 5s)")
	return fs
}

func (c config) check() error {
	switch real := os.Getenv(duvo.EnvAPIKey) != ""; {
	case real && (c.data == "" || c.assignment == ""):
		return errors.New("-data and -assignment are needed with " + duvo.EnvAPIKey)
	case c.upTo < 0 || c.limit < 0 || c.workers < 1 || c.wait <= 0 || c.poll < 0:
		return errors.New("-up-to, -limit and -poll cannot be negative, and -workers and -wait must be positive")
	}
	return nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := program(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// program is the command; it returns the exit code.
func program(ctx context.Context, args []string, out, errs io.Writer) int {
	var c config
	fs := flagSet(&c)
	if code, done := help.Parse(fs, args, out, errs); done {
		return code
	}
	if err := c.check(); err != nil {
		return usage.Complain(fs.Name(), err, errs)
	}
	lines, err := c.lines()
	if err == nil {
		var code int
		if code, err = c.inDuvo(ctx, lines, out); err == nil {
			return code
		}
	}
	fmt.Fprintln(errs, "nightly:", hitl.SafeLine(err.Error(), 1000))
	return usage.Failed
}

// lines reads the file before anything is done: with a line in it that makes no sense
// nothing is done at all.
func (c config) lines() ([]line, error) {
	if c.file == "" {
		return readLines("the sample", sample)
	}
	text, err := os.ReadFile(c.file)
	if err != nil {
		return nil, err
	}
	return readLines(c.file, string(text))
}

// inDuvo works on the Duvo that the environment names, or on an emulator.
func (c config) inDuvo(ctx context.Context, lines []line, out io.Writer) (int, error) {
	if os.Getenv(duvo.EnvAPIKey) != "" {
		client, err := duvo.FromEnv()
		if err != nil {
			return 0, err
		}
		return c.run(ctx, client, lines, out)
	}
	d := duvotest.New(duvotest.WithAssignment(emulated))
	defer d.Close()
	dir, err := os.MkdirTemp("", "nightly-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) // the emulator's Jobs end with it
	c.data, c.assignment = dir, emulated.ID
	if c.poll == 0 {
		c.poll = 50 * time.Millisecond
	}
	fmt.Fprintln(out, "On an emulator; set "+duvo.EnvAPIKey+" to work in Duvo.")
	return c.run(ctx, d.Client(), lines, out)
}

// run works through the lines and reports. What it opens first it closes last.
func (c config) run(ctx context.Context, client *duvo.Client, lines []line, out io.Writer) (code int, err error) {
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return 0, err
	}
	began := time.Now()
	journal, err := bolt.Open(filepath.Join(c.data, "journal.db"))
	if err != nil {
		return 0, err // ErrLocked: last night's run has not ended
	}
	defer journal.Close()
	record, err := audit.OpenFile(filepath.Join(c.data, "audit.jsonl"))
	if err != nil {
		return 0, err
	}
	defer record.Close()
	allowed, err := openAllowance(filepath.Join(c.data, "approved.jsonl"), c.assignment, c.upTo, c.limit)
	if err != nil {
		return 0, err
	}
	defer allowed.Close()
	opts := []duvotool.Option{
		duvotool.WithJournal(journal), duvotool.WithAudit(record), duvotool.WithRetention(remembered),
		duvotool.WithPolicy(allowed), duvotool.WithWaitBudget(c.wait), duvotool.WithJobLimit(c.workers),
	}
	if c.poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(c.poll))
	}
	reg, err := duvotool.Discover(ctx, client, opts...)
	if err != nil {
		return 0, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, reg.Close(closing))
	}()
	tool, err := reg.Tool(c.assignment)
	if err != nil {
		return 0, err
	}
	return report(out, began, work(ctx, tool, lines), allowed), nil
}
