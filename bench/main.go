// Bench prints both sides of every claim about cost: the loop that Duvo's guide
// shows, written plainly, and duvotool, on the same emulator in the same run.
//
//	go run ./bench                       # all figures; some minutes
//	go run ./bench -only requests        # those whose name begins so
//	go run ./bench -only steady -jobs 2000 -json
//
// Simulated hours run under testing/synctest, so the figures are made by the
// tests of this package, which the command runs. It must be started within the
// module.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"text/tabwriter"

	"github.com/duvotool/duvotool/internal/usage"
)

// A figure is one line of a table.
type figure struct {
	Bench  string  `json:"bench"`
	Case   string  `json:"case"`
	Side   string  `json:"side"` // "loop", "by hand" or "duvotool"
	Values []value `json:"values"`
}

type value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// What the tests are told by.
const (
	envOut  = "DUVOTOOL_BENCH_OUT" // a file to append figures to, as JSON lines
	envOnly = "DUVOTOOL_BENCH_ONLY"
	envJobs = "DUVOTOOL_BENCH_JOBS"
)

var help = usage.Text{
	Does: "Prints both sides of each claim about cost: a plain loop, and duvotool.",
	About: `The loop is the one that Duvo's guide shows, on the same emulator in the same
run. Simulated hours run under testing/synctest, so the figures are made by the tests of
this package, which the command runs: it must be started within the module.`,
	Examples: []string{"bench", "bench -only requests", "bench -only steady -jobs 2000 -json"},
}

func main() {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	jobs := fs.Int("jobs", 0, "how many `JOBS` in flight, where a figure is about many; 0: as many as it is about")
	only := fs.String("only", "", "only figures whose `NAME` begins so: requests, steady, webhooks, memory, cpu, discovery, scale, outage, replicas (default: all of them; about ten minutes)")
	asJSON := fs.Bool("json", false, "print JSON lines instead of a table")
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	if err := run(*jobs, *only, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(jobs int, only string, asJSON bool) error {
	if jobs < 0 {
		return fmt.Errorf("-jobs %d makes no sense", jobs)
	}
	out, err := os.CreateTemp("", "duvotool-bench-*.jsonl")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd := exec.Command("go", "test", "-count=1", "-timeout=60m", "-run=^TestFigures$", "github.com/duvotool/duvotool/bench")
	cmd.Env = append(os.Environ(), envOut+"="+out.Name(), envOnly+"="+only, envJobs+"="+strconv.Itoa(jobs))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	failed := cmd.Run()

	var all []figure
	in := bufio.NewScanner(out)
	for in.Scan() {
		var f figure
		if err := json.Unmarshal(in.Bytes(), &f); err != nil {
			return err
		}
		all = append(all, f)
		if asJSON {
			fmt.Println(in.Text())
		}
	}
	if !asJSON {
		print(all)
	}
	if failed != nil {
		return failed
	}
	if len(all) == 0 {
		return errors.New("there is no figure of that name")
	}
	return nil
}

// print writes a table for each bench.
func print(all []figure) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer w.Flush()
	last := ""
	for _, f := range all {
		if f.Bench != last {
			if last != "" {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "%s\t", f.Bench)
			for _, v := range f.Values {
				fmt.Fprintf(w, "\t%s", v.Name)
			}
			fmt.Fprintln(w)
			last = f.Bench
		}
		fmt.Fprintf(w, "  %s\t%s", f.Case, f.Side)
		for _, v := range f.Values {
			fmt.Fprintf(w, "\t%s", strconv.FormatFloat(v.Value, 'f', decimals(v.Value), 64)+v.Unit)
		}
		fmt.Fprintln(w)
	}
}

func decimals(x float64) int {
	switch {
	case x >= 1000:
		return 0
	case x >= 10:
		return 1
	}
	return 2
}
