package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// lines is stderr, told line by line.
type lines struct{ c chan string }

func (l lines) Write(b []byte) (int, error) {
	l.c <- string(b)
	return len(b), nil
}

// until waits for a line that holds a text.
func (l lines) until(t *testing.T, says string) {
	t.Helper()
	for {
		select {
		case line := <-l.c:
			if strings.Contains(line, says) {
				return
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("no line says %q", says)
		}
	}
}

// serveDuvo serves a Duvo over a socket, and points the environment to it. Before a
// request is served, wait is called.
func serveDuvo(t *testing.T, d *duvotest.Duvo, wait func(*http.Request)) {
	noEnv(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wait(r)
		d.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	t.Setenv("DUVO_API_KEY", d.Key())
	t.Setenv("DUVO_TEAM_ID", d.TeamID())
	t.Setenv("DUVO_API_BASE_URL", s.URL)
}

// launch begins the program over stdio, with a host. The function that it returns
// ends the host as if it had died, and tells the program's exit code.
func launch(t *testing.T, o *sdk.ClientOptions, args ...string) (*sdk.ClientSession, lines, func() int) {
	toServer, fromHost := io.Pipe()
	toHost, fromServer := io.Pipe()
	errs := lines{make(chan string, 1000)}
	code := make(chan int, 1)
	go func() { code <- run(context.Background(), args, toServer, fromServer, errs, nil) }()
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test host"}, o).Connect(t.Context(), &sdk.IOTransport{Reader: toHost, Writer: fromHost},
		&sdk.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	require.NoError(t, err)
	return session, errs, func() int {
		_ = fromHost.Close()
		told := <-code
		go func() { _ = session.Close() }() // it waits for its user
		return told
	}
}

// The host is greeted before Duvo has answered anything; its list of tools waits.
func TestGreetedBeforeDuvoAnswers(t *testing.T) {
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	slow := make(chan struct{})
	var answered atomic.Int32
	serveDuvo(t, d, func(*http.Request) { <-slow; answered.Add(1) })
	s, errs, end := launch(t, nil)
	require.Zero(t, answered.Load(), "it is initialized")
	listed := make(chan error, 1)
	go func() {
		list, err := s.ListTools(t.Context(), nil)
		if err == nil && len(list.Tools) < 5 {
			err = io.ErrUnexpectedEOF
		}
		listed <- err
	}()
	require.NoError(t, s.Ping(t.Context(), nil))
	require.Empty(t, listed)
	close(slow)
	require.NoError(t, <-listed)
	errs.until(t, "Assignments on offer")
	require.Zero(t, end())
}

// After -list-wait the list is empty, calls fail, and the host is told when the list
// has changed.
func TestListsThatComeLater(t *testing.T) {
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	slow, changed := make(chan struct{}), make(chan struct{}, 100)
	serveDuvo(t, d, func(*http.Request) { <-slow })
	s, _, end := launch(t, &sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { changed <- struct{}{} }}, "-list-wait", "10ms")
	list, err := s.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, list.Tools)
	_, err = s.CallTool(t.Context(), &sdk.CallToolParams{Name: "complaint_handler", Arguments: map[string]any{"input": "x"}})
	require.ErrorContains(t, err, "nothing was done")
	require.Empty(t, changed)
	close(slow)
	<-changed
	list, err = s.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.NotEmpty(t, list.Tools)
	require.Zero(t, end())
}

// A wrong key is told to the host that asks for the tools, and on stderr.
func TestAWrongKeyIsTold(t *testing.T) {
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	serveDuvo(t, d, func(*http.Request) {})
	t.Setenv("DUVO_API_KEY", "dv_not_the_key")
	for _, transport := range []string{"rest", "mcp"} {
		s, errs, end := launch(t, nil, "-transport", transport)
		_, err := s.ListTools(t.Context(), nil)
		require.ErrorContains(t, err, "the Assignments cannot be listed")
		if transport == "rest" {
			require.ErrorContains(t, err, "check DUVO_API_KEY")
		}
		require.NotContains(t, err.Error(), "dv_not_the_key")
		errs.until(t, "duvo-mcp: ")
		require.Equal(t, 1, end())
	}
}

// A Duvo that does not answer yet is asked again, and what it says then is on offer.
func TestADuvoThatComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	var down atomic.Bool
	down.Store(true)
	d.InjectFunc(func(string, *http.Request) *duvotest.Fault {
		if down.Load() {
			return &duvotest.Fault{Kind: duvotest.StatusBefore, Status: http.StatusNotImplemented}
		}
		return nil
	})
	serveDuvo(t, d, func(*http.Request) {})
	changed := make(chan struct{}, 100)
	s, errs, end := launch(t, &sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { changed <- struct{}{} }})
	errs.until(t, "trying again")
	_, err := s.ListTools(t.Context(), nil)
	require.ErrorContains(t, err, "501")
	down.Store(false)
	<-changed
	_, err = s.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, end())
}

// A host that gives up, while the Job works or a form is open, and finds the program
// started anew, gets its Job: by its input, and by its handle.
func TestARestartBetween(t *testing.T) {
	for name, args := range map[string][]string{"user": {"-scope", "user"}, "a name": {"-scope", "conversation-1"}} {
		t.Run(name, func(t *testing.T) {
			started, asked := make(chan struct{}, 10), make(chan struct{}, 10)
			d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
				started <- struct{}{}
				if j.AskApproval("Refund 120 EUR", "") {
					j.Complete("Refunded.")
				}
				j.Complete("Not refunded.")
			}}))
			defer d.Close()
			serveDuvo(t, d, func(*http.Request) {})
			args := append([]string{"-poll", "5ms", "-elicit", "all", "-journal", filepath.Join(t.TempDir(), "journal")}, args...)
			leaving := make(chan struct{})
			defer close(leaving) // a user who does not answer
			users := func(answer func() *sdk.ElicitResult) *sdk.ClientOptions {
				return &sdk.ClientOptions{ElicitationHandler: func(_ context.Context, _ *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
					asked <- struct{}{}
					if answer == nil {
						<-leaving
						return nil, context.Canceled
					}
					return answer(), nil
				}}
			}
			p := &sdk.CallToolParams{Name: "refunds", Arguments: map[string]any{"input": "order 4711"}}

			s, _, end := launch(t, users(nil), args...)
			ctx, giveUp := context.WithCancel(t.Context())
			gone := make(chan error, 1)
			go func() {
				_, err := s.CallTool(ctx, p)
				gone <- err
			}()
			<-started
			<-asked
			giveUp()
			require.Error(t, <-gone)
			require.Zero(t, end())

			s, _, end = launch(t, users(nil), append(args, "-wait", "100ms")...)
			res, err := s.CallTool(t.Context(), p)
			require.NoError(t, err)
			out := res.Content[0].(*sdk.TextContent).Text
			require.Contains(t, out, "check_job")
			handle := out[strings.Index(out, "job-"):][:30]
			require.Zero(t, end())

			yes := func() *sdk.ElicitResult {
				return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}
			}
			s, _, end = launch(t, users(yes), args...)
			res, err = s.CallTool(t.Context(), &sdk.CallToolParams{Name: "check_job", Arguments: map[string]any{"handle": handle}})
			require.NoError(t, err)
			require.Contains(t, res.Content[0].(*sdk.TextContent).Text, "Refunded.")
			require.Len(t, d.Jobs(), 1)
			require.Equal(t, 1, d.Count("respondToHumanRequest"))
			raw, err := json.Marshal(res)
			require.NoError(t, err)
			require.NotContains(t, string(raw), "isError")
			require.Zero(t, end())
		})
	}
}
