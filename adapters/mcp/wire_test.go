package mcp_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Over real connections, kept and broken, a mutation is sent once: neither
// net/http nor the SDK sends it a second time by itself, and a caller that
// leaves sends nothing more.
func TestSentOnceOverSockets(t *testing.T) {
	for name, opts := range map[string][]duvotestmcp.Option{"newest": nil, "sessions": {duvotestmcp.WithSessions(), duvotestmcp.WithEvents()}} {
		t.Run(name, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(refunds))
			defer d.Close()
			s := duvotestmcp.New(d, opts...)
			defer s.Close()
			url := s.Listen()
			own := &http.Transport{}
			defer own.CloseIdleConnections()
			c := connect(t, s, mcp.With(duvo.WithHTTPClient(&http.Client{Transport: own}), duvo.WithBaseURL(url)))
			for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.Truncate} {
				_, err := c.Folders(t.Context()) // over a connection that is kept
				require.NoError(t, err)
				before := d.Count("startRun")
				d.Inject(duvotest.Fault{Op: "startRun", Kind: kind})
				_, err = c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: kind.String()})
				require.True(t, duvo.MayHaveTakenEffect(err), "%v", err)
				require.ErrorIs(t, err, duvo.ErrUnavailable)
				require.Equal(t, before+1, d.Count("startRun"), kind)
			}
			all, _ := s.Posts()
			d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.Hang})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			before, ended := d.Count("startRun"), make(chan error, 1)
			go func() {
				_, err := c.StartJob(ctx, duvo.StartJob{AssignmentID: refundsID, Message: "left"})
				ended <- err
			}()
			require.Eventually(t, func() bool { return d.Count("startRun") > before }, time.Minute, time.Millisecond)
			cancel()
			err := <-ended
			require.ErrorIs(t, err, context.Canceled)
			require.True(t, duvo.MayHaveTakenEffect(err))
			_, err = c.Folders(t.Context())
			require.NoError(t, err)
			after, _ := s.Posts()
			require.Equal(t, all+2, after, "no cancellation is sent")
			require.Equal(t, 1, c.Sessions())
		})
	}
}

// A server that is not there provably did nothing.
func TestNobodyListens(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	s := duvotestmcp.New(d)
	url := s.Listen()
	own := &http.Transport{}
	defer own.CloseIdleConnections()
	c := connect(t, s, mcp.With(duvo.WithHTTPClient(&http.Client{Transport: own}), duvo.WithBaseURL(url), duvo.WithRetries(1, 0)))
	s.Close()
	own.CloseIdleConnections()
	_, err := c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "x"})
	require.ErrorIs(t, err, duvo.ErrUnavailable)
	require.False(t, duvo.MayHaveTakenEffect(err), "%v", err)
	_, err = mcp.Connect(t.Context(), mcp.With(duvo.WithAPIKey("dv_key"), duvo.WithBaseURL("http://127.0.0.1:1"), duvo.WithRetries(1, 0)))
	require.ErrorIs(t, err, duvo.ErrUnavailable)
	require.ErrorContains(t, err, "connection refused")
}
