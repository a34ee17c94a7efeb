package duvo

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey   = "dv_k3y-of-the-tests"
	teamID    = "7e000000-0000-4000-8000-000000000001"
	agentID   = "a9000000-0000-4000-8000-000000000001"
	jobID     = "10b00000-0000-4000-8000-000000000001"
	requestID = "4e900000-0000-4000-8000-000000000001"
	sandboxID = "5a000000-0000-4000-8000-000000000001"
	prefix    = "/gateway/duvo" // in front of /v2, as a proxy would have it
)

// runBody is an answer of getRun and startRun.
func runBody(status, more string) string {
	return `{"run":{"id":"` + jobID + `","agent_id":"` + agentID + `","status":"` + status + `"}` + more + `}`
}

// A sight is one request as the server saw it.
type sight struct {
	method, uri, body string
	header            http.Header
	length            int64
	chunked           bool
}

// A server answers with a handler of the test's and remembers what came in.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	sights []sight
}

// serve starts a server. The handler gets the number of the request, from 1.
func serve(t *testing.T, h func(w http.ResponseWriter, r *http.Request, n int)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.sights = append(s.sights, sight{r.Method, r.RequestURI, string(body), r.Header.Clone(), r.ContentLength, len(r.TransferEncoding) > 0})
		n := len(s.sights)
		s.mu.Unlock()
		h(w, r, n)
	}))
	t.Cleanup(s.Close)
	return s
}

// answers serves the same answer to everything.
func answers(t *testing.T, status int, body string) *server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { answer(w, status, body) })
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (s *server) saw() []sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sights)
}

// client reaches the server behind its prefix, with a team, and with waits
// that take no time.
func (s *server) client(t *testing.T, opts ...Option) *Client {
	t.Helper()
	return newClient(t, append([]Option{WithBaseURL(s.URL + prefix), WithHTTPClient(s.Server.Client())}, opts...)...)
}

func newClient(t *testing.T, opts ...Option) *Client {
	t.Helper()
	c, err := New(append([]Option{WithAPIKey(testKey), WithTeam(teamID), WithRetries(4, 0)}, opts...)...)
	require.NoError(t, err)
	return c
}

// A stub is a transport without sockets, for tests in which time is not real.
type stub func(n int, r *http.Request) (*http.Response, error)

type stubbed struct {
	f     stub
	mu    sync.Mutex
	times []time.Time
}

func (s *stubbed) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	n := len(s.times)
	s.mu.Unlock()
	return s.f(n, r)
}

// waits are the pauses between the requests.
func (s *stubbed) waits() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d []time.Duration
	for i := 1; i < len(s.times); i++ {
		d = append(d, s.times[i].Sub(s.times[i-1]))
	}
	return d
}

func (f stub) client(t *testing.T, opts ...Option) (*Client, *stubbed) {
	t.Helper()
	s := &stubbed{f: f}
	c, err := New(append([]Option{WithAPIKey(testKey), WithTeam(teamID), WithHTTPClient(&http.Client{Transport: s})}, opts...)...)
	require.NoError(t, err)
	return c, s
}

// response is an answer of a stub; header holds names and values in turn.
func response(status int, body string, header ...string) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}, nil
}

// collect ranges over a list to its end or its first error.
func collect[T any](seq func(func(T, error) bool)) (rows []T, err error) {
	for r, e := range seq {
		if e != nil {
			return rows, e
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// kinds are all kinds of failure.
var kinds = []error{ErrUnauthorized, ErrForbidden, ErrNotFound, ErrConflict, ErrInvalid, ErrRateLimited, ErrUnavailable}

// requireKind asserts that err is of this kind and no other.
func requireKind(t *testing.T, kind, err error) {
	t.Helper()
	for _, k := range kinds {
		require.Equal(t, k == kind, errors.Is(err, k), "%v against %v", err, k)
	}
}

func textLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func jsonOf(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
