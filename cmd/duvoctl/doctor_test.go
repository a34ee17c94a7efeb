package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// checks are what the doctor says, by name.
func (b *bench) checks(code int, args ...string) map[string]check {
	b.Helper()
	var out struct{ Checks []check }
	b.json(code, "doctor", &out, append([]string{"doctor"}, args...)...)
	found := map[string]check{}
	for _, c := range out.Checks {
		if c.State != "ok" {
			require.NotEmpty(b, c.Do+c.Text, c.Name)
		}
		found[c.Name] = c
	}
	return found
}

// The doctor tells what is wrong, and what to do.
func TestDoctor(t *testing.T) {
	b := atDeskBench(t)
	service := httptest.NewServer(nil)
	defer service.Close()
	reg, err := duvotool.Discover(t.Context(), b.d.Duvo.Client(), duvotool.WithWebhook("https://agents.example.com/duvo", "a-secret-of-the-webhook"))
	require.NoError(t, err)
	defer func() { require.NoError(t, reg.Close(t.Context())) }()
	mux := http.NewServeMux()
	mux.Handle("/duvo", reg.Webhook())
	for path, status := range map[string]int{"/down": 503, "/open": 204, "/away": 307} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	service.Config.Handler = mux
	all := b.checks(0, "--webhook", service.URL+"/duvo")
	for _, name := range []string{"key", "team", "limits", "clock", "desk", "webhook"} {
		require.Equal(t, "ok", all[name].State, all[name])
	}
	require.Contains(t, all["team"].Text, "3 Assignments")
	require.Contains(t, all["desk"].Text, "you are "+kim)
	require.Contains(t, all["mcp"].Text, "this server has none")
	for path, state := range map[string]string{"/nothing": "failed", "/down": "failed", "/away": "failed", "/open": "warning"} {
		code := exitOK
		if state == "failed" {
			code = exitError
		}
		c := b.checks(code, "--webhook", service.URL+path)["webhook"]
		require.Equal(t, state, c.State, path)
		require.NotEmpty(t, c.Do, path)
	}
	for _, bad := range []string{"agents.example.com", "http://agents.example.com/duvo", "http://127.0.0.1:1/duvo"} {
		require.Equal(t, "failed", b.checks(exitError, "--webhook", bad)["webhook"].State, bad)
	}

	t.Setenv(envToken, "")
	require.Contains(t, b.checks(exitAuth)["desk"].Do, envToken)
	t.Setenv(envToken, kim)
	t.Setenv(duvo.EnvTeamID, "6f1e02c9-0000-4000-8000-00000000dead")
	c := b.checks(exitError)["team"]
	require.Contains(t, c.Do, b.d.TeamID())
	t.Setenv(duvo.EnvAPIKey, "dv_duvotest_another0000000000")
	c = b.checks(exitAuth)["key"]
	require.Equal(t, "set "+duvo.EnvAPIKey+" to a key that is valid", c.Do, "whoever reads it has called the doctor")
	require.Contains(t, c.Text, "not valid; check "+duvo.EnvAPIKey)
	t.Setenv(duvo.EnvAPIKey, "")
	require.Equal(t, "skipped", b.checks(0)["key"].State)
	t.Setenv(envDesk, "")
	require.Equal(t, "failed", b.checks(exitAuth)["key"].State)
	text := b.ctl("doctor")
	require.Contains(t, text.out, "failed   key")
	require.Contains(t, text.out, "do: ")
}

// A clock that is off, a limit that is nearly used up and an MCP server are seen in what
// Duvo answers.
func TestDoctorReadsWhatDuvoTells(t *testing.T) {
	b := atDuvoBench(t, duvotest.WithRateLimit(10))
	off, mcp := time.Duration(0), http.StatusOK
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/mcp") {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), `"method":"initialize"`) || r.Header.Get("Authorization") != "Bearer "+b.d.Key() {
				mcp = http.StatusTeapot
			}
			w.WriteHeader(mcp)
			return
		}
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		b.d.ServeHTTP(w, r)
	}))
	defer front.Close()
	t.Setenv(duvo.EnvBaseURL, front.URL)
	all := b.checks(0)
	require.Equal(t, "ok", all["limits"].State)
	require.Contains(t, all["limits"].Text, "of 10 requests are left")
	require.Equal(t, "ok", all["mcp"].State)
	for _, off = range []time.Duration{5 * time.Minute, -5 * time.Minute} {
		b.d.SetRateLimit(10)
		c := b.checks(exitError)["clock"]
		require.Equal(t, "failed", c.State)
		require.Contains(t, c.Do, "NTP")
	}
	off, mcp = 0, http.StatusForbidden
	b.d.SetRateLimit(2)
	all = b.checks(exitError)
	require.Equal(t, "failed", all["mcp"].State)
	require.Equal(t, "warning", all["limits"].State, "two looks have used it up")
	require.NotEmpty(t, all["limits"].Do)

	t.Setenv(duvo.EnvBaseURL, "http://127.0.0.1:1")
	c := b.checks(exitError)["key"]
	require.Equal(t, "failed", c.State)
	require.Contains(t, c.Do, duvo.EnvBaseURL)
}
