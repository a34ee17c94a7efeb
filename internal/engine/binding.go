package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// readJob reads a Job of the operation and notes whether it was told to run our
// Assignment. Every read of an operation goes through it or through look. Called
// by who owns the mail.
func (op *operation) readJob(ctx context.Context, id string) (duvo.Job, error) {
	job, err := op.eng.backend.Job(ctx, id)
	if err == nil {
		err = op.vouch(job, id)
	}
	if err != nil {
		return duvo.Job{}, err
	}
	return job, nil
}

// vouch refuses what is told of another Job than the one with this ID, or of
// another Assignment than the operation's. An Assignment that is not told
// proves nothing either way.
func (op *operation) vouch(job duvo.Job, id string) error {
	if err := op.another(job, id); err != nil {
		return err
	}
	op.job.ours = op.job.ours || job.AssignmentID != ""
	return nil
}

// another is vouch for those who do not own the mail.
func (op *operation) another(job duvo.Job, id string) error {
	switch ours := op.work.Assignment.ID; {
	case !strings.EqualFold(job.ID, id):
		return fmt.Errorf("%w: it was asked for Job %s, and told of %q", outcome.ErrOtherJob, hitl.SafeLine(id, 64), hitl.SafeLine(job.ID, 64))
	case job.AssignmentID != "" && !strings.EqualFold(job.AssignmentID, ours):
		return fmt.Errorf("%w: Job %s should run the Assignment %s, and is said to run %s", outcome.ErrOtherJob, hitl.SafeLine(id, 64), ours, hitl.SafeLine(job.AssignmentID, 64))
	}
	return nil
}

// nobodys ends the run of a Job that waits for a decision where nothing has told
// that it runs our Assignment: a rule for that one must not be asked about it.
func (op *operation) nobodys() bool {
	if op.job.ours {
		return false
	}
	op.fail(fmt.Errorf("%w: neither the start of Job %s nor a read of it tells which Assignment it runs, so nothing is decided about it", outcome.ErrOtherJob, hitl.SafeLine(op.job.id, 64)))
	return true
}
