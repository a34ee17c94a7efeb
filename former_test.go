package duvotool_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// Without a journal, and with no key that anybody has, an operation is forgotten when it
// has ended. Its requests stay answered: one that comes back by its ID, two messages
// later, is nobody's to answer again.
func TestARequestComesBackAfterItsOperationIsForgotten(t *testing.T) {
	asks := duvotest.Assignment{Name: "Refunds",
		Script: func(j *duvotest.Job) { j.AskApproval("Refund 1200 EUR", ""); j.Complete("refunded") },
		Resume: func(j *duvotest.Job, _ string) { j.AskApproval("Refund 120 EUR", ""); j.Complete("more") }}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		first, asked := "", 0
		reg := discover(t, d.Client(), policy(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			switch asked++; asked {
			case 1:
				first = r.ID
			case 3:
				require.NoError(t, d.ChangeRequest(r.JobID, func(q *duvo.HumanRequest) { q.ID = first }))
			}
			return hitl.Approve("kim", ""), nil
		}))
		res, err := reg.All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		res, err = reg.Continue(t.Context(), res, "more")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		short, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		res, err = reg.Continue(short, res, "and more")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		require.Equal(t, 4, asked)
		require.Equal(t, 2, d.Count("respondToHumanRequest"), "to that of the start and that of the first message")
		require.NotNil(t, d.Pending(res.JobID))
	}, duvotest.WithAssignment(asks))
}

// A start that is answered with the Job of an operation that was forgotten is not taken
// for a new Job.
func TestAStartIsAnsweredWithAForgottenJob(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		backend := &sameJob{Client: d.Client()}
		reg := discover(t, backend)
		res, err := reg.All()[0].Run(t.Context(), "1s")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		backend.lies = true
		_, err = reg.All()[0].Run(t.Context(), "1s")
		require.ErrorIs(t, err, outcome.ErrForeignJob)
	}, duvotest.WithAssignment(sleeper))
}

// sameJob answers starts with the first Job once it lies.
type sameJob struct {
	*duvo.Client
	first duvo.Job
	lies  bool
}

func (s *sameJob) StartJob(ctx context.Context, j duvo.StartJob) (job duvo.Job, err error) {
	if s.lies {
		return s.first, nil
	}
	s.first, err = s.Client.StartJob(ctx, j)
	return s.first, err
}
