package mcp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// bearer sends a token with every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// served is a server of tools on a socket.
type served struct {
	*host
	http            *httptest.Server
	lostConnections func() int32 // of requests that the server has given up for it
}

func serve(t *testing.T, verify auth.TokenVerifier, opts ...duvotool.Option) *served {
	quick := refunds
	quick.Script = func(j *duvotest.Job) {
		if j.AskApproval("Refund 120 EUR", "") && j.AskApproval("Tell the customer", "") {
			j.Complete("Refunded.")
		}
		j.Complete("Not refunded.")
	}
	h := &host{d: duvotest.New(duvotest.WithAssignments(quick))}
	t.Cleanup(h.d.Close)
	var err error
	h.reg, err = duvotool.Discover(t.Context(), h.d.Client(), append([]duvotool.Option{duvotool.WithPolicy(mcp.Elicit(nil, hitl.For(refundsID))),
		duvotool.WithObserver(mcp.Progress(nil)), duvotool.WithPollInterval(5 * time.Millisecond)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.reg.Close(context.Background())) })
	h.s, err = mcp.NewServer(h.reg)
	require.NoError(t, err)
	handler, err := h.s.Handler(verify, nil)
	require.NoError(t, err)
	var lost atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		if r.Method == http.MethodPost && r.Context().Err() != nil {
			lost.Add(1)
		}
	}))
	t.Cleanup(func() {
		require.NoError(t, h.s.Close(context.Background())) // or a session that is closed waits for its calls
		server.CloseClientConnections()
		server.Close()
	})
	return &served{h, server, lost.Load}
}

func (s *served) connect(t *testing.T, token, revision string, user answers) (*sdk.ClientSession, error) {
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	return s.over(t, bearer{token, own}, 0, revision, user)
}

// over connects a host by a transport that takes its messages, and opens its stream
// anew that many times; -1: never.
func (s *served) over(t *testing.T, way http.RoundTripper, retries int, revision string, user answers) (*sdk.ClientSession, error) {
	session, err := s.client(user).Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: s.http.URL, MaxRetries: retries, HTTPClient: &http.Client{Transport: way}},
		&sdk.ClientSessionOptions{ProtocolVersion: revision})
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

// overLossy connects a host over a network that loses something, and does not try again.
func (s *served) overLossy(t *testing.T, lossy func(next http.RoundTripper) http.RoundTripper, revision string, user answers) *sdk.ClientSession {
	own := &http.Transport{}
	t.Cleanup(own.CloseIdleConnections)
	session, err := s.over(t, lossy(bearer{serverToken, own}), -1, revision, user)
	require.NoError(t, err)
	return session
}

// call begins a tool call. What it returns gives the call up, and waits for its end.
func call(t *testing.T, session *sdk.ClientSession, p *sdk.CallToolParams) (giveUp func()) {
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := session.CallTool(ctx, p)
		gone <- err
	}()
	return func() {
		cancel()
		require.Error(t, <-gone)
	}
}

const serverToken = "a-token-of-the-test"

// callUntil calls again, as a host does whose call has used up its wait budget: on a slow
// machine that may be before the host was asked.
func (s *served) callUntil(t *testing.T, input, want string) {
	t.Helper()
	said := ""
	for range 60 {
		if said = s.call(t, "refunds", input); strings.Contains(said, want) {
			return
		}
	}
	require.Contains(t, said, want)
}

func TestOverHTTP(t *testing.T) {
	verify, err := mcp.Token(serverToken)
	require.NoError(t, err)
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			t.Parallel() // each waits on its own
			s := serve(t, verify)
			session, err := s.connect(t, serverToken, revision, sayYes)
			require.NoError(t, err)
			require.Equal(t, revision, session.InitializeResult().ProtocolVersion)
			s.ClientSession = session
			require.Contains(t, s.call(t, "refunds", "order 4711"), "Refunded.")
			require.Equal(t, map[string]bool{"Refund 120 EUR": true, "Tell the customer": true}, s.approvals())
			require.Len(t, s.d.Jobs(), 1)
			s.mu.Lock()
			told := strings.Join(s.progress, "\n")
			s.mu.Unlock()
			require.Contains(t, told, "asks: Refund 120 EUR")

			// Where nobody answers, nothing is sent, and the call does not wait for long.
			s = serve(t, verify, duvotool.WithWaitBudget(500*time.Millisecond))
			none, err := s.connect(t, serverToken, revision, nil)
			require.NoError(t, err)
			s.ClientSession = none
			s.callUntil(t, "order 4712", "shows no forms")
			decline, err := s.connect(t, serverToken, revision, act("decline"))
			require.NoError(t, err)
			s.ClientSession = decline
			s.callUntil(t, "order 4713", "declined to answer")
			require.Zero(t, s.d.Count("respondToHumanRequest"))
		})
	}
}

func TestHTTPNeedsAToken(t *testing.T) {
	verify, err := mcp.Token(serverToken)
	require.NoError(t, err)
	s := serve(t, verify)
	for _, token := range []string{"", "wrong", serverToken + "x", serverToken[:10]} {
		for _, revision := range revisions {
			_, err := s.connect(t, token, revision, sayYes)
			require.Error(t, err, token)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.http.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"refunds","arguments":{"input":"x"}}}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		resp, err := bearer{token, http.DefaultTransport}.RoundTrip(req)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		require.Equal(t, map[bool]string{true: "Bearer", false: `Bearer error="invalid_token"`}[token == ""], resp.Header.Get("WWW-Authenticate"))
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	require.Empty(t, s.d.Jobs())
	_, err = mcp.Token("short")
	require.ErrorContains(t, err, "guessed")
	_, err = mcp.Token("a token with spaces in it")
	require.ErrorContains(t, err, "character")
	_, err = s.s.Handler(nil, nil)
	require.Error(t, err)
}

// Two users of one server do not meet: neither in sessions nor by handles.
func TestUsersAreApart(t *testing.T) {
	users := map[string]string{"token-of-kim": "kim", "token-of-lee": "lee"}
	verify := func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		if users[token] == "" {
			return nil, errors.Join(auth.ErrInvalidToken)
		}
		return &auth.TokenInfo{UserID: users[token], Expiration: time.Now().Add(time.Hour)}, nil
	}
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			var mu sync.Mutex
			var callers []string
			asked := make(chan struct{}, 10)
			s := serve(t, verify, duvotool.WithWaitBudget(50*time.Millisecond), duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
				mu.Lock()
				callers = append(callers, r.Caller.User)
				mu.Unlock()
				asked <- struct{}{}
				<-ctx.Done()
				return hitl.Decision{}, ctx.Err()
			})))
			kim, err := s.connect(t, "token-of-kim", revision, nil)
			require.NoError(t, err)
			lee, err := s.connect(t, "token-of-lee", revision, nil)
			require.NoError(t, err)
			s.ClientSession = kim
			out := s.call(t, "refunds", "order 4711")
			handle := out[strings.Index(out, "job-"):][:30]
			<-asked
			require.Contains(t, s.call(t, "check_job", handle), "waits for a")
			s.ClientSession = lee
			require.Contains(t, s.call(t, "check_job", handle), "no Job with the handle")
			mu.Lock()
			require.Equal(t, []string{"kim"}, callers)
			mu.Unlock()
		})
	}
}

// What a user's Job asks is shown to nobody else who has learnt its handle.
func TestAnothersHandleCarriesNoRequest(t *testing.T) {
	users := map[string]string{"token-of-kim": "kim", "token-of-lee": "lee"}
	verify := func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		return &auth.TokenInfo{UserID: users[token], Expiration: time.Now().Add(time.Hour)}, nil
	}
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			ask, asked := make(chan struct{}), make(chan struct{}, 10)
			elicit := mcp.Elicit(nil, hitl.For(refundsID))
			s := serve(t, verify, duvotool.WithWaitBudget(time.Millisecond), duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
				<-ask
				asked <- struct{}{}
				return elicit.Decide(ctx, r)
			})))
			kim, err := s.connect(t, "token-of-kim", revision, nil)
			require.NoError(t, err)
			lee, err := s.connect(t, "token-of-lee", revision, sayYes)
			require.NoError(t, err)
			s.ClientSession = kim
			out := s.call(t, "refunds", "order 4711")
			handle := out[strings.Index(out, "job-"):][:30]
			close(ask) // Kim's call has ended
			<-asked
			s.ClientSession = lee
			for range 20 {
				require.Contains(t, s.call(t, "check_job", handle), "no Job with the handle")
			}
			require.Empty(t, s.forms)
			require.Zero(t, s.d.Count("respondToHumanRequest"))

			// Kim's own host, with a user by now, still gets it.
			kim, err = s.connect(t, "token-of-kim", revision, sayYes)
			require.NoError(t, err)
			for range 100 {
				res, err := kim.CallTool(t.Context(), &sdk.CallToolParams{Name: "check_job", Arguments: map[string]any{"handle": handle}})
				if out = text(t, res, err); strings.Contains(out, "Refunded.") {
					break
				}
			}
			require.Len(t, s.forms, 2)
		})
	}
}
