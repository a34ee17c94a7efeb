package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/duvotool/duvotool/internal/usage"
)

func main() {
	isChild()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := program(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

var help = usage.Text{
	Does: "Runs Jobs while Duvo fails and workers are killed, and counts what was lost.",
	About: `Workers and people work on one emulator while requests fail and workers are
killed at any moment. At the end what the emulator has seen is compared with what
everybody was told: nothing may be lost, done twice, decided by nobody or given up
unsaid.`,
	Exit:     []usage.Entry{{Name: "0", Means: "all is as it must be"}, {Name: "1", Means: "something is not, or the run failed"}},
	Examples: []string{"chaos", "chaos -jobs 2000 -kills 100 -faults 0.3", "chaos -minutes 60 -json", "chaos -replicas 4 -journal postgres -jobs 2000 -kills 100", "chaos -replicas 4 -compare"},
}

// program is the command: 0 if nothing was lost, doubled, unauthorised, given up silently or asked
// again without cause, 1 if something was or the run failed, 2 for flags that make no sense.
func program(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	var c config
	var asJSON, quiet bool
	var minutes float64
	fs.IntVar(&c.Jobs, "jobs", 200, "how many `JOBS` to run")
	fs.IntVar(&c.Kills, "kills", 10, "how many `TIMES` a worker is killed")
	fs.Float64Var(&c.Faults, "faults", 0.2, "the `PART` of all requests and webhooks that something goes wrong with, from 0 to less than 1")
	fs.BoolVar(&c.NoIdempotency, "no-idempotency", false, "the emulator heeds no Idempotency-Key")
	fs.Uint64Var(&c.Seed, "seed", 0, "the `NUMBER` that repeats the plans, and what can be repeated of the rest; 0 draws one")
	fs.IntVar(&c.Workers, "workers", 4, "how many worker `PROCESSES` there are, each with its journal, but for the last two of three or more, which share one")
	replicaFlags(fs, &c)
	fs.IntVar(&c.InFlight, "inflight", 100, "how many `JOBS` are in flight, of all workers")
	fs.Float64Var(&minutes, "minutes", 0, "run for so many `MINUTES` instead of a number of Jobs (0: as many as -jobs), and measure the workers; without kills, unless -kills is given")
	fs.StringVar(&c.Dir, "dir", "", "the `FOLDER` for journals and logs (default: a temporary one, which is kept if the run fails)")
	fs.BoolVar(&asJSON, "json", false, "print the report as a line of JSON")
	fs.BoolVar(&quiet, "quiet", false, "tell nothing of the progress")
	if code, done := help.Parse(fs, args, stdout, stderr); done {
		return code
	}
	killsGiven := false
	fs.Visit(func(f *flag.Flag) { killsGiven = killsGiven || f.Name == "kills" })
	if minutes > 0 {
		c.Jobs, c.Soak = 0, time.Duration(minutes*float64(time.Minute))
		if !killsGiven {
			c.Kills = 0
		}
	}
	if err := c.check(); err != nil {
		return usage.Complain(fs.Name(), err, stderr)
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1<<53-1) + 1 // a number that JSON readers keep whole
	}
	if !quiet {
		c.Progress = stderr
		fmt.Fprintf(stderr, "seed %d\n", c.Seed)
	}
	if c.Times > 0 || c.Compare {
		return special(ctx, c, stdout, stderr)
	}
	rep, err := run(ctx, c)
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
		return 1
	}
	if asJSON {
		if err := json.NewEncoder(stdout).Encode(rep); err != nil {
			fmt.Fprintln(stderr, "chaos:", err)
			return 1
		}
	} else {
		rep.print(stdout)
	}
	if !rep.clean() {
		return 1
	}
	return 0
}

// replicaFlags are the flags about replicas.
func replicaFlags(fs *flag.FlagSet, c *config) {
	fs.IntVar(&c.Replicas, "replicas", 0, "run so many `WORKERS` that all share one journal with leases, instead of -workers")
	fs.StringVar(&c.Journal, "journal", memoryJournal, "the `JOURNAL` of -replicas: memory, which the harness serves, or postgres, of which it starts a server")
	fs.DurationVar(&c.Lease, "lease", time.Second, "the `DURATION` of a replica's lease")
	fs.StringVar(&c.Without, "break", "", "take from the journals of -replicas `WHAT` holds them apart: fence, owner or once; or tell, what they broadcast")
	fs.BoolVar(&c.NoFaults, "no-faults", false, "let nothing go wrong with -replicas but by -kills")
	fs.BoolVar(&c.Compare, "compare", false, "hold the requests a Job of -replicas against those of one, where nothing goes wrong")
	fs.IntVar(&c.Times, "times", 0, "measure this `NUMBER` of decisions of each kind on another replica than the owner, and nothing else")
}

// special measures times, or compares.
func special(ctx context.Context, c config, stdout, stderr io.Writer) int {
	ok, err := true, error(nil)
	if c.Times > 0 {
		err = times(ctx, c, c.Times, stdout)
	} else {
		ok, err = compare(ctx, c, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "chaos:", err)
	}
	if err != nil || !ok {
		return 1
	}
	return 0
}

// check refuses what makes no sense.
func (c config) check() error {
	switch {
	case c.Soak < 0, c.Soak == 0 && c.Jobs < 1:
		return errors.New("-jobs: there is nothing to run")
	case c.Kills < 0:
		return errors.New("-kills: the number is negative")
	case !(c.Faults >= 0 && c.Faults < 1):
		return errors.New("-faults: it must be at least 0 and less than 1")
	case c.Replicas < 0, c.Replicas > 0 && c.Soak > 0:
		return errors.New("-replicas: the number is negative, or there is no number of Jobs")
	case c.Journal != memoryJournal && (c.Journal != postgresJournal || c.Replicas == 0):
		return fmt.Errorf("-journal: there is no %q, or it is for -replicas", c.Journal)
	case c.Replicas > 0 && c.Lease < 100*time.Millisecond:
		return errors.New("-lease: it must be at least 100ms")
	case c.Times < 0, c.Replicas == 0 && (c.Without != "" || c.NoFaults || c.Compare || c.Times > 0):
		return errors.New("-break, -no-faults, -compare and -times are for -replicas, and no number is negative")
	case checkWithout(c.Without) != nil:
		return checkWithout(c.Without)
	case c.Workers < 1, c.InFlight < 1:
		return errors.New("-workers and -inflight: at least one is needed")
	}
	return nil
}
