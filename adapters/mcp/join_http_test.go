package mcp_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// Over HTTP too a host that gives up gets its Job: by its session, or, where the
// revision has none, by its user.
func TestJoiningOverHTTP(t *testing.T) {
	verify, err := mcp.Token(serverToken)
	require.NoError(t, err)
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			s := serve(t, verify)
			session, err := s.connect(t, serverToken, revision, at(300*time.Millisecond))
			require.NoError(t, err)
			p := params("refunds", "order 4711", "", nil)
			giveUp := call(t, session, p)
			require.Eventually(t, func() bool { return len(s.d.Jobs()) == 1 && s.d.Pending(s.d.Jobs()[0].ID) != nil }, time.Minute, time.Millisecond)
			giveUp()
			res, err := session.CallTool(t.Context(), p)
			require.Contains(t, text(t, res, err), "Refunded.")
			require.Len(t, s.d.Jobs(), 1)
			require.Equal(t, 2, s.d.Count("respondToHumanRequest"), "one for each of its two requests")
			res, err = session.CallTool(t.Context(), p)
			require.Contains(t, text(t, res, err), "Refunded.")
			require.Len(t, s.d.Jobs(), 2, "another call")
		})
	}
}

// A cut is a network that loses the connection of the first tool call, and does not
// let the server know that the host has given it up.
type cut struct {
	next http.RoundTripper
	lose context.Context // ends when the connection is lost
	done atomic.Bool
}

func (c *cut) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case bytes.Contains(body, []byte("notifications/cancelled")):
		return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	case bytes.Contains(body, []byte("tools/call")) && !c.done.Swap(true):
		r = r.WithContext(c.lose)
	}
	return c.next.RoundTrip(r)
}

// A form that cannot be shown because the connection of its call is gone is no answer:
// it is shown by the next call, and not to nobody over and over.
func TestAFormOverALostConnection(t *testing.T) {
	verify, err := mcp.Token(serverToken)
	require.NoError(t, err)
	for _, revision := range revisions {
		if revision >= "2026-07-28" {
			continue // no form is shown by a call that is under way
		}
		t.Run(revision, func(t *testing.T) {
			asked, ask, asks := make(chan struct{}), make(chan struct{}), atomic.Int32{}
			elicit := mcp.Elicit(nil, hitl.For(refundsID))
			s := serve(t, verify, duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
				if asks.Add(1) == 1 {
					close(asked)
				}
				select {
				case <-ask:
				case <-ctx.Done():
					return hitl.Decision{}, ctx.Err()
				}
				return elicit.Decide(ctx, r)
			})))
			lost, lose := context.WithCancel(t.Context())
			session := s.overLossy(t, func(next http.RoundTripper) http.RoundTripper { return &cut{next: next, lose: lost} }, revision, sayYes)
			p := params("refunds", "order 4711", "", nil)
			giveUp := call(t, session, p)
			<-asked
			lose()
			giveUp()
			require.Eventually(t, func() bool { return s.lostConnections() == int32(1) }, time.Minute, time.Millisecond)
			close(ask)
			res, err := session.CallTool(t.Context(), p)
			require.Contains(t, text(t, res, err), "Refunded.")
			require.Len(t, s.d.Jobs(), 1)
			require.Equal(t, 2, s.d.Count("respondToHumanRequest"))
			require.Equal(t, int32(2), asks.Load(), "each of its two requests is decided once")
		})
	}
}
