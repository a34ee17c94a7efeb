package duvotool_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// restless is a Duvo whose waiting Job tells another text with every read, the
// same in all of its request.
type restless struct {
	*duvo.Client
	n atomic.Int64
}

func (b *restless) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := b.Client.Job(ctx, id)
	if j.Pending != nil {
		n := b.n.Add(1)
		j.Pending.Title = strings.Repeat(fmt.Sprint(n%10), 1+int(n%50))
		j.Pending.Description = j.Pending.Title
	}
	return j, err
}

// TestJobsTellWholeRequests, while the request that is asked about, or that is
// suspended, changes all the time. The race detector sees what this does not.
func TestJobsTellWholeRequests(t *testing.T) {
	reads := int64(300)
	if testing.Short() {
		reads = 100
	}
	for name, p := range map[string]hitl.Policy{
		"asked": hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			<-ctx.Done()
			return hitl.Decision{}, context.Cause(ctx)
		}),
		"suspended": hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil }),
	} {
		t.Run(name, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(refunds))
			defer d.Close()
			b := &restless{Client: d.Client()}
			reg := discover(t, b, duvotool.WithPolicy(p), duvotool.WithPollInterval(time.Millisecond))
			_, err := reg.All()[0].Start(t.Context(), "x")
			require.NoError(t, err)
			told := func(r hitl.Request) {
				require.Equal(t, r.Title, r.Description, "a request that never was")
				require.NotEmpty(t, r.JobID, "a request that never was")
			}
			for b.n.Load() < reads {
				for _, j := range reg.Jobs() {
					if j.Request != nil {
						told(*j.Request)
					}
				}
				for _, r := range reg.Pending() {
					told(r)
				}
			}
		})
	}
}

// TestJobsTellNoRequestThatIsOver: once it was answered elsewhere or the work on
// the Job has ended, no list tells of it any more.
func TestJobsTellNoRequestThatIsOver(t *testing.T) {
	job := duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		j.AskApproval("Refund", "")
		j.Sleep(time.Hour)
		j.Complete("ok")
	}}
	hang := hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
		<-ctx.Done()
		return hitl.Decision{}, context.Cause(ctx)
	})
	request := func(t *testing.T, reg *duvotool.Registry) *hitl.Request {
		jobs := reg.Jobs()
		require.Len(t, jobs, 1)
		return jobs[0].Request
	}
	for name, p := range map[string]hitl.Policy{"asked": hang, "suspended": hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })} {
		t.Run("answered elsewhere while "+name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				reg := discover(t, d.Client(), duvotool.WithPolicy(p))
				_, err := reg.All()[0].Start(t.Context(), "x")
				require.NoError(t, err)
				time.Sleep(time.Minute)
				require.NotNil(t, request(t, reg))
				yes := true
				require.NoError(t, d.AnswerElsewhere(d.Jobs()[0].ID, duvo.Response{RequestID: d.Jobs()[0].Requests[0].ID, Approved: &yes}))
				time.Sleep(10 * time.Minute)
				require.Nil(t, request(t, reg))
			}, duvotest.WithAssignment(job))
		})
	}
	t.Run("taken up again", func(t *testing.T) {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			reg := discover(t, d.Client(), duvotool.WithPolicy(hang))
			ctx := duvotool.WithOperationKey(t.Context(), "k")
			brief, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err := reg.All()[0].Run(brief, "x")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			d.Inject(duvotest.Fault{Op: "getRun", Kind: duvotest.StatusBefore, Times: 3})
			_, err = reg.All()[0].Start(ctx, "x")
			require.NoError(t, err)
			require.Nil(t, request(t, reg), "it has not been read again")
		}, duvotest.WithAssignment(job))
	})
}
