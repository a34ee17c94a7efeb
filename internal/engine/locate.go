package engine

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
)

// How the Job of a start is looked for whose answer was lost.
const (
	locateSkew = 5 * time.Minute // between Duvo's clock and ours
	locateRows = 1000            // of the list, at most
	locateKept = 16 * locateRows // Jobs whose sandboxes are remembered
)

var errNothingSaid = errors.New("the Job that a delivery told of shows no messages yet")

var errTooMany = errors.New("too many Jobs have been started since")

// locate looks for the Job that a start in doubt has made, by what only that Job
// can have: the token of its webhook, or its sandbox. Text tells no twins apart.
// A delivery is only a hint of which Job to look at: its signature does not cover
// the URL with the token.
func (op *operation) locate(r *run, s *lifecycle.State, f lifecycle.Locate) {
	failed := func(err error) lifecycle.Event {
		op.logger("").Warn("duvotool: looking for a Job", "error", hitl.SafeLine(err.Error(), 500))
		return lifecycle.Located{Name: f.Name, Failed: true, Odd: !duvo.Temporary(err) && r.abandoned() == nil}
	}
	op.do(func() lifecycle.Event {
		u := r.undertake()
		defer r.done(u)
		ctx := duvo.WithPriority(u.ctx, duvo.Normal)
		sent := timeOf(f.Since)
		id, err := op.hinted(ctx, s.Record.Order.Webhook, sent)
		if id == "" && err == nil && f.Sandbox != "" {
			id, err = op.inSandbox(ctx, f.Sandbox, sent)
		}
		if err != nil {
			return failed(err)
		}
		if id == "" {
			return lifecycle.Located{Name: f.Name}
		}
		return op.locatedJob(ctx, r, f.Name, id, failed)
	}, failed)
}

// locatedJob reads the Job that was found, and makes it this operation's.
func (op *operation) locatedJob(ctx context.Context, r *run, name uint64, id string, failed func(error) lifecycle.Event) lifecycle.Event {
	job, err := op.eng.backend.Job(ctx, id)
	switch {
	case errors.Is(err, duvo.ErrNotFound):
		return lifecycle.Located{Name: name, Job: id} // and gone since, as the next read tells
	case err == nil:
		err = op.another(job, id)
	}
	if err == nil {
		err = op.eng.ops.hold(op, id)
	}
	if err != nil {
		return failed(err)
	}
	return lifecycle.Located{Name: name, Job: id, Created: wallOf(job.CreatedAt), Build: job.BuildID, Status: string(job.Status)}
}

// hinted returns the Job that a webhook told of, if it can be that of a start.
func (op *operation) hinted(ctx context.Context, webhook string, sent time.Time) (string, error) {
	token := tokenOf(webhook)
	id := op.eng.tokens.get(token)
	if id == "" {
		return "", nil
	}
	ours, err := op.startedBySend(ctx, id, sent)
	if ours || err != nil {
		return id, err
	}
	op.eng.tokens.drop(token) // another delivery may name the right one
	return "", nil
}

// inSandbox returns the Job with this sandbox; empty if there is none.
func (op *operation) inSandbox(ctx context.Context, sandbox string, sent time.Time) (string, error) {
	lister, ok := op.eng.backend.(watch.Lister)
	if !ok {
		return "", nil
	}
	var rows []duvo.Job
	var cut error
	for row, err := range op.eng.jobsSince(ctx, lister, op.work.Assignment.ID, sent.Add(-locateSkew)) {
		if err != nil && !errors.Is(err, errTooMany) {
			return "", err
		}
		if cut = err; err == nil {
			rows = append(rows, row)
		}
	}
	// It is probably one of those that were created when the start was sent.
	slices.SortStableFunc(rows, func(a, b duvo.Job) int {
		return cmp.Compare(a.CreatedAt.Sub(sent).Abs(), b.CreatedAt.Sub(sent).Abs())
	})
	known := op.eng.ops.byJob()
	for _, row := range rows {
		if known[strings.ToLower(row.ID)] != nil {
			continue
		}
		box, err := op.sandboxOf(ctx, row.ID)
		if err != nil {
			return "", err
		}
		if box == sandbox {
			return row.ID, nil
		}
	}
	return "", cut
}

// sandboxOf returns the sandbox of a Job; empty if it has none, or is not of our
// Assignment. A sandbox stays a Job's for good: what was read is not read again, so
// that looking for many among many, with failures, comes to an end.
func (op *operation) sandboxOf(ctx context.Context, id string) (string, error) {
	if box := op.eng.boxes.get(id); box != "" {
		return box, nil
	}
	job, err := op.eng.backend.Job(ctx, id)
	switch {
	case err != nil: // also where it is not found, though it is listed: that proves nothing
		return "", err
	case !strings.EqualFold(job.ID, id):
		return "", op.another(job, id)
	case op.another(job, id) != nil:
		return "", nil // it runs another Assignment
	}
	op.eng.boxes.note(id, job.SandboxID)
	return job.SandboxID, nil
}

// startedBySend reports whether the Job that a delivery told of can be that of the
// start in doubt: it runs our Assignment, was created when the start had been
// sent, belongs to no other operation, and was first told our input. What is not
// told counts against it.
func (op *operation) startedBySend(ctx context.Context, id string, sent time.Time) (bool, error) {
	refuse := func(why string) (bool, error) {
		op.logger("").Warn("duvotool: a webhook delivery told of a Job that is not the one of this start; it is not taken", "other_job", hitl.SafeLine(id, 64), "reason", why)
		return false, nil
	}
	if other := op.eng.ops.byJob()[strings.ToLower(id)]; other != nil && other != op {
		return refuse("it is another operation's")
	}
	job, err := op.eng.backend.Job(ctx, id)
	switch {
	case err != nil: // also where it is not found: a delivery has told of it
		return false, err
	case !strings.EqualFold(job.ID, id):
		return false, op.another(job, id)
	case op.another(job, id) != nil || job.AssignmentID == "":
		return refuse("it is not told to run this Assignment")
	case job.CreatedAt.Before(sent.Add(-locateSkew)): // the zero time too
		return refuse("it is not told to be created since the start was sent")
	}
	n := 0
	for m, err := range op.eng.backend.Messages(ctx, id) {
		if err != nil {
			return false, err
		}
		if n++; n > op.work.Settings.MaxMessages {
			break
		}
		if m.Role == "user" {
			if strings.TrimSpace(m.Text) != strings.TrimSpace(op.known().Order.Input) {
				return refuse("it was started with another message")
			}
			return true, nil
		}
	}
	if n == 0 {
		return false, errNothingSaid
	}
	return refuse("its messages do not tell what it was started with")
}

// jobsSince lists the Jobs of an Assignment that were created since a time, the
// newest first. It does not ask the server for those since then: a server may take
// that for when they completed, and leave out what runs. A Job that is started
// meanwhile moves the others down the list, so that some come twice, and none is
// skipped.
func (eng *Engine) jobsSince(ctx context.Context, lister watch.Lister, assignment string, since time.Time) func(func(duvo.Job, error) bool) {
	return func(yield func(duvo.Job, error) bool) {
		f := duvo.JobFilter{AssignmentID: assignment, PageSize: watch.PageRows}
		seen := map[string]bool{}
		for {
			page, err := lister.JobPage(ctx, f)
			if err != nil {
				yield(duvo.Job{}, err)
				return
			}
			for _, row := range page.Jobs {
				if !row.CreatedAt.IsZero() && row.CreatedAt.Before(since) {
					return // as are all that follow
				}
				// A server may not heed the filter.
				if seen[row.ID] || row.AssignmentID != "" && !strings.EqualFold(row.AssignmentID, assignment) {
					continue
				}
				seen[row.ID] = true
				if !yield(row, nil) {
					return
				}
			}
			f.Offset += len(page.Jobs)
			if len(page.Jobs) < watch.PageRows || f.Offset == page.Total {
				return
			}
			if f.Offset >= locateRows {
				yield(duvo.Job{}, errTooMany)
				return
			}
		}
	}
}

// tokenOf returns the token in a webhook URL; empty if there is none.
func tokenOf(webhook string) string {
	u, err := url.Parse(webhook)
	if webhook == "" || err != nil {
		return ""
	}
	return u.Query().Get(TokenParam)
}
