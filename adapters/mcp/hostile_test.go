package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// A hostile server answers some methods as a test wants, with the ID of the
// request in place of ID, and leaves the rest to a good one.
type hostile struct {
	good    http.Handler
	method  atomic.Value // the method that is answered badly
	bad     func(w http.ResponseWriter, r *http.Request, id string)
	written atomic.Int64 // bytes of bad answers
}

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m struct {
		Method string          `json:"method"`
		ID     json.RawMessage `json:"id"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	_ = json.Unmarshal(body, &m)
	if bad, _ := h.method.Load().(string); bad != "" && (m.Method == bad || m.Params.Name == bad) {
		h.bad(&counting{w, &h.written}, r, string(m.ID))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	h.good.ServeHTTP(w, r)
}

type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n.Add(int64(n))
	return n, err
}

func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// pipes are connections that need no socket, so that what is slow takes no time under
// synctest.
type pipes struct {
	conns chan net.Conn
	ctx   context.Context
	end   context.CancelFunc
}

// piped serves a handler over pipes until the function that it returns is called.
func piped(h http.Handler) (*http.Client, func()) {
	p := pipes{conns: make(chan net.Conn)}
	p.ctx, p.end = context.WithCancel(context.Background())
	var serving sync.WaitGroup
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		h.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(p) }()
	t := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case p.conns <- theirs:
			return ours, nil
		case <-p.ctx.Done():
			return nil, net.ErrClosed
		}
	}}
	return &http.Client{Transport: t}, func() {
		t.CloseIdleConnections()
		_ = server.Close()
		serving.Wait() // who sleeps meanwhile is not left behind
	}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { p.end(); return nil }
func (p pipes) Addr() net.Addr { return &net.IPAddr{} }

// answers with a body of a type, ID replaced.
func say(contentType, body string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, id string) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "ID", id))
	}
}

func result(content string) func(http.ResponseWriter, *http.Request, string) {
	return say("application/json", `{"jsonrpc":"2.0","id":ID,"result":`+content+`}`)
}

// endless writes until nobody reads any more, with a pause after each part: without
// one no time passes under synctest, and what only ends with its time would not.
func endless(contentType, head, more string, pause time.Duration) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, id string) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, strings.ReplaceAll(head, "ID", id))
		chunk := strings.Repeat(more, 1+(64<<10)/len(more))
		for range 8192 { // 512 MiB
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// drip sends a little, again and again.
func drip(contentType, part string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, _ string) {
		w.Header().Set("Content-Type", contentType)
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

var hostileAnswers = map[string]func(http.ResponseWriter, *http.Request, string){
	"an endless result":         endless("application/json", `{"jsonrpc":"2.0","id":ID,"result":{"structuredContent":{"x":"`, "y", 0),
	"an endless event":          endless("text/event-stream", "data: ", "y", 0),
	"endless events":            endless("text/event-stream", "", "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n", 50*time.Millisecond),
	"endless blank lines":       endless("text/event-stream", "", "\n", 50*time.Millisecond),
	"endless nesting":           endless("application/json", `{"jsonrpc":"2.0","id":ID,"result":`, "[", 0),
	"a slow stream":             drip("text/event-stream", ": still here\n\n"),
	"a slow result":             drip("application/json", " "),
	"silence":                   func(_ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() },
	"an image":                  result(`{"content":[{"type":"image","data":"AAAA","mimeType":"image/png"}]}`),
	"many blocks":               result(`{"content":[{"type":"text","text":"{\"run\":{}}"},{"type":"text","text":"{}"}]}`),
	"prose":                     result(`{"content":[{"type":"text","text":"The run has been started!"}]}`),
	"a list":                    result(`{"structuredContent":[1,2]}`),
	"another object":            result(`{"structuredContent":{"run":{"id":7}}}`),
	"a text of numbers":         result(`{"content":[{"type":"text","text":7}]}`),
	"content that is no list":   result(`{"content":"x"}`),
	"a result that is text":     result(`"x"`),
	"a result that is null":     result(`null`),
	"an input request":          result(`{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{}}}}`),
	"an unknown kind of result": result(`{"resultType":"task","taskId":"1"}`),
	"another ID":                say("application/json", `{"jsonrpc":"2.0","id":"other","result":{}}`),
	"both result and error":     say("application/json", `{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":"x"}}`),
	"neither":                   say("application/json", `{"jsonrpc":"2.0","id":ID}`),
	"a request":                 say("application/json", `{"jsonrpc":"2.0","id":ID,"method":"sampling/createMessage","params":{}}`),
	"an empty batch":            say("application/json", `[]`),
	"no JSON":                   say("application/json", `<html>`),
	"nothing":                   say("application/json", ``),
	"HTML":                      say("text/html", `<html>`),
	"no type":                   say("", `{"jsonrpc":"2.0","id":ID,"result":{}}`),
	"a stream of nothing":       say("text/event-stream", "\n\n\n"),
	"a stream that ends early":  say("text/event-stream", "data: {\"jsonrpc\"\n\n"),
	"a redirect": func(w http.ResponseWriter, r *http.Request, _ string) {
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
	},
	"an error of the protocol":    say("application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32603,"message":"dv_duvotest_0123456789abcdef \u001b[2J"}}`),
	"an error code out of bounds": say("application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":1e300,"message":"x"}}`),
	"a tool's error of anything":  result(`{"isError":true,"content":[{"type":"audio"}]}`),
	"a tool's error with the key": result(`{"isError":true,"content":[{"type":"text","text":"dv_duvotest_0123456789abcdef"}]}`),
}

func TestHostileServers(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	for name, bad := range hostileAnswers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hostileAnswer(t, bad) })
		})
	}
}

func hostileAnswer(t *testing.T, bad func(http.ResponseWriter, *http.Request, string)) {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) { j.Complete("") }}))
	defer d.Close()
	h := &hostile{good: duvotestmcp.New(d), bad: bad}
	client, end := piped(h)
	defer end()
	c, err := mcp.Connect(t.Context(), mcp.With(duvo.WithAPIKey(d.Key()), duvo.WithTeam(d.TeamID()), duvo.WithBaseURL(duvotest.MemoryURL),
		duvo.WithHTTPClient(client), duvo.WithTimeout(time.Second), duvo.WithRetries(1, 0)))
	require.NoError(t, err)
	defer c.Close()

	h.method.Store("startRun")
	_, err = c.StartJob(duvo.WithoutResend(t.Context()), duvo.StartJob{AssignmentID: refundsID, Message: "x"})
	require.Error(t, err)
	require.True(t, duvo.MayHaveTakenEffect(err), "who knows: %v", err)
	require.NotContains(t, err.Error(), d.Key())
	require.NotContains(t, err.Error(), "\x1b")
	require.Less(t, len(err.Error()), 2000)
	require.Less(t, h.written.Load(), int64(64<<20), "memory is bounded")

	h.method.Store("listAgents")
	for _, err := range c.Assignments(t.Context()) {
		require.Error(t, err)
		require.NotErrorIs(t, err, duvo.ErrNotFound)
	}

	h.method.Store("")
	_, err = c.Folders(t.Context())
	require.NoError(t, err, "the session goes on")
	require.Equal(t, 1, c.Sessions())
}

// The same while a session is opened.
func TestHostileHandshakes(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	var pages atomic.Int32
	more := map[string]func(http.ResponseWriter, *http.Request, string){
		"endless pages": func(w http.ResponseWriter, r *http.Request, id string) {
			n := pages.Add(1)
			result(fmt.Sprintf(`{"tools":[{"name":"x%d","inputSchema":{"type":"object"}}],"nextCursor":"%d"}`, n, n))(w, r, id)
		},
		"the same page again": result(`{"tools":[],"nextCursor":"again"}`),
		"renamed tools":       result(`{"tools":[{"name":"list_agents","inputSchema":{"type":"object"}},{"name":"START_RUN","inputSchema":{"type":"object"}}]}`),
		"null tools":          result(`{"tools":[null,{"name":null}]}`),
		"tools of no kind":    result(`{"tools":7}`),
		"404":                 func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(404) },
		"500":                 func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(500) },
	}
	for name, bad := range hostileAnswers {
		more[name] = bad
	}
	for _, method := range []string{"server/discover", "initialize", "tools/list"} {
		for name, bad := range more {
			if method != "tools/list" && strings.HasPrefix(name, "endless") && name != "endless nesting" {
				continue // one of a kind is enough here
			}
			t.Run(method+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { hostileHandshake(t, method, bad) })
			})
		}
	}
	require.Less(t, pages.Load(), int32(500))
}

func hostileHandshake(t *testing.T, method string, bad func(http.ResponseWriter, *http.Request, string)) {
	d := duvotest.New()
	defer d.Close()
	opts := []duvotestmcp.Option{}
	if method == "initialize" {
		opts = append(opts, duvotestmcp.WithRevisions("2025-06-18"))
	}
	h := &hostile{good: duvotestmcp.New(d, opts...), bad: bad}
	h.method.Store(method)
	client, end := piped(h)
	defer end()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := mcp.Connect(ctx, mcp.With(duvo.WithAPIKey(d.Key()), duvo.WithTeam(d.TeamID()), duvo.WithBaseURL(duvotest.MemoryURL),
		duvo.WithHTTPClient(client), duvo.WithTimeout(500*time.Millisecond), duvo.WithRetries(1, 0)))
	if method == "server/discover" && err == nil {
		require.NoError(t, c.Close()) // an older revision was agreed on
		return
	}
	require.Error(t, err)
	require.NotErrorIs(t, err, duvo.ErrNotFound, "that would tell of what was asked for")
	require.NoError(t, ctx.Err(), "it ends by itself")
	require.NotContains(t, err.Error(), d.Key())
	require.Less(t, len(err.Error()), 3000)
	require.Less(t, h.written.Load(), int64(128<<20))
}

// A 404 of the endpoint is no Job that is gone, and has done nothing.
func TestEndpointThatIsGone(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	h := &hostile{good: duvotestmcp.New(d), bad: func(w http.ResponseWriter, _ *http.Request, _ string) { w.WriteHeader(http.StatusNotFound) }}
	c, err := mcp.Connect(t.Context(), mcp.With(duvo.WithAPIKey(d.Key()), duvo.WithTeam(d.TeamID()), duvo.WithBaseURL(duvotest.MemoryURL),
		duvo.WithHTTPClient(duvotest.InMemory(h)), duvo.WithRetries(1, 0)))
	require.NoError(t, err)
	defer c.Close()
	h.method.Store("getRun")
	_, err = c.Job(t.Context(), refundsID)
	require.ErrorIs(t, err, duvo.ErrUnavailable)
	require.NotErrorIs(t, err, duvo.ErrNotFound)
	h.method.Store("startRun")
	_, err = c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "x"})
	require.ErrorIs(t, err, duvo.ErrUnavailable)
	require.False(t, duvo.MayHaveTakenEffect(err))
	require.Empty(t, d.Jobs())
}
