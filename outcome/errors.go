package outcome

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/errtext"
)

// What a caller may test for with errors.Is.
var (
	// ErrClosed is returned by calls on a closed registry, and is the cause
	// that ends those in flight.
	ErrClosed = errors.New("duvotool: the registry is closed")

	// ErrKeyReused refuses an operation key that already stands for another
	// Assignment or input.
	ErrKeyReused = errors.New("duvotool: the operation key already stands for another call")

	// ErrNoScope refuses a call of an Assignment that is configured with
	// duvotool.OncePerScope when the context has no scope. An operation key does not
	// stand in for one, but leads to the operation that it began.
	ErrNoScope = errors.New("duvotool: this Assignment may only be called within an operation scope; give the call's context one by WithOperationScope")
)

// Phase tells how far a call had come.
type Phase string

// The phases of a call, in order.
const (
	PhaseNew        Phase = "new"        // nothing was sent
	PhaseStarting   Phase = "starting"   // the start was sent, its Job is not known
	PhaseWatching   Phase = "watching"   // the Job runs
	PhaseDeciding   Phase = "deciding"   // the policy is asked
	PhaseResponding Phase = "responding" // the decision is being sent
	PhaseCollecting Phase = "collecting" // the Job has ended, its messages are read
)

// A JobError is a call that ended without a known outcome. The Job, if there
// is one, is left as it is unless duvotool.StopOn says otherwise; a later call with
// duvotool.WithOperationKey and this Key takes it up again.
type JobError struct {
	Phase      Phase
	Key        string // the operation key
	JobID      string // empty: not known, or never started
	Assignment string // its name
	Err        error
}

// Error tells all of it on one line.
func (e *JobError) Error() string {
	var b strings.Builder
	b.WriteString("duvotool: ")
	if e.Assignment != "" {
		fmt.Fprintf(&b, "Assignment %q: ", hitl.SafeLine(e.Assignment, 80))
	}
	switch e.Phase {
	case "":
		b.WriteString("call")
	case PhaseNew:
		b.WriteString("nothing was sent")
	default:
		b.WriteString(string(e.Phase))
	}
	if e.JobID != "" {
		b.WriteString(", Job " + hitl.SafeLine(e.JobID, 64))
	}
	if e.Key != "" {
		b.WriteString(", operation " + hitl.SafeLine(e.Key, 120))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.resumable() {
		b.WriteString("; a call with this operation's key goes on with it")
	}
	return errtext.Once(b.String())
}

// resumable reports whether only the caller's time was over: what was begun goes on.
func (e *JobError) resumable() bool {
	return e.Key != "" && e.Phase != "" && e.Phase != PhaseNew &&
		(errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded))
}

// Unwrap returns the cause.
func (e *JobError) Unwrap() error { return e.Err }

// ErrUnknownJob is returned for a Job that this registry has not started, or
// whose operation is finished and forgotten.
var ErrUnknownJob = errors.New("duvotool: no operation has this Job")

// ErrNotPending is returned by duvotool.Registry.Decide for a request that waits for
// no decision: it is unknown, was answered elsewhere, changed, or its Job ended.
// Where it was decided before, the error is a [*DecidedError].
var ErrNotPending = errors.New("duvotool: the request waits for no decision")

// A DecidedError says that somebody else had decided before. It matches
// [ErrNotPending].
type DecidedError struct{ Entry hitl.DecisionEntry }

// Error names who decided what.
func (e *DecidedError) Error() string {
	if e.Entry.NobodyAsked() {
		return "duvotool: the request was given up, because nobody could be asked"
	}
	return "duvotool: the request was already " + e.Entry.Summary()
}

// Unwrap returns ErrNotPending.
func (e *DecidedError) Unwrap() error { return ErrNotPending }

// An InputError is an input for which no Job was started. Call tells it to the
// model; Run returns it.
type InputError struct {
	Tool    string
	Problem string
	Gone    bool // the Assignment is no longer there: no other input will do
}

// Error tells the problem.
func (e *InputError) Error() string { return errtext.Once("duvotool: " + e.Tool + ": " + e.Problem) }

// Observation is what the model reads.
func (e *InputError) Observation() string {
	return "No Job was started: " + e.Problem + "."
}

// An OutputError is an answer of a completed Job that is not what was asked
// for.
type OutputError struct {
	JobID   string
	Problem string
}

// Error tells the problem.
func (e *OutputError) Error() string {
	return errtext.Once("duvotool: the answer of Job " + hitl.SafeLine(e.JobID, 64) + " is not what was asked for: " + e.Problem)
}

// ErrNotEnded is returned by duvotool.Registry.Erase for an operation that has not ended,
// or whose outcome is unknown.
var ErrNotEnded = errors.New("duvotool: the operation has not ended")

// ErrUnknownKey is returned by duvotool.Registry.Lookup for an operation key that stands
// for nothing, or for what was finished and is forgotten; see duvotool.WithRetention.
var ErrUnknownKey = errors.New("duvotool: no operation has this key")

// ErrForeignJob refuses a start that was answered with a Job which another
// operation holds. That operation alone answers what the Job asks, and the one
// that was refused sends it nothing.
var ErrForeignJob = errors.New("duvotool: the start was answered with a Job of another operation")

// ErrOtherJob is a backend that told of another Job or Assignment than it was
// asked for, or left open which Assignment a Job runs that waits for a decision.
// No policy was asked about it, and nothing was decided.
var ErrOtherJob = errors.New("duvotool: the backend told of another Job or Assignment than the one that was asked for")

// CloneError gives each of those who are told an error of the engine its own. Its
// causes are shared; nobody reads them again.
func CloneError(err error) error {
	var bad *InputError
	switch own := err.(type) {
	case *JobError:
		c := *own
		if errors.As(c.Err, &bad) && c.Err == error(bad) {
			c.Err = clone.Pointer(bad)
		}
		return &c
	case *InputError:
		return clone.Pointer(own)
	}
	return err
}
