// Package errorwords has the words in which a model is told of an error: they are this
// module's own, for the error's own words are the program's.
package errorwords

import (
	"context"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// Text tells a model what a call came to that ended in an error: what became of its
// Job, and the kind of failure. Nothing of the error's own text is told but that of an
// [*outcome.InputError], which is meant for a model. It is empty for a nil error.
func Text(err error) string {
	var job *outcome.JobError
	var input *outcome.InputError
	var ended *outcome.OutcomeError
	var answer *outcome.OutputError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &answer):
		return fmt.Sprintf("Job %s completed, and its answer is not what the program asked for. Do not repeat the call: what it did was done.", hitl.SafeLine(answer.JobID, 64))
	case errors.As(err, &ended) && errors.As(err, &job): // as Result.Err has it
		return fmt.Sprintf("The outcome of Job %s is %s.", hitl.SafeLine(job.JobID, 64), hitl.SafeLine(string(ended.Outcome), 40))
	case errors.As(err, &job) && job.JobID != "":
		return fmt.Sprintf("The call did not come to its end, and how Job %s ends is not known here. Do not repeat it; a person must look. The reason: %s.",
			hitl.SafeLine(job.JobID, 64), reason(err, job.Phase))
	case job != nil && job.Phase == outcome.PhaseStarting:
		return fmt.Sprintf("It is not known whether a Job was started. Do not repeat the call; a person must look. The reason: %s.", reason(err, job.Phase))
	case errors.As(err, &input):
		return hitl.SafeText(input.Observation(), 2000)
	case job != nil:
		return fmt.Sprintf("No Job was started. The reason: %s.", reason(err, job.Phase))
	}
	return fmt.Sprintf("The tool failed. The reason: %s.", reason(err, ""))
}

// reason tells a kind of failure in our own words.
func reason(err error, phase outcome.Phase) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.words
		}
	}
	switch {
	case phase == outcome.PhaseDeciding:
		return "the program's approval policy failed, and nothing was answered"
	case errors.Is(err, duvo.ErrUnavailable), errors.Is(err, duvo.ErrRateLimited):
		return "Duvo cannot be reached"
	case errors.Is(err, context.DeadlineExceeded):
		return "the time that the program gave the call is over"
	case errors.Is(err, context.Canceled):
		return "the program has cancelled the call"
	}
	return "a failure in the program, which its operators can see"
}

// reasons are the words for the kinds of failure that this module names; the
// first that fits counts.
var reasons = []struct {
	err   error
	words string
}{
	{outcome.ErrClosed, "the program is stopping"},
	{outcome.ErrNoScope, "this Assignment may only be called within an operation scope, which the program did not set"},
	{outcome.ErrKeyReused, "the program gave an operation key that stands for another call"},
	{outcome.ErrUnknownKey, "the program gave an operation key that stands for no call"},
	{outcome.ErrUnknownJob, "the program knows no call that this Job is of"},
	{outcome.ErrNotEnded, "the program was asked to erase a call that has not ended"},
	{outcome.ErrForeignJob, "the start was answered with a Job of another call, which is left alone"},
	{outcome.ErrOtherJob, "Duvo told of another Job or Assignment than the one that was asked for"},
	{hitl.ErrNoTool, "the program called a tool that is not there"},
	{outcome.ErrNotPending, "the request waits for no decision any more"},
	{hitl.ErrAnsweredElsewhere, "the request was answered elsewhere, or its Job has ended"},
	{hitl.ErrTimeout, "nobody decided in time"},
	{hitl.ErrRequestChanged, "the request changed while it was decided"},
	{hitl.ErrProofNeeded, "the decision needs a proof of who made it, and the request waits"},
	{hitl.ErrHeld, "the program's people hold all approvals for the time being, and the request waits"},
	{hitl.ErrOwnWork, "who asked for the work cannot approve it, and the request waits"},
	{hitl.ErrCannotVerify, "proofs cannot be verified for the time being, and nothing was answered"},
	{hitl.ErrRefused, "the decision was refused by a condition of the program's, and the request waits"},
	{hitl.ErrInvalidDecision, "the program's approval policy gave a decision that does not fit the request, and nothing was answered"},
	{hitl.ErrPolicyPanic, "the program's approval policy failed, and nothing was answered"},
	{audit.ErrLocked, "the program's audit file is in use elsewhere"},
	{audit.ErrUnavailable, "the program's audit record cannot be written for the time being, and nothing was answered"},
	{audit.ErrMoved, "the program's audit does not hold what was read of it before"},
	{audit.ErrWrite, "the program's audit record could not be written, and nothing was answered"},
	{journal.ErrConflict, "another process of the program works on this call"},
	{journal.ErrNoRecord, "the program's journal has no record of this call"},
	{journal.ErrUnavailable, "the program's journal cannot be written for the time being"},
	{journal.ErrTooLarge, "what the program's journal was to record of this call is larger than it takes"},
	{journal.ErrOwned, "another replica of the program works on this call"},
	{journal.ErrLapsed, "the program's replica lost its lease, and nothing was sent"},
	{journal.ErrFenced, "another replica of the program has taken this call over"},
	{journal.ErrFailed, "the program's journal failed"},
	{duvo.ErrUnauthorized, "Duvo does not accept the program's key"},
	{duvo.ErrForbidden, "the program's key may not do this"},
	{duvo.ErrNotFound, "Duvo does not know it, or does not show it to the program's key"},
	{duvo.ErrTooLarge, "Duvo's answer is larger than the program takes"},
	{duvo.ErrMalformed, "Duvo's answer makes no sense to the program"},
	{duvo.ErrConflict, "what Duvo knows of the Job did not allow it at this time"},
	{duvo.ErrInvalid, "Duvo does not take what the program sent"},
	{duvo.ErrTooLate, "it was too late to begin, so nothing was sent"},
}
