package engine

import (
	"context"
	"log/slog"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// Every line about an operation has the same keys, so that the story of a Job can be
// told from the log, whatever has happened to it: job (empty before there is one), key,
// assignment_id and assignment, and request where it is about one. In normal work there
// are six lines, at level info: Job started, asked, decided, delivered, finished, or
// given up. None of them holds what a Job, a person or a caller has said, nor who the
// person was: the audit has that.

// logger logs what happens to an operation and its Job.
func (op *operation) logger(job string) *slog.Logger {
	if !op.eng.log.Enabled(context.Background(), slog.LevelError) {
		return op.eng.log // nobody reads it
	}
	return op.eng.log.With(aboutJob(job, op.order.Key, op.work.Assignment.ID, op.work.Assignment.Name)...)
}

// aboutJob is what each line about an operation begins with.
func aboutJob(job, key, assignmentID, assignment string) []any {
	return []any{"job", hitl.SafeLine(job, 64), "key", hitl.SafeLine(key, 200), "assignment_id", hitl.SafeLine(assignmentID, 64), "assignment", hitl.SafeLine(assignment, 80)}
}

// requestLogger logs what happens to a request.
func (op *operation) requestLogger(job, request string) *slog.Logger {
	return op.logger(job).With("request", hitl.SafeLine(request, 64))
}

// story logs what the observer is told, where that belongs to the story of a Job.
func (op *operation) story(e *outcome.Event, s *lifecycle.State, request string) {
	switch e.Kind {
	case outcome.EventStarted:
		op.logger(e.JobID).Info("duvotool: Job started")
	case outcome.EventRequested:
		op.requestLogger(e.JobID, request).Info("duvotool: asked", "kind", kindOf(s, request))
	case outcome.EventSuspended:
		op.requestLogger(e.JobID, request).Debug("duvotool: the decision was put off")
	case outcome.EventDecided:
		op.requestLogger(e.JobID, request).Info("duvotool: decided", "verdict", e.Decision.Verdict.String(), "source", hitl.SafeLine(string(e.Decision.Source), 40))
	case outcome.EventDelivered:
		op.requestLogger(e.JobID, request).Info("duvotool: delivered", "delivery", string(e.Decision.Delivery))
	}
}

// kindOf is what kind a request is of, as it was recorded.
func kindOf(s *lifecycle.State, request string) string {
	if p := s.Record.Request(request); p != nil {
		return hitl.SafeLine(p.Kind, 40)
	}
	return ""
}

// logGivenUp logs that the work on an operation ends without an outcome. Where that is
// because the engine closes, the next process goes on.
func (op *operation) logGivenUp(job string, phase outcome.Phase, cause lifecycle.Cause) {
	level := slog.LevelInfo
	if cause == lifecycle.CauseClosed {
		level = slog.LevelDebug
	}
	op.logger(job).Log(context.Background(), level, "duvotool: given up", "phase", string(phase), "reason", string(cause))
}
