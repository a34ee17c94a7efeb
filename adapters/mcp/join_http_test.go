package mcp_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
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
			ctx, giveUp := context.WithCancel(t.Context())
			gone := make(chan error, 1)
			go func() {
				_, err := session.CallTool(ctx, p)
				gone <- err
			}()
			require.Eventually(t, func() bool { return len(s.d.Jobs()) == 1 && s.d.Pending(s.d.Jobs()[0].ID) != nil }, 10*time.Second, time.Millisecond)
			giveUp()
			require.Error(t, <-gone)
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
