package duvotool

import (
	"errors"
	"fmt"
	"github.com/duvotool/duvotool/internal/errtext"
	"strings"
)

// What a caller may test for with errors.Is.
var (
	// ErrClosed is returned by calls on a closed registry, and is the cause
	// that ends those in flight.
	ErrClosed = errors.New("duvotool: the registry is closed")

	// ErrKeyReused refuses an operation key that already stands for another
	// Assignment or input.
	ErrKeyReused = errors.New("duvotool: the operation key already stands for another call")

	// ErrNoTool is a name for which [Registry.Tool] has no tool.
	ErrNoTool = errors.New("duvotool: there is no tool with this name, ID or name of an Assignment")

	// ErrNoScope refuses a call of an Assignment that is configured with
	// [OncePerScope] when the context has no scope. An operation key does not
	// stand in for one, but leads to the operation that it began.
	ErrNoScope = errors.New("duvotool: this Assignment may only be called within an operation scope")

	// ErrInvalidDecision is a policy's decision that does not fit the request.
	// Nothing was sent.
	ErrInvalidDecision = errors.New("duvotool: the policy's decision does not fit the request")

	// ErrPolicyPanic is a policy that panicked, or ended its goroutine. Nothing was
	// sent.
	ErrPolicyPanic = errors.New("duvotool: the policy panicked")

	// ErrAnsweredElsewhere is the cause that ends a policy's context when the
	// Job no longer waits for the request: somebody answered in Duvo's own
	// inbox, or the Job ended.
	ErrAnsweredElsewhere = errors.New("duvotool: the request no longer waits for an answer")

	// ErrRequestChanged is the cause that ends a policy's context when the
	// request reads differently now. The policy is asked anew.
	ErrRequestChanged = errors.New("duvotool: the request changed")
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
// is one, is left as it is unless [StopOn] says otherwise; a later call with
// [WithOperationKey] and this Key takes it up again.
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
		fmt.Fprintf(&b, "Assignment %q: ", SafeLine(e.Assignment, 80))
	}
	if e.Phase != "" {
		b.WriteString(string(e.Phase))
	} else {
		b.WriteString("call")
	}
	if e.JobID != "" {
		b.WriteString(", Job " + SafeLine(e.JobID, 64))
	}
	if e.Key != "" {
		b.WriteString(", operation " + SafeLine(e.Key, 120))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return errtext.Once(b.String())
}

// Unwrap returns the cause.
func (e *JobError) Unwrap() error { return e.Err }
