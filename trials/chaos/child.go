package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// childEnv holds the childConfig of a process that the harness has started.
const childEnv = "DUVOTOOL_CHAOS_CHILD"

// The roles of child processes.
const (
	roleEmulator = "emulator"
	roleWorker   = "worker"
	roleOwner    = "owner" // see times
)

// A childConfig tells a child process what to be.
type childConfig struct {
	Role          string
	Seed          uint64
	Faults        float64
	NoIdempotency bool
	Secret        string // that signs webhooks

	// Of a worker.
	Where    where
	Dir      string
	Worker   int // which
	Workers  int // of how many
	Life     int // how often it was started before
	Jobs     int // of all workers; zero: until it is told that it is enough
	InFlight int
	Hooks    string // the URL that leads to its listener
	Journal  string // where a journal is served that it shares; empty: it has one of its own on disk
	Break    int    // for tests, see breakJournal

	// Of a worker that is a replica.
	Replica  bool
	Database string        // where a Postgres journal is; empty: Journal is served
	Lease    time.Duration // how long its lease lasts
	NoFaults bool          // nothing goes wrong by itself
	Killed   bool          // replicas are killed, and webhooks get lost
	Without  string        // what its journal lacks, see worsen
}

// isChild runs the process as the child that its environment says it is, and
// never returns then.
func isChild() {
	text, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	_ = os.Unsetenv(childEnv)
	var c childConfig
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		switch c.Role {
		case roleEmulator:
			err = runEmulator(c)
		case roleWorker:
			err = runWorker(c)
		case roleOwner:
			err = runOwner(c)
		default:
			err = errors.New("there is no role " + c.Role)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s chaos %s: %v\n", time.Now().Format(time.RFC3339Nano), c.Role, err)
		os.Exit(exitCode(err))
	}
	os.Exit(0)
}

// Exit codes of children.
const (
	exitFailed  = 3
	exitAsked   = 5 // a worker was asked to end, and did
	exitClosing = 6 // a worker's registry could not be closed
)

func exitCode(err error) int {
	switch {
	case errors.Is(err, errAsked):
		return exitAsked
	case errors.Is(err, errClosing):
		return exitClosing
	}
	return exitFailed
}

// child makes the command of a child process: this program once more.
func child(c childConfig) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	return cmd, nil
}
