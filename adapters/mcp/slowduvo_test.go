package mcp_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slow hands each request on after a while.
type slow struct {
	next  http.RoundTripper
	while time.Duration
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(s.while):
		return s.next.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func slowly(s *duvotestmcp.Server, while time.Duration) (*slow, mcp.Option) {
	way := &slow{duvotest.InMemory(s).Transport, while}
	return way, mcp.With(duvo.WithHTTPClient(&http.Client{Transport: way}), duvo.WithRetries(1, time.Second))
}

// Each message of a handshake has the time of a request, however many there are, and
// what it takes does not count against the read that waits for it.
func TestASlowDuvoIsReached(t *testing.T) {
	for name, opts := range servers {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) {
				_, way := slowly(s, 25*time.Second)
				c := connect(t, s, way)
				require.Equal(t, 1, c.Sessions())
				reg, err := duvotool.Discover(t.Context(), c)
				require.NoError(t, err)
				require.NotEmpty(t, reg.All())
				require.Equal(t, 1, d.Count("listAgents"))
				require.NoError(t, reg.Close(t.Context()))
			}, opts...)
		})
	}
}

// A request that changes something does not wait longer than ever for a session: it is
// not sent. The session is opened all the same, once, and the next request finds it.
func TestWhatChangesSomethingDoesNotWaitLong(t *testing.T) {
	inMemory(t, func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) {
		way, option := slowly(s, 0)
		c := connect(t, s, option)
		before, _ := s.Posts()
		s.Restart()
		way.while = 25 * time.Second
		began := time.Now()
		_, err := c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "x", IdempotencyKey: "k"})
		require.ErrorContains(t, err, "no answer within 30s")
		require.False(t, duvo.MayHaveTakenEffect(err))
		require.Equal(t, 30*time.Second, time.Since(began))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		after, _ := s.Posts()
		require.Equal(t, 5, after-before, "the call in the session that is gone, and one handshake")
		require.Zero(t, d.Count("startRun"))
		require.Equal(t, 2, c.Sessions())
		_, err = c.Folders(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, c.Sessions())
	}, duvotestmcp.WithSessions())
}

// A message of a handshake that is not answered has its bound, and a client that is
// closed meanwhile waits for nothing.
func TestAHandshakeThatHangs(t *testing.T) {
	inMemory(t, func(t *testing.T, _ *duvotest.Duvo, s *duvotestmcp.Server) {
		_, way := slowly(s, time.Hour)
		began := time.Now()
		_, err := mcp.Connect(t.Context(), mcp.With(s.Options()...), way)
		require.ErrorContains(t, err, "MCP handshake: no answer within 30s")
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 30*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		_, err = mcp.Connect(ctx, mcp.With(s.Options()...), way)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
	})
}

// handshakesHang hands on tool calls alone.
type handshakesHang struct {
	next  http.RoundTripper
	hangs atomic.Bool
}

func (h *handshakesHang) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil { // the end of a session
		return h.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if h.hangs.Load() && !bytes.Contains(body, []byte(`"tools/call"`)) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return h.next.RoundTrip(r)
}

// Those who wait for one handshake are told together that it failed.
func TestAHandshakeIsForAllWhoWait(t *testing.T) {
	inMemory(t, func(t *testing.T, _ *duvotest.Duvo, s *duvotestmcp.Server) {
		way := &handshakesHang{next: duvotest.InMemory(s).Transport}
		c := connect(t, s, mcp.With(duvo.WithHTTPClient(&http.Client{Transport: way}), duvo.WithRetries(1, time.Second)))
		s.Restart()
		way.hangs.Store(true)
		began := time.Now()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, err := c.Folders(t.Context())
				assert.ErrorContains(t, err, "MCP handshake: no answer within 30s")
			})
		}
		all.Wait()
		require.Equal(t, 30*time.Second, time.Since(began))
		way.hangs.Store(false)
		_, err := c.Folders(t.Context())
		require.NoError(t, err)
	}, duvotestmcp.WithSessions())
}
