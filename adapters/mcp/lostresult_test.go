package mcp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A result whose connection was lost before it was there was returned to nobody: the
// same call again gets it, and starts no second Job. The next one is another call.
func TestAResultOverALostConnection(t *testing.T) {
	verify, err := mcp.Token(serverToken)
	require.NoError(t, err)
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			asked, answer := make(chan struct{}, 100), make(chan struct{})
			s := serve(t, verify, duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
				asked <- struct{}{}
				select {
				case <-answer:
					return hitl.Approve("tester", ""), nil
				case <-ctx.Done():
					return hitl.Decision{}, ctx.Err()
				}
			})))
			lost, lose := context.WithCancel(t.Context())
			session := s.overLossy(t, func(next http.RoundTripper) http.RoundTripper { return &cut{next: next, lose: lost} }, revision, nil)
			p := params("refunds", "order 4711", "", nil)
			giveUp := call(t, session, p)
			<-asked
			lose()
			giveUp()
			require.Eventually(t, func() bool { return s.lostConnections() == 1 }, 30*time.Second, time.Millisecond)
			close(answer)
			require.NoError(t, s.reg.Wait(t.Context()))
			for range 50 { // meanwhile the server is done with the call
				_, err := session.ListTools(t.Context(), nil)
				require.NoError(t, err)
			}
			for jobs := 1; jobs <= 2; jobs++ {
				res, err := session.CallTool(t.Context(), p)
				require.Contains(t, text(t, res, err), "Refunded.")
				require.Len(t, s.d.Jobs(), jobs)
				require.Equal(t, 2*jobs, s.d.Count("respondToHumanRequest"))
			}
		})
	}
}

// A swallower is a network that takes the form which the first tool call is to show,
// and loses the connection then.
type swallower struct {
	next    http.RoundTripper
	cancels bool // that the host gives up its call comes through
	done    atomic.Bool
}

func (s *swallower) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return s.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case bytes.Contains(body, []byte("notifications/cancelled")) && !s.cancels:
		return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	case bytes.Contains(body, []byte("tools/call")) && !s.done.Swap(true):
		ctx, lose := context.WithCancel(r.Context())
		defer lose()
		resp, err := s.next.RoundTrip(r.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(resp.Body); lines.Scan() && !strings.Contains(lines.Text(), "elicitation/create"); {
		}
		return nil, errors.Join(errors.New("the connection was lost"), resp.Body.Close())
	}
	return s.next.RoundTrip(r)
}

// A form that went with its connection before a person could have seen it is shown by
// the next call at once, whether or not the server was told that the host gave up.
func TestAFormThatTheConnectionTookIsShownAgain(t *testing.T) {
	verify, err := mcp.Token(serverToken)
	require.NoError(t, err)
	for _, revision := range revisions[1:] { // of the newest the call that asks has ended
		for _, cancels := range []bool{false, true} {
			t.Run(fmt.Sprint(revision, " cancels ", cancels), func(t *testing.T) {
				s := serve(t, verify)
				session := s.overLossy(t, func(next http.RoundTripper) http.RoundTripper { return &swallower{next: next, cancels: cancels} }, revision, sayYes)
				_, err = session.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
				require.Error(t, err)
				res, err := session.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
				require.Contains(t, text(t, res, err), "Refunded.")
				require.Len(t, s.d.Jobs(), 1)
				require.Equal(t, 2, s.d.Count("respondToHumanRequest"))
			})
		}
	}
}
