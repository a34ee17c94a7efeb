package duvotool_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A request that one read does not show, and the next one does, is asked about
// again: a read may come from a replica that lags behind.
func TestRequestThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{messages: []duvo.Message{{Role: "assistant", Text: "the end"}}}
		f.job = func(n int) (duvo.Job, error) {
			switch {
			case f.responds > 0:
				return duvo.Job{Status: duvo.StatusCompleted}, nil
			case n == 2:
				return duvo.Job{Status: duvo.StatusRunning}, nil
			}
			return duvo.Job{Status: duvo.StatusWaiting, Pending: &approval}, nil
		}
		asked := 0
		reg := discover(t, f, policy(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			if asked++; asked == 1 {
				<-ctx.Done()
				return hitl.Decision{}, context.Cause(ctx)
			}
			return hitl.Approve("ops", ""), nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		res, err := mustTool(reg, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		require.Equal(t, 2, asked)
		require.Len(t, f.sent, 1)
	})
}

// Where the rate limit is used up by the read just before a response, the
// response must not be held back and then sent all the same: the request may
// read differently by then, and the caller may have left.
func TestRateLimitDoesNotHoldBackAResponse(t *testing.T) {
	for name, patience := range map[string]time.Duration{"the text changes": time.Hour, "the caller leaves": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				next, reads := d.HTTPClient().Transport, 0
				usedUp := wireFunc(func(r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if strings.Count(r.URL.Path, "/") == 3 && strings.HasPrefix(r.URL.Path, "/v2/runs/") {
						if reads++; reads == 2 { // the one just before
							resp.Header.Set("X-RateLimit-Remaining", "0")
							resp.Header.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(30*time.Second).Unix(), 10))
						}
					}
					return resp, err
				})
				var seen []string
				reg := discover(t, d.Client(duvo.WithHTTPClient(&http.Client{Transport: usedUp})), policy(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
					if seen = append(seen, r.Title); len(seen) > 1 {
						return hitl.Deny("ops", "too much"), nil
					}
					time.AfterFunc(20*time.Second, func() {
						_ = d.ChangeRequest(r.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 1200 EUR" })
					})
					return hitl.Approve("ops", "little enough"), nil
				}))
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, _ = mustTool(reg, "refunds").Run(ctx, "4711")
				left := time.Now()
				time.Sleep(5 * time.Minute)
				_, approved := responses(d)
				require.False(t, approved, "an approval of %q was taken for %q", seen[0], d.Jobs()[0].Requests[0].Title)
				for _, r := range d.Requests() {
					if r.Op == "respondToHumanRequest" {
						require.False(t, r.At.After(left), "sent %v after the caller left", r.At.Sub(left))
					}
				}
			}, duvotest.WithAssignment(refunds))
		})
	}
}
