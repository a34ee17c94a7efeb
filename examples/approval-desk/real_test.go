package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// With a key it is a desk for real Jobs: a code signs in, what is handed over waits at
// the desk, and after a restart it waits still.
func TestARealDesk(t *testing.T) {
	asks := duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) { j.AskApproval("Refund 40 EUR", ""); j.Complete("done") }}
	s := duvotest.NewServer(duvotest.WithAssignment(asks))
	defer s.Close()
	t.Setenv("DUVO_API_KEY", s.Key())
	t.Setenv("DUVO_API_BASE_URL", s.URL)
	data := t.TempDir()
	for life := range 2 {
		at, code, end := begin(t, data)
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		browser := &http.Client{Jar: jar}
		post := func(path string, form url.Values) (int, string) {
			res, err := browser.PostForm(at+path, form)
			require.NoError(t, err)
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return res.StatusCode, string(b)
		}
		status, _ := post("/signin", url.Values{"login": {people[0].Login}, "code": {"guessed"}})
		require.Equal(t, http.StatusForbidden, status)
		_, text := post("/new", url.Values{"tool": {"refunds"}, "key": {"4712"}, "input": {"refund 4712"}})
		require.Contains(t, text, "Sign in to the desk")
		require.Len(t, s.Jobs(), life, "nobody was signed in")
		status, _ = post("/signin", url.Values{"login": {people[0].Login}, "code": {code}})
		require.Equal(t, http.StatusOK, status)
		_, text = post("/new", url.Values{"tool": {"refunds"}, "key": {"4711"}, "input": {"refund 4711"}})
		require.Contains(t, text, "It is handed over")
		require.Eventually(t, func() bool {
			res, err := browser.Get(at + "/desk/")
			require.NoError(t, err)
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return strings.Contains(string(b), "Refund 40 EUR")
		}, time.Minute, 50*time.Millisecond, "life %d", life)
		require.Len(t, s.Jobs(), 1)
		browser.CloseIdleConnections()
		end()
	}
}

// begin runs the program, and returns where it is and the code of the first person.
func begin(t *testing.T, data string) (at, code string, end func()) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	read, written, err := os.Pipe()
	require.NoError(t, err)
	over := make(chan error, 1)
	go func() { over <- run(ctx, "127.0.0.1:0", data, time.Hour, written) }()
	for lines := bufio.NewScanner(read); code == "" && lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "The desk is at "); ok {
			at, _, _ = strings.Cut(rest, "/desk/")
		}
		_, code, _ = strings.Cut(lines.Text(), people[0].Login+" signs in with ")
	}
	require.NotEmpty(t, code)
	return at, code, func() {
		leave()
		require.NoError(t, <-over)
		require.NoError(t, written.Close())
		require.NoError(t, read.Close())
	}
}
