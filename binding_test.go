package duvotool_test

import (
	"context"
	"net/http"
	"sync/atomic"
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

const otherID = "22222222-2222-4222-8222-222222222222"

// TestJobIsBoundToItsAssignment: no policy is asked about a Job of which nothing
// has told that it runs the Assignment that was asked for, or of which something
// tells another.
func TestJobIsBoundToItsAssignment(t *testing.T) {
	for name, c := range map[string]struct {
		start string
		reads []string // the last one is told ever after
		asked int
		sent  int
	}{
		"told by both":                          {fakeID, []string{fakeID}, 1, 1},
		"told by the start":                     {fakeID, []string{""}, 1, 1},
		"told by the read":                      {"", []string{fakeID}, 1, 1},
		"told once by a read":                   {"", []string{fakeID, ""}, 1, 1},
		"told in capitals":                      {"", []string{"11111111-1111-4111-8111-111111111111"}, 1, 1},
		"told by neither":                       {"", []string{""}, 0, 0},
		"too late":                              {"", []string{"", fakeID}, 0, 0},
		"another by the start":                  {otherID, []string{fakeID}, 0, 0},
		"another by the read":                   {fakeID, []string{otherID}, 0, 0},
		"nothing, then another":                 {"", []string{otherID}, 0, 0},
		"another by the read before it is sent": {fakeID, []string{fakeID, otherID}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{start: func(int, duvo.StartJob) (duvo.Job, error) {
					return duvo.Job{ID: "job-1", AssignmentID: c.start, Status: duvo.StatusPending}, nil
				}}
				f.job = func(n int) (duvo.Job, error) {
					told := c.reads[min(n, len(c.reads))-1]
					if f.responds > 0 {
						return duvo.Job{AssignmentID: told, Status: duvo.StatusCompleted}, nil
					}
					return duvo.Job{AssignmentID: told, Status: duvo.StatusWaiting, Pending: &approval}, nil
				}
				w := &witness{then: hitl.AutoApprove(hitl.For(fakeID))}
				reg := discover(t, f, duvotool.WithPolicy(w))
				res, err := reg.All()[0].Run(t.Context(), "x")
				require.Len(t, w.requests(), c.asked)
				require.Equal(t, c.sent, f.responds)
				if c.sent > 0 {
					require.NoError(t, err)
					require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
					return
				}
				require.ErrorIs(t, err, outcome.ErrOtherJob)
				var job *outcome.JobError
				require.ErrorAs(t, err, &job)
			})
		})
	}
}

// A Job that asks for nothing needs no such proof, unless it is told to be
// another.
func TestJobThatAsksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for told, want := range map[string]error{"": nil, otherID: outcome.ErrOtherJob} {
			f := &fake{job: func(int) (duvo.Job, error) {
				return duvo.Job{AssignmentID: told, Status: duvo.StatusCompleted}, nil
			}, start: func(int, duvo.StartJob) (duvo.Job, error) { return duvo.Job{ID: "job-1"}, nil }}
			_, err := discover(t, f).All()[0].Run(t.Context(), "x")
			require.ErrorIs(t, err, want)
		}
	})
}

// A read that answers for another Job is no read of this one, wherever it is
// read: the one after a stop, too, and the one before a message.
func TestReadsOfAnotherJob(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var lie func(*duvo.Job)
		b := bent{Client: d.Client(), job: func(j *duvo.Job) {
			if lie != nil {
				lie(j)
			}
		}}
		reg := discover(t, b, duvotool.WithJobTimeout(time.Minute), duvotool.StopOn(outcome.TimedOut), duvotool.WithFollowUps())
		first, err := mustTool(reg, "refunds").Run(t.Context(), "5")
		require.NoError(t, err)
		for name, bad := range map[string]func(*duvo.Job){
			"another Assignment": func(j *duvo.Job) { j.AssignmentID = otherID }, "another Job": func(j *duvo.Job) { j.ID = otherID },
		} {
			lie = bad
			_, err = reg.Continue(t.Context(), first, "more")
			require.ErrorIs(t, err, outcome.ErrOtherJob, name)
			require.Zero(t, d.Count("postRunMessage"), name)
		}
	}, duvotest.WithAssignment(asker))
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		b := bent{Client: d.Client(), job: func(j *duvo.Job) {
			if d.Count("stopRun") > 0 {
				j.ID, j.Status = otherID, duvo.StatusCompleted
			}
		}}
		reg := discover(t, b, duvotool.WithJobTimeout(time.Minute), duvotool.StopOn(outcome.TimedOut))
		_, err := mustTool(reg, "refunds").Run(t.Context(), "5")
		require.ErrorIs(t, err, outcome.ErrOtherJob, "not what another Job has come to")
		require.Equal(t, 1, d.Count("stopRun"))
	}, duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) { j.Sleep(time.Hour); j.Complete("") }}))
}

// TestBindingOutlivesTheProcess: what a start told is remembered, and what none
// has told is not made up.
func TestBindingOutlivesTheProcess(t *testing.T) {
	for name, told := range map[string]string{"told": fakeID, "not told": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{start: func(int, duvo.StartJob) (duvo.Job, error) {
					return duvo.Job{ID: "job-1", AssignmentID: told, Status: duvo.StatusPending}, nil
				}, job: running}
				j := journal.NewMemory()
				reg := open(t, f, j)
				ctx, leave := context.WithTimeout(duvotool.WithOperationKey(t.Context(), "k"), time.Minute)
				defer leave()
				_, err := reg.All()[0].Run(ctx, "x")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				shut(t, reg)
				f.asks(approval)
				w := &witness{then: hitl.AutoApprove(hitl.For(fakeID))}
				reg = open(t, f, j, duvotool.WithPolicy(w))
				_, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "x")
				shut(t, reg)
				if told == "" {
					require.ErrorIs(t, err, outcome.ErrOtherJob)
					require.Empty(t, w.requests())
					require.Zero(t, f.responds)
					return
				}
				require.NoError(t, err)
				require.Equal(t, 1, f.responds)
			})
		})
	}
}

// TestBuildThatChanges: a decision about one Build is not sent for another.
func TestBuildThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.job = func(n int) (duvo.Job, error) {
			if f.responds > 0 {
				return duvo.Job{BuildID: "two", Status: duvo.StatusCompleted}, nil
			}
			build := map[bool]string{true: "one", false: "two"}[n == 1]
			return duvo.Job{BuildID: build, Status: duvo.StatusWaiting, Pending: &approval}, nil
		}
		begin := time.Now()
		w := &witness{then: hitl.FirstOf(hitl.AutoApprove(hitl.For(fakeID).OnBuild("one")), hitl.AlwaysDeny())}
		reg := discover(t, f, duvotool.WithPolicy(w))
		_, err := reg.All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		asked := w.requests()
		require.Len(t, asked, 2)
		require.Equal(t, "one two", asked[0].BuildID+" "+asked[1].BuildID)
		require.False(t, asked[1].FirstSeen.Before(begin))
		require.NotEqual(t, asked[0].ContentDigest(), asked[1].ContentDigest())
		require.Len(t, f.sent, 1)
		require.False(t, *f.sent[0].Approved, "the rule was for the first Build")
	})
}

// freshBuild is a rebuilt Duvo that says that its Job has changed with each read.
type freshBuild struct{ rebuilt }

func (b *freshBuild) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := b.rebuilt.Job(ctx, id)
	j.UpdatedAt = time.Now()
	return j, err
}

// TestDecisionsKnowTheirBuildAfterARestart: a decision about one Build was recorded
// and not sent, and the process saw another Build before it ended. The next one asks
// about that.
func TestDecisionsKnowTheirBuildAfterARestart(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		b := &freshBuild{rebuilt{Client: d.Client()}}
		b.is("build-1")
		ctx, leave := context.WithCancel(duvotool.WithOperationKey(t.Context(), "k"))
		defer leave()
		var decided atomic.Bool
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "listRunMessages" && decided.Load() && ctx.Err() == nil {
				leave() // Build 2 was seen, and not yet compared
				time.Sleep(time.Second)
			}
			return nil
		})
		var builds []string
		policy := duvotool.WithPolicy(hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			builds = append(builds, r.BuildID)
			if r.BuildID != "build-1" {
				return hitl.Deny("kim", ""), nil
			}
			time.Sleep(time.Second) // so that the next read is of a later change
			b.is("build-2")
			decided.Store(true)
			return hitl.Approve("kim", ""), nil
		}))
		j := journal.NewMemory()
		reg := open(t, b, j, policy, duvotool.WithLiveMessages())
		_, err := reg.All()[0].Run(ctx, "x")
		require.ErrorIs(t, err, context.Canceled)
		shut(t, reg)
		require.Zero(t, d.Count("respondToHumanRequest"))
		reg = open(t, b, j, policy)
		_, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "x")
		require.NoError(t, err)
		require.Equal(t, "build-1", builds[0])
		require.Contains(t, builds, "build-2")
		for _, b := range builds[1:] { // once more where the first process asked as it was ending
			require.Equal(t, "build-2", b)
		}
		require.Zero(t, approvedOnWire(d))
		shut(t, reg)
	}, duvotest.WithAssignment(refunds))
}
