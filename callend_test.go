package duvotool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A call ended as pending (nobody was on duty) or expired; its Job waits or runs on.
// Days later somebody calls with the same key.
func TestACallThatEndedLeavesItsJob(t *testing.T) {
	for name, withJournal := range map[string]bool{"memory": false, "journal": true} {
		for ended, policy := range map[outcome.Outcome]hitl.Policy{
			outcome.OutcomePending: hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
				return hitl.Nobody("nobody is on duty"), nil
			}),
			outcome.OutcomeExpired: hitl.AlwaysDeny(),
		} {
			t.Run(string(ended)+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					job := duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
						if ended == outcome.OutcomeExpired {
							j.Sleep(100 * time.Hour)
						}
						j.AskApproval("Refund", "")
						j.Complete("refunded")
					}}
					d := duvotest.New(duvotest.WithAssignment(job), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
					defer d.Close()
					opts := []duvotool.Option{duvotool.WithPolicy(policy), duvotool.WithJobTimeout(time.Hour)}
					if withJournal {
						opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
					}
					reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
					require.NoError(t, err)
					defer reg.Close(context.Background())
					ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
					res, err := reg.All()[0].Run(ctx, "x")
					require.NoError(t, err)
					require.Equal(t, ended, res.Outcome)
					for range 3 {
						time.Sleep(30 * time.Hour)
						brief, cancel := context.WithTimeout(ctx, time.Minute)
						_, _ = reg.All()[0].Run(brief, "x")
						cancel()
					}
					require.Len(t, d.Jobs(), 1, "the first has not ended: %v", d.Jobs()[0].Status)
				})
			})
		}
	}
}

// Meanwhile a reviewer has answered in Duvo, and the Job has completed.
func TestACallGoesOnWithWhatEndedAsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
			j.AskApproval("Refund", "")
			j.Complete("refunded")
		}}
		d := duvotest.New(duvotest.WithAssignment(job))
		defer d.Close()
		nobody := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Nobody("nobody is on duty"), nil
		})
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(nobody))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
		res, err := reg.All()[0].Run(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		yes := true
		q := d.Pending(res.JobID)
		require.NoError(t, d.AnswerElsewhere(res.JobID, duvo.Response{JobID: res.JobID, RequestID: q.ID, Approved: &yes}))
		time.Sleep(time.Hour)
		res, err = reg.All()[0].Run(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome, "a host that calls again gets the Job, or the Result, that there is")
	})
}

// Who was not on duty is asked anew when somebody calls again, by the next process
// too, which does not take the Job up by itself.
func TestWhoWasNotOnDutyIsAskedAnew(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
				j.AskApproval("Refund", "")
				j.Complete("refunded")
			}}))
			defer d.Close()
			onDuty, asked := false, 0
			opts := []duvotool.Option{duvotool.WithJournal(journal.NewMemory()), duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
				if asked++; onDuty {
					return hitl.Approve("kim", ""), nil
				}
				return hitl.Nobody("nobody is on duty"), nil
			}))}
			reg, err := duvotool.Discover(t.Context(), d.Client(), opts...)
			require.NoError(t, err)
			defer func() { require.NoError(t, reg.Close(context.Background())) }()
			ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
			first, err := reg.All()[0].Run(ctx, "x")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomePending, first.Outcome)
			require.False(t, first.Repeated)
			time.Sleep(30 * time.Hour)
			if restart {
				require.NoError(t, reg.Close(context.Background()))
				reg, err = duvotool.Discover(t.Context(), d.Client(), opts...)
				require.NoError(t, err)
				require.Empty(t, reg.Resumed(), "not taken up by itself")
			}
			require.Empty(t, reg.Jobs(), "nobody works on it")
			look, err := reg.Lookup(t.Context(), "order 4711")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomePending, look.Outcome)
			require.Len(t, look.Decisions, 1)
			for range 2 {
				again, err := reg.All()[0].Run(ctx, "x")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomePending, again.Outcome)
				require.True(t, again.Repeated)
				require.Equal(t, first.Note, again.Note, "it says so once")
			}
			onDuty = true
			last, err := reg.All()[0].Run(ctx, "x")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, last.Outcome)
			require.Equal(t, first.JobID, last.JobID)
			require.Empty(t, last.Note, "nobody need look in Duvo any more")
			require.Equal(t, 4, asked)
			require.Len(t, d.Jobs(), 1)
			require.NotContains(t, last.Observation(), "Nobody decided")
			look, err = reg.Lookup(t.Context(), "order 4711")
			require.NoError(t, err)
			require.Equal(t, outcome.OutcomeCompleted, look.Outcome)
		})
	}
}
