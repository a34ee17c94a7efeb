package outcome_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// What somebody prints first is a line, and holds nothing that a terminal acts on.
func TestResultIsPrintedAsALine(t *testing.T) {
	refunds := duvo.Assignment{Name: "Refunds"}
	for want, r := range map[string]*outcome.Result{
		`Job j-1 of "Refunds": completed: Refunded 20.`:          {Outcome: outcome.OutcomeCompleted, JobID: "j-1", Assignment: refunds, Output: " Refunded\n20. ", Note: "kept"},
		`Job j-1 of "Refunds": pending: it waits for a decision`: {Outcome: outcome.OutcomePending, JobID: "j-1", Assignment: refunds, Note: "it waits for a decision"},
		`"Refunds": unknown`: {Outcome: outcome.OutcomeUnknown, Assignment: refunds},
	} {
		require.Equal(t, want, r.String())
		require.Equal(t, want, fmt.Sprint(r))
	}
	loud := &outcome.Result{Outcome: outcome.OutcomeCompleted, JobID: "j-1", Assignment: refunds, Output: "a\x1b[31mb\u202e", Input: "kim's secret"}
	require.NotContains(t, loud.String(), "\x1b")
	require.NotContains(t, loud.String(), "\u202e")
	require.NotContains(t, fmt.Sprint(loud), "kim's secret")
}

// The line of a call that ended without an outcome tells why, once.
func TestParkedTellsWhy(t *testing.T) {
	e := outcome.Event{Kind: outcome.EventParked, JobID: "j-1", Assignment: duvo.Assignment{Name: "Refunds"}}
	require.Equal(t, `Job j-1 of "Refunds": the call ended without an outcome`, e.String())
	e.Err = &outcome.JobError{Phase: outcome.PhaseDeciding, JobID: "j-1", Assignment: "Refunds", Err: errors.New("the policy failed:\nno terminal\x1b[0m")}
	require.Regexp(t, `^Job j-1 of "Refunds": the call ended without an outcome, deciding: the policy failed: no terminal[^\x1b]*$`, e.String())
	e.Err = os.ErrClosed
	require.Equal(t, `Job j-1 of "Refunds": the call ended without an outcome: file already closed`, e.String())
}

// An error says what to do where a call with the same key goes on, and promises it
// nowhere else.
func TestJobErrorTellsHowToGoOn(t *testing.T) {
	const hint = "; a call with this operation's key goes on with it"
	left := &outcome.JobError{Phase: outcome.PhaseWatching, Key: "order 4711", JobID: "j-1", Assignment: "Refunds", Err: context.DeadlineExceeded}
	require.EqualError(t, left, `duvotool: Assignment "Refunds": watching, Job j-1, operation order 4711: context deadline exceeded`+hint)
	for _, e := range []*outcome.JobError{
		{Phase: outcome.PhaseNew, Key: "order 4711", Err: context.Canceled},
		{Phase: outcome.PhaseWatching, Err: context.Canceled},
		{Phase: outcome.PhaseDeciding, Key: "order 4711", Err: hitl.ErrInvalidDecision},
		{Phase: outcome.PhaseStarting, Key: "order 4711", Err: outcome.ErrForeignJob},
		{Key: "order 4711", Err: context.Canceled},
	} {
		require.NotContains(t, e.Error(), hint)
	}
	require.EqualError(t, &outcome.JobError{Phase: outcome.PhaseNew, Assignment: "Refunds", Err: outcome.ErrNoScope},
		`duvotool: Assignment "Refunds": nothing was sent: this Assignment may only be called within an operation scope; give the call's context one by WithOperationScope`)
}
