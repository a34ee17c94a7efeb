package duvotool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// slowTokens are those of a caller with OAuth. When one is due it takes the issuer
// 30 seconds; what happens after 20 of them is the test's.
type slowTokens struct {
	key       string
	due       atomic.Bool
	meanwhile func()
}

func (s *slowTokens) Token() (*oauth2.Token, error) {
	if s.due.Swap(false) {
		time.Sleep(20 * time.Second)
		s.meanwhile()
		time.Sleep(10 * time.Second)
	}
	return &oauth2.Token{AccessToken: s.key}, nil
}

// slowly makes a client whose next token is slow once due is set.
func slowly(t *testing.T, d *duvotest.Duvo) (*duvo.Client, *slowTokens) {
	tokens := &slowTokens{key: d.Key()}
	client, err := duvo.New(duvo.WithBaseURL(duvotest.MemoryURL), duvo.WithHTTPClient(d.HTTPClient()), duvo.WithTokenSource(tokens))
	require.NoError(t, err)
	return client, tokens
}

// dueAtResponse is an audit log that makes the token of the first response a slow
// one, or of every response.
type dueAtResponse struct {
	tokens *slowTokens
	every  bool
	once   *atomic.Bool
}

func (a dueAtResponse) Record(_ context.Context, r audit.Record) error {
	if r.Event == audit.Sent && (!a.once.Swap(true) || a.every) {
		a.tokens.due.Store(true)
	}
	return nil
}

func dueOnce(s *slowTokens) dueAtResponse { return dueAtResponse{s, false, new(atomic.Bool)} }

// The token expires between the read just before a response and the response,
// and another takes 30 seconds: the read is old by then.
func TestASlowTokenBeforeAResponse(t *testing.T) {
	asks := duvotest.Assignment{ID: refundsID, Name: "Refunds",
		Script: func(j *duvotest.Job) { j.AskApproval("Refund 1 EUR", ""); j.Complete("ok") }}
	small := hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
		if r.Title != "Refund 1 EUR" {
			return hitl.Deny("kim", ""), nil
		}
		return hitl.Approve("kim", ""), nil
	})
	t.Run("the request changes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(asks))
			defer d.Close()
			client, tokens := slowly(t, d)
			tokens.meanwhile = func() {
				require.NoError(t, d.ChangeRequest(d.Jobs()[0].ID, func(r *duvo.HumanRequest) { r.Title = "Refund 9999 EUR" }))
			}
			res, err := discover(t, client, duvotool.WithPolicy(small), duvotool.WithAudit(dueOnce(tokens))).All()[0].Run(t.Context(), "x")
			require.NoError(t, err)
			require.Equal(t, 1, d.Count("respondToHumanRequest"), "about what is asked now")
			require.False(t, *d.Jobs()[0].Requests[0].Response.Approved)
			require.Equal(t, hitl.Superseded, res.Decisions[0].Delivery)
		})
	})
	t.Run("it is as it was", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(asks))
			defer d.Close()
			client, tokens := slowly(t, d)
			tokens.meanwhile = func() {}
			res, err := discover(t, client, duvotool.WithPolicy(small), duvotool.WithAudit(dueOnce(tokens))).All()[0].Run(t.Context(), "x")
			require.NoError(t, err)
			require.Equal(t, 1, d.Count("respondToHumanRequest"))
			require.Len(t, res.Decisions, 1, "nobody is asked again")
			require.Equal(t, hitl.Accepted, res.Decisions[0].Delivery)
		})
	})
	t.Run("every time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(asks))
			defer d.Close()
			client, tokens := slowly(t, d)
			tokens.meanwhile = func() {}
			_, err := discover(t, client, duvotool.WithPolicy(small), duvotool.WithAudit(dueAtResponse{tokens, true, new(atomic.Bool)})).All()[0].Run(t.Context(), "x")
			require.ErrorIs(t, err, duvo.ErrTooLate)
			require.ErrorContains(t, err, "token source", "it says what to look at")
			require.Zero(t, d.Count("respondToHumanRequest"))
		})
	})
	t.Run("the caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(asks))
			defer d.Close()
			client, tokens := slowly(t, d)
			ctx, leave := context.WithCancel(t.Context())
			tokens.meanwhile = leave
			reg := discover(t, client, duvotool.WithPolicy(small), duvotool.WithAudit(dueOnce(tokens)))
			_, err := reg.All()[0].Run(ctx, "x")
			require.ErrorIs(t, err, context.Canceled)
			time.Sleep(time.Minute)
			require.Zero(t, d.Count("respondToHumanRequest"), "after the caller had left")
			res, err := reg.Resume(t.Context(), d.Jobs()[0].ID)
			require.NoError(t, err)
			require.Equal(t, hitl.Accepted, res.Decisions[0].Delivery)
			require.Equal(t, 1, d.Count("respondToHumanRequest"))
		})
	})
}

// No start begins after its caller has left; the same key is good for it later.
func TestASlowTokenBeforeAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) { j.Complete("ok") }}))
		defer d.Close()
		client, tokens := slowly(t, d)
		reg := discover(t, client)
		ctx, leave := context.WithCancel(duvotool.WithOperationKey(t.Context(), "order 4711"))
		tokens.meanwhile = leave
		tokens.due.Store(true)
		_, err := reg.All()[0].Run(ctx, "x")
		require.ErrorIs(t, err, context.Canceled)
		time.Sleep(time.Minute)
		require.Zero(t, d.Count("startRun"), "after the caller had left")
		_, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "x")
		require.NoError(t, err)
		require.Equal(t, 1, d.Count("startRun"))
	})
}

// A message would walk past what the Job has come to ask meanwhile.
func TestASlowTokenBeforeAMessage(t *testing.T) {
	run := func(t *testing.T, meanwhile func(d *duvotest.Duvo, client *duvo.Client, jobID string, leave func())) (*duvotest.Duvo, error) {
		d := duvotest.New(duvotest.WithAssignment(talker))
		t.Cleanup(d.Close)
		client, tokens := slowly(t, d)
		reg := discover(t, &beforeMessages{Client: client, due: &tokens.due})
		first, err := reg.All()[0].Run(t.Context(), "a")
		require.NoError(t, err)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		tokens.meanwhile = func() { meanwhile(d, d.Client(), first.JobID, leave) }
		_, err = reg.Continue(ctx, first, "b")
		time.Sleep(time.Minute)
		return d, err
	}
	t.Run("the Job waits by now", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, err := run(t, func(d *duvotest.Duvo, other *duvo.Client, jobID string, _ func()) {
				_, err := other.PostMessage(t.Context(), jobID, "ask", "")
				require.NoError(t, err)
			})
			var input *outcome.InputError
			require.ErrorAs(t, err, &input)
			require.Equal(t, 1, d.Count("postRunMessage"), "only the other's")
			require.Equal(t, duvo.StatusWaiting, d.Jobs()[0].Status)
		})
	})
	t.Run("the caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, err := run(t, func(_ *duvotest.Duvo, _ *duvo.Client, _ string, leave func()) { leave() })
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, d.Count("postRunMessage"))
		})
	})
	t.Run("all is as it was", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, err := run(t, func(*duvotest.Duvo, *duvo.Client, string, func()) {})
			require.NoError(t, err)
			require.Equal(t, 1, d.Count("postRunMessage"))
		})
	})
}

// beforeMessages makes the token of the first message a slow one.
type beforeMessages struct {
	*duvo.Client
	due  *atomic.Bool
	once atomic.Bool
}

func (b *beforeMessages) PostMessage(ctx context.Context, jobID, text, key string) (duvo.Message, error) {
	b.due.Store(!b.once.Swap(true))
	return b.Client.PostMessage(ctx, jobID, text, key)
}
