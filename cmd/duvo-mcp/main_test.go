package main

import (
	"context"
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
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noEnv(t *testing.T) {
	for _, name := range []string{"DUVO_API_KEY", "DUVO_TEAM_ID", "DUVO_API_BASE_URL", envToken} {
		t.Setenv(name, "")
	}
}

// host connects over stdio to the program, which runs in this process.
func host(t *testing.T, user func(*sdk.ElicitParams) *sdk.ElicitResult, args ...string) (*sdk.ClientSession, func() int) {
	toServer, fromHost := io.Pipe()
	toHost, fromServer := io.Pipe()
	var errs syncbuf.Buffer
	code := make(chan int, 1)
	go func() { code <- run(context.Background(), args, toServer, fromServer, &errs, nil) }()
	o := &sdk.ClientOptions{}
	if user != nil {
		o.ElicitationHandler = func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) { return user(r.Params), nil }
	}
	session, err := sdk.NewClient(&sdk.Implementation{Name: "test host"}, o).Connect(t.Context(), &sdk.IOTransport{Reader: toHost, Writer: fromHost}, nil)
	require.NoError(t, err)
	return session, func() int {
		_ = session.Close()
		c := <-code
		t.Log(errs.String())
		return c
	}
}

func call(t *testing.T, s *sdk.ClientSession, tool, input string) string {
	t.Helper()
	res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: map[string]any{"input": input}})
	require.NoError(t, err)
	return res.Content[0].(*sdk.TextContent).Text
}

func TestStdio(t *testing.T) {
	noEnv(t)
	yes := func(*sdk.ElicitParams) *sdk.ElicitResult {
		return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}
	}
	no := func(*sdk.ElicitParams) *sdk.ElicitResult { return &sdk.ElicitResult{Action: "decline"} }
	for name, c := range map[string]struct {
		user func(*sdk.ElicitParams) *sdk.ElicitResult
		args []string
		says string
	}{
		"approved":              {yes, []string{"-elicit", "all"}, "refund of 120 EUR"},
		"approved over MCP":     {yes, []string{"-elicit", "all", "-transport", "mcp"}, "refund of 120 EUR"},
		"declined":              {no, []string{"-elicit", "all", "-wait", "500ms"}, "declined to answer. Nobody decided against it"},
		"no elicitation":        {nil, []string{"-elicit", "all", "-wait", "3s"}, "shows no forms"},
		"nobody may approve":    {yes, nil, "store credit"},
		"another may, this not": {yes, []string{"-elicit", demoID("Newsletter")}, "store credit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits on its own
			s, end := host(t, c.user, append([]string{"-emulator", "-poll", "5ms"}, c.args...)...)
			require.Contains(t, call(t, s, "complaint_handler", "my order 4711 is damaged, I want my 120 EUR back"), c.says)
			require.Zero(t, end())
		})
	}
}

func TestHTTP(t *testing.T) {
	noEnv(t)
	t.Setenv(envToken, "0123456789abcdef")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	address := make(chan net.Addr, 1)
	var errs syncbuf.Buffer
	code := -1
	wg.Go(func() {
		code = run(ctx, []string{"-emulator", "-http", "127.0.0.1:0"}, io.NopCloser(strings.NewReader("")), nil, &errs, func(a net.Addr) { address <- a })
	})
	own := &http.Transport{}
	defer own.CloseIdleConnections()
	url := "http://" + (<-address).String()
	connect := func(token string) (*sdk.ClientSession, error) {
		return sdk.NewClient(&sdk.Implementation{Name: "test host"}, nil).Connect(t.Context(),
			&sdk.StreamableClientTransport{Endpoint: url, HTTPClient: &http.Client{Transport: bearer{token, own}}}, nil)
	}
	_, err := connect("wrong")
	require.Error(t, err)
	s, err := connect("0123456789abcdef")
	require.NoError(t, err)
	require.Contains(t, call(t, s, "complaint_handler", "my order 4711 is damaged, I want my 120 EUR back"), "store credit")
	_ = s.Close()
	cancel()
	wg.Wait()
	require.Zero(t, code, errs.String())
	require.NotContains(t, errs.String(), "0123456789abcdef")
}

type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// demoID returns the ID of an Assignment of the demo.
func demoID(name string) string {
	for _, a := range duvotest.Demo().Assignments() {
		if a.Name == name {
			return a.ID
		}
	}
	panic(name)
}

// The port of another program: the message names the flag.
func TestPortInUse(t *testing.T) {
	noEnv(t)
	t.Setenv(envToken, strings.Repeat("k", 40))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var errs syncbuf.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-emulator", "-http", taken.Addr().String()}, io.NopCloser(strings.NewReader("")), nil, &errs, nil))
	require.Contains(t, errs.String(), "address already in use; give another address with -http")
}

func TestBadUse(t *testing.T) {
	for says, args := range map[string][]string{
		"set DUVO_API_KEY":                         nil,
		"-transport is rest":                       {"-transport", "pigeon"},
		"-fallback is deny":                        {"-fallback", "approve"},
		"unexpected argument":                      {"-emulator", "x"},
		"either all or IDs":                        {"-elicit", "all,b"},
		"no address such as":                       {"-emulator", "-http", "8080"},
		"travel unencrypted":                       {"-emulator", "-http", "0.0.0.0:8080"},
		"DUVO_MCP_TOKEN is not set":                {"-emulator", "-http", "127.0.0.1:0"},
		"must be positive":                         {"-emulator", "-patience", "0s"},
		"flag provided but not":                    {"-nonsense"},
		"-short-names: 23 is not between":          {"-emulator", "-short-names", "23"},
		"-short-names: 64 is not between":          {"-emulator", "-short-names", "64"},
		"-short-names: -1 is not between":          {"-emulator", "-short-names", "-1"},
		"no ID is given":                           {"-emulator", "-only", " ,"},
		"-elicit names \"b\"":                      {"-emulator", "-only", "a", "-elicit", "A,b"},
		`-only: no Assignment has the ID "x y"`:    {"-emulator", "-only", " ,x y"},
		`-elicit: no Assignment has the ID "nope"`: {"-emulator", "-elicit", "nope"},
		`the ID "Complaint handler"; is it `:       {"-emulator", "-elicit", "Complaint handler"},
	} {
		t.Run(says, func(t *testing.T) {
			noEnv(t)
			var errs syncbuf.Buffer
			code := run(t.Context(), args, io.NopCloser(strings.NewReader("")), nil, &errs, nil)
			want := 2
			if says == "set DUVO_API_KEY" || says == "DUVO_MCP_TOKEN is not set" || strings.Contains(says, "the ID ") { // the flags alone do not tell
				want = 1
			}
			require.Equal(t, want, code, errs.String())
			require.Contains(t, strings.ReplaceAll(errs.String(), "\n  ", " "), says)
			require.NotContains(t, errs.String(), "duvotool: duvotool:")
		})
	}
}

// Questions too are asked of the host's user for the named Assignments only.
func TestElicitNamesAssignments(t *testing.T) {
	noEnv(t)
	asked := 0
	answer := func(p *sdk.ElicitParams) *sdk.ElicitResult {
		asked++
		return &sdk.ElicitResult{Action: "cancel"}
	}
	s, end := host(t, answer, "-emulator", "-poll", "5ms", "-wait", "500ms", "-elicit", demoID("Newsletter"))
	out := call(t, s, "contract_review", "Please review this contract.")
	require.Contains(t, out, "has not ended")
	require.Zero(t, asked)
	require.Zero(t, end())
	s, end = host(t, answer, "-emulator", "-poll", "5ms", "-wait", "2s", "-elicit", "all")
	call(t, s, "contract_review", "Please review this contract.")
	require.NotZero(t, asked)
	require.Zero(t, end())
}
