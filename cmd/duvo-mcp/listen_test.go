package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/internal/syncbuf"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

const someToken = "0123456789abcdef"

// listening runs the program with -http; end stops it, and returns what it has logged.
func listening(t *testing.T, args ...string) (url string, client *http.Client, end func() string) {
	t.Setenv(envToken, someToken)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	address := make(chan net.Addr, 1)
	var errs syncbuf.Buffer
	code := -1
	wg.Go(func() {
		code = run(ctx, append(args, "-http", "127.0.0.1:0"), io.NopCloser(strings.NewReader("")), nil, &errs, func(a net.Addr) { address <- a })
	})
	own := &http.Transport{}
	end = sync.OnceValue(func() string {
		own.CloseIdleConnections()
		cancel()
		wg.Wait()
		require.Zero(t, code, errs.String())
		return errs.String()
	})
	t.Cleanup(func() { end() })
	return "http://" + (<-address).String(), &http.Client{Transport: own}, end
}

// get answers a GET of a path, for a host; empty: the server's own.
func get(t *testing.T, c *http.Client, url, host, token string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Host = host
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// TestProbes: whoever supervises the process needs no token, and learns when calls may
// come.
func TestProbes(t *testing.T) {
	noEnv(t)
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	listed := make(chan struct{})
	serveDuvo(t, d, func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/agents") {
			<-listed
		}
	})
	url, c, end := listening(t, "-v")
	status, body := get(t, c, url+"/healthz", "10.1.2.3:8080", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, `{"ok":true}`, body)
	status, body = get(t, c, url+"/readyz", "", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, `{"ok":false,"why":["the Assignments are not known yet"]}`, body)
	close(listed)
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test host"}, nil).Connect(t.Context(),
		&sdk.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearer{someToken, c.Transport}}}, nil)
	require.NoError(t, err)
	tools, err := s.ListTools(t.Context(), nil) // waits for them
	require.NoError(t, err)
	require.NotEmpty(t, tools.Tools)
	_ = s.Close()
	for _, path := range []string{"/healthz", "/readyz"} {
		status, body = get(t, c, url+path, "", "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, `{"ok":true}`, body)
	}
	status, _ = get(t, c, url+"/", "", "")
	require.Equal(t, http.StatusUnauthorized, status, "all else needs the token")
	require.NotContains(t, end(), someToken)
}

// TestAllowHost: behind a proxy the server is reached by the proxy's name, and by no other.
func TestAllowHost(t *testing.T) {
	noEnv(t)
	url, c, _ := listening(t, "-emulator")
	status, _ := get(t, c, url, "mcp.example.com", someToken)
	require.Equal(t, http.StatusForbidden, status, "without the flag")
	url, c, _ = listening(t, "-emulator", "-allow-host", "MCP.example.com, other.example.com")
	for host, want := range map[string]int{
		"mcp.example.com": 401, "mcp.example.com:443": 401, "other.example.com.": 401, "": 401, "localhost": 401, "[::1]:80": 401,
		"evil.example.com": 403, "mcp.example.com.evil.example": 403, "localhost.evil.example": 403, "10.0.0.1": 403,
	} {
		status, body := get(t, c, url, host, "") // the host is looked at before the token
		require.Equal(t, want, status, host)
		require.NotContains(t, body, "example")
	}
	for says, args := range map[string][]string{
		"-allow-host goes with -http": {"-emulator", "-allow-host", "mcp.example.com"},
		"is no host such as":          {"-emulator", "-http", "127.0.0.1:0", "-allow-host", "https://mcp.example.com"},
		"-log-format is text or json": {"-emulator", "-log-format", "xml"},
	} {
		var errs syncbuf.Buffer
		require.NotZero(t, run(t.Context(), args, io.NopCloser(strings.NewReader("")), nil, &errs, nil))
		require.Contains(t, errs.String(), says)
	}
}

// TestJSONLogs: every line is JSON, the program's own too, and they tell the story of a
// Job without what was said in it.
func TestJSONLogs(t *testing.T) {
	noEnv(t)
	url, c, end := listening(t, "-emulator", "-log-format", "json", "-poll", "5ms")
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test host"}, nil).Connect(t.Context(),
		&sdk.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearer{someToken, c.Transport}}}, nil)
	require.NoError(t, err)
	require.Contains(t, call(t, s, "complaint_handler", "my order 4711 is damaged, I want my 120 EUR back"), "store credit")
	_ = s.Close()
	text := end()
	var story []string
	for line := range strings.Lines(text) {
		var l struct {
			Msg, Job, Level string
		}
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		if l.Job != "" {
			story = append(story, l.Msg)
		}
	}
	require.Equal(t, []string{"duvotool: Job started", "duvotool: asked", "duvotool: decided", "duvotool: delivered", "duvotool: finished"}, story)
	require.Contains(t, text, "duvo-mcp: serving http://")
	require.Contains(t, text, "on offer")
	require.NotContains(t, text, "order 4711") // the number alone may be in an ID or a time
	require.NotContains(t, text, "damaged")
	require.NotContains(t, text, someToken)

	t.Setenv(envToken, "short")
	var errs syncbuf.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-emulator", "-http", "127.0.0.1:0", "-log-format", "json"}, io.NopCloser(strings.NewReader("")), nil, &errs, nil))
	for line := range strings.Lines(errs.String()) {
		require.True(t, json.Valid([]byte(line)), line)
	}
	require.Contains(t, errs.String(), `"level":"ERROR"`)
	require.Contains(t, errs.String(), "can be guessed")
}
