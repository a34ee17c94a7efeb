package duvotool_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// hinted is a Duvo whose first start, before it is sent, is followed by a signed
// delivery about another Job, to the URL of the start.
type hinted struct {
	*duvo.Client
	hook  http.Handler
	about string
	once  sync.Once
}

func (b *hinted) StartJob(ctx context.Context, s duvo.StartJob) (duvo.Job, error) {
	job, err := b.Client.StartJob(ctx, s)
	b.once.Do(func() {
		if b.about == "" {
			rows, lost := b.JobPage(ctx, duvo.JobFilter{AssignmentID: s.AssignmentID})
			if lost == nil && len(rows.Jobs) > 0 {
				b.about = rows.Jobs[0].ID
			}
		}
		r := delivery(time.Now(), hookSecret, "m1", `{"event":"run.completed","run_id":"`+b.about+`"}`)
		to := httptest.NewRequest(http.MethodPost, s.WebhookURL, nil)
		r.URL = to.URL
		b.hook.ServeHTTP(httptest.NewRecorder(), r)
	})
	return job, err
}

// A delivery is only a hint of which Job a lost start has made: one that is of
// another Assignment, older than the start, or was told something else is not
// taken, and nobody decides about it; the right one is.
func TestADeliveryIsOnlyAHint(t *testing.T) {
	const input, otherAssignment = "1 EUR, to the customer", "1b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a12"
	for name, c := range map[string]struct {
		assignment, input string
		before            time.Duration // of the start
		taken             bool
	}{
		"another message":             {assignment: refundsID, input: "everything, to a stranger"},
		"another Assignment":          {assignment: otherAssignment, input: input},
		"the same words, long before": {assignment: refundsID, input: input, before: time.Hour},
		"the right one":               {taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := func(j *duvotest.Job) {
					j.Sleep(2 * time.Hour)
					j.AskApproval("Refund", "")
					j.Complete("refunded " + j.Input())
				}
				hook := &to{}
				d := duvotest.New(duvotest.WithWebhookClient(&http.Client{Transport: hook}), duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: script}),
					duvotest.WithAssignment(duvotest.Assignment{ID: otherAssignment, Name: "Other", Script: script}),
					duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				b := &hinted{Client: d.Client(duvo.WithRetries(1, time.Second))}
				fault := duvotest.Fault{Op: "startRun", Kind: duvotest.ResetBefore}
				if c.taken {
					fault.Kind = duvotest.ResetAfter
				} else {
					var err error
					b.about, err = d.StartElsewhere(c.assignment, c.input)
					require.NoError(t, err)
					time.Sleep(c.before)
				}
				d.Inject(fault)
				var about []string
				reg := discover(t, b, duvotool.WithWebhook("https://example.com/hook", hookSecret),
					duvotool.WithPolicy(hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
						about = append(about, r.JobID)
						return hitl.Approve("kim", ""), nil
					})))
				b.hook, hook.h = reg.Webhook(), reg.Webhook() // those of the emulator are signed with another secret
				res, err := mustTool(reg, "refunds").Run(t.Context(), input)
				require.NoError(t, err)
				require.Equal(t, "refunded "+input, res.Output)
				require.Equal(t, []string{res.JobID}, about)
				require.Equal(t, c.taken, b.about == res.JobID)
				if c.taken {
					require.Len(t, d.Jobs(), 1, "by its delivery the Job is found on a server that does not honour keys")
				}
			})
		})
	}
}
