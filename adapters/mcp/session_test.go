package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// inMemory runs a test with an emulated Duvo and its MCP server.
func inMemory(t *testing.T, test func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server), opts ...duvotestmcp.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignments(refunds, survey))
		t.Cleanup(d.Close)
		s := duvotestmcp.New(d, opts...)
		t.Cleanup(s.Close)
		test(t, d, s)
	})
}

func TestRevisions(t *testing.T) {
	for _, c := range []struct {
		server []string
		client string
		want   string
	}{
		{nil, "", "2026-07-28"},
		{nil, "2025-11-25", "2025-11-25"},
		{nil, "2025-03-26", "2025-03-26"},
		{[]string{"2026-07-28"}, "", "2026-07-28"},
		{[]string{"2025-11-25"}, "", "2025-11-25"},
		{[]string{"2025-06-18", "2025-03-26"}, "", "2025-06-18"},
		{[]string{"2024-11-05"}, "", "2024-11-05"},
		{[]string{"2025-03-26"}, "2025-06-18", "2025-03-26"},
	} {
		inMemory(t, func(t *testing.T, _ *duvotest.Duvo, s *duvotestmcp.Server) {
			var opts []mcp.Option
			if c.client != "" {
				opts = append(opts, mcp.WithProtocol(c.client))
			}
			client := connect(t, s, opts...)
			require.Equal(t, c.want, client.Protocol())
			_, err := client.Folders(t.Context())
			require.NoError(t, err)
		}, duvotestmcp.WithRevisions(c.server...))
	}
	_, err := mcp.Connect(t.Context(), mcp.WithProtocol("1999-01-01"))
	require.ErrorContains(t, err, "1999-01-01")
}

// A lost session, or a server that was started anew, is nobody's error, and no
// mutation is repeated for it.
func TestLostSessions(t *testing.T) {
	for name, opts := range map[string][]duvotestmcp.Option{
		"sessions": {duvotestmcp.WithSessions()}, "events": {duvotestmcp.WithSessions(), duvotestmcp.WithEvents()}, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) {
				c := connect(t, s)
				kim := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
					s.Restart()
					return hitl.Approve("kim@example.com", ""), nil
				})
				reg, err := duvotool.Discover(t.Context(), c, duvotool.WithPolicy(kim))
				require.NoError(t, err)
				defer reg.Close(context.Background())
				s.Restart()
				done := make(chan *outcome.Result)
				go func() {
					res, err := mustTool(reg, "Refunds").Run(t.Context(), "order 4711")
					require.NoError(t, err)
					done <- res
				}()
				for range 5 {
					time.Sleep(20 * time.Second)
					s.Restart()
				}
				require.Equal(t, "Refunded.", (<-done).Output)
				require.Len(t, d.Jobs(), 1)
				require.Equal(t, 1, d.Count("startRun"), "a call in a lost session has no effect, and is not even one")
				require.Equal(t, 2, d.Count("respondToHumanRequest"))
				if name != "none" {
					require.Greater(t, c.Sessions(), 3)
				}
			}, opts...)
		})
	}
}

// What the server lacks is said at once, by name.
func TestMissingTools(t *testing.T) {
	inMemory(t, func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) {
		_, err := mcp.Connect(t.Context(), mcp.With(s.Options()...), mcp.With(duvo.WithRetries(1, 0)))
		var missing *mcp.MissingError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, []string{"listRuns", "respondToHumanRequest"}, missing.Operations)
		require.ErrorContains(t, err, "respondToHumanRequest")
		require.Empty(t, d.Requests())
	}, duvotestmcp.Without("respondToHumanRequest", "listRuns", "getTeam"))
}

// The key is the caller's at every step, and stands in no error.
func TestKeys(t *testing.T) {
	inMemory(t, func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) {
		_, err := mcp.Connect(t.Context(), mcp.With(s.Options()...), mcp.With(duvo.WithAPIKey("dv_wrong_key")))
		require.ErrorIs(t, err, duvo.ErrUnauthorized)
		require.NotContains(t, err.Error(), "dv_wrong_key")
		require.Empty(t, d.Requests())

		c := connect(t, s)
		_, err = c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "x", IdempotencyKey: "k"})
		require.NoError(t, err)
		last := d.Requests()[len(d.Requests())-1]
		require.Equal(t, "Bearer <valid>", last.Header.Get("Authorization"))
		require.Equal(t, "k", last.Header.Get("Idempotency-Key"))
		require.Contains(t, last.Header.Get("User-Agent"), "duvotool")

		require.NoError(t, c.Close())
		_, err = c.Folders(t.Context())
		require.ErrorContains(t, err, "closed")
		require.False(t, duvo.MayHaveTakenEffect(err))
	})
}

// A GET is refused: there is no stream of the server's own.
func TestNoGET(t *testing.T) {
	for _, opts := range servers {
		d := duvotest.New()
		w := httptest.NewRecorder()
		duvotestmcp.New(d, opts...).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/mcp", nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		d.Close()
	}
}

// Both transports ask Duvo for the same, request by request; MCP has its
// handshake besides.
func TestRequestsPerJob(t *testing.T) {
	ops := func(d *duvotest.Duvo) (out []string) {
		for _, r := range d.Requests() {
			if r.Op != "listMyTeams" { // by which Connect checks the key
				body := string(r.Body)
				if r.Op == "startRun" {
					var b map[string]any
					_ = json.Unmarshal(r.Body, &b)
					body = b["message"].(string)
				}
				out = append(out, strings.Join([]string{r.Op, r.Query.Encode(), body}, " "))
			}
		}
		return out
	}
	live := func(t *testing.T, d *duvotest.Duvo, b duvotool.Backend) []string {
		reg, err := duvotool.Discover(t.Context(), b, duvotool.WithPolicy(duvotooltest.NewOperator("kim@example.com").Approves("")))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		before := len(ops(d))
		res, err := mustTool(reg, "Refunds").Run(t.Context(), "order 4711")
		require.NoError(t, err)
		require.Equal(t, "Refunded.", res.Output)
		return ops(d)[before:]
	}
	job := refunds
	job.Script = func(j *duvotest.Job) {
		j.Sleep(12 * time.Second) // between reads, whatever their jitter
		if j.AskApproval("Refund 120 EUR", "") && j.AskApproval("Tell the customer", "") {
			j.Complete("Refunded.")
		}
	}
	var rest []string
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(job))
		t.Cleanup(d.Close)
		rest = live(t, d, d.Client())
		t.Logf("REST: %d requests for a Job", len(rest))
	})
	for name, opts := range servers {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(job))
			t.Cleanup(d.Close)
			s := duvotestmcp.New(d, opts...)
			t.Cleanup(s.Close)
			c := connect(t, s)
			all, calls := s.Posts()
			over := live(t, d, c)
			require.Len(t, over, len(rest))
			for i := range over { // IDs are drawn anew
				require.Equal(t, strings.Fields(rest[i])[0], strings.Fields(over[i])[0])
			}
			allAfter, callsAfter := s.Posts()
			require.Equal(t, allAfter-all, callsAfter-calls, "nothing but the calls")
			require.Equal(t, len(d.Requests()), callsAfter, "one call, one request")
			t.Logf("MCP, %s: %d requests for a Job, %d POSTs of the handshake", name, len(over), all-calls)
		})
	}
}

// A session that drops after a mutation was sent leaves it in doubt, and the
// registry finds out.
func TestDropAfterSending(t *testing.T) {
	inMemory(t, func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) {
		c := connect(t, s)
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op != "startRun" || len(d.Jobs()) > 0 {
				return nil
			}
			s.Restart()
			return &duvotest.Fault{Kind: duvotest.ResetAfter}
		})
		_, err := c.StartJob(duvo.WithoutResend(t.Context()), duvo.StartJob{AssignmentID: refundsID, Message: "x", IdempotencyKey: "k"})
		require.True(t, duvo.MayHaveTakenEffect(err), "%v", err)
		require.ErrorIs(t, err, duvo.ErrUnavailable)
		require.Equal(t, 1, d.Count("startRun"))
		var failure *duvo.TransportError
		require.True(t, errors.As(err, &failure))
	}, duvotestmcp.WithSessions())
}

// mustTool is for names that are there.
func mustTool(reg *duvotool.Registry, name string) *duvotool.Tool {
	tool, err := reg.Tool(name)
	if err != nil {
		panic(err)
	}
	return tool
}
