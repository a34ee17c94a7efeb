package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/duvotool/duvotool/examples/internal/attended"
	"github.com/duvotool/duvotool/internal/pty"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { attended.Main(main, func() { goleak.VerifyTestMain(m) }) }

type output struct {
	JobID       string `json:"job_id"`
	Assignment  string `json:"assignment"`
	Status      string `json:"status"`
	Outcome     string `json:"outcome"`
	Output      string `json:"output"`
	FinalAnswer string `json:"final_answer"`
	Decisions   []struct {
		RequestID string `json:"request_id"`
		Kind      string `json:"kind"`
		Verdict   string `json:"verdict"`
		By        string `json:"by"`
		Reason    string `json:"reason"`
	} `json:"decisions"`
}

// noEnv runs a test without anything that would reach a real service.
func noEnv(t *testing.T) {
	for _, name := range []string{"DUVO_API_KEY", "DUVO_TEAM_ID", "DUVO_API_BASE_URL", "OPENAI_API_KEY", "OLLAMA_HOST"} {
		t.Setenv(name, "")
	}
}

func triageJSON(t *testing.T, args ...string) (output, int, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), append(args, "-json"), console{in: strings.NewReader(""), out: &out, err: &errs})
	var o output
	if code == 0 || out.Len() > 0 {
		require.NoError(t, json.Unmarshal(out.Bytes(), &o), out.String())
	}
	return o, code, errs.String()
}

func TestOnTheEmulator(t *testing.T) {
	noEnv(t)
	o, code, errs := triageJSON(t, "-approve", "yes")
	require.Zero(t, code, errs)
	require.Equal(t, "completed", o.Status)
	require.Equal(t, "Complaint handler", o.Assignment)
	require.Contains(t, o.Output, "refund of 120 EUR")
	require.Contains(t, o.FinalAnswer, o.Output)
	require.Equal(t, "approved", o.Decisions[0].Verdict)
	require.Contains(t, errs, "Amount: 120 EUR", "the request is shown in full")

	o, code, errs = triageJSON(t, "-approve", "no")
	require.Zero(t, code, errs)
	require.Equal(t, "completed", o.Status)
	require.Contains(t, o.Output, "store credit")
	require.Len(t, o.Decisions, 1)
	require.Equal(t, "approval", o.Decisions[0].Kind)
	require.Equal(t, "denied", o.Decisions[0].Verdict)
	require.Equal(t, "flag -approve=no", o.Decisions[0].By)
	require.NotEmpty(t, o.Decisions[0].RequestID)
	require.Contains(t, o.FinalAnswer, "Denied by flag -approve=no")

	// Without a terminal the default denies and says so.
	o, code, errs = triageJSON(t)
	require.Zero(t, code, errs)
	require.Contains(t, errs, "No terminal: approvals will be denied")
	require.Equal(t, "denied", o.Decisions[0].Verdict)

	o, code, errs = triageJSON(t, "-message", "Please review this contract for compliance with the purchasing rules.",
		"-answer", "Which rules apply?=Strict", "-answer", "Which parts matter?=Liability, Payment")
	require.Zero(t, code, errs)
	require.Equal(t, "Contract review", o.Assignment)
	require.Contains(t, o.Output, `"Strict" with regard to Liability, Payment`)
	require.Equal(t, "question", o.Decisions[0].Kind)

	_, code, errs = triageJSON(t, "-message", "Review the contract document", "-answer", "Which rules apply?=Nonsense", "-answer", "Which parts matter?=Liability")
	require.Equal(t, 1, code)
	require.Contains(t, errs, `must be one of "Standard", "Strict"`)
}

var prompt = regexp.MustCompile(`\[yes \w{4}/no (\w{4})\] `)

func TestAtATerminal(t *testing.T) {
	noEnv(t)
	var out, errs bytes.Buffer
	in, typed := io.Pipe()
	var screen pty.Screen
	go func() {
		defer typed.Close()
		text, err := screen.Wait(t.Context(), func(s string) bool { return prompt.MatchString(s) })
		if err != nil {
			return
		}
		fmt.Fprintf(typed, "maybe\nno %s\ntoo much\n", prompt.FindStringSubmatch(text)[1])
	}()
	code := run(t.Context(), nil, console{in: in, out: &out, err: io.MultiWriter(&errs, &screen), terminal: true})
	require.Zero(t, code, errs.String())
	require.Equal(t, 2, strings.Count(errs.String(), "Approve? [yes "))
	require.Contains(t, out.String(), "was denied by")
	require.Contains(t, out.String(), "too much")

	// The input ends: nobody decided, so nothing is sent.
	errs.Reset()
	code = run(t.Context(), nil, console{in: strings.NewReader(""), out: &out, err: &errs, terminal: true})
	require.Equal(t, 1, code)
	require.Contains(t, errs.String(), "nothing was sent to Duvo")
}

func TestBadUse(t *testing.T) {
	noEnv(t)
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		says string
		code int
	}{
		"flag":        {[]string{"-nonsense"}, nil, "nonsense", 2},
		"approve":     {[]string{"-approve", "maybe"}, nil, "-approve is ask, yes or no", 2},
		"argument":    {[]string{"hello"}, nil, "the e-mail's text goes behind", 2},
		"empty":       {[]string{"-message", " "}, nil, "-message is empty", 2},
		"answer":      {[]string{"-answer", "what"}, nil, "question=answer", 2},
		"unreachable": {nil, map[string]string{"DUVO_API_KEY": "dv_secret_key", "DUVO_TEAM_ID": "t", "DUVO_API_BASE_URL": "http://127.0.0.1:1"}, "connection refused", 1},
		"plain http":  {nil, map[string]string{"DUVO_API_KEY": "dv_secret_key", "DUVO_API_BASE_URL": "http://example.com"}, "unencrypted", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "unreachable" && testing.Short() {
				t.Skip("it tries for seconds; run without -short")
			}
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			_, code, errs := triageJSON(t, c.args...)
			require.Equal(t, c.code, code)
			require.Contains(t, errs, c.says)
			require.NotContains(t, errs, "dv_secret_key")
		})
	}
}

// foreign is a server that is not the emulator but speaks the published
// description, with everything that makes clients stumble.
type foreign struct {
	mu       sync.Mutex
	posts    map[string]int // by operation
	failed   map[string]bool
	started  map[string]string // Idempotency-Key to Job
	approved *bool
	reads    int
	limited  bool
	reset    bool
}

const (
	teamID  = "6f1c2f0e-21cf-4f7b-9f43-0e6d6d1f0001"
	agentID = "6f1c2f0e-21cf-4f7b-9f43-0e6d6d1f0002"
	buildID = "6f1c2f0e-21cf-4f7b-9f43-0e6d6d1f0003"
	runID   = "6f1c2f0e-21cf-4f7b-9f43-0e6d6d1f0004"
	askID   = "6f1c2f0e-21cf-4f7b-9f43-0e6d6d1f0005"
)

func (s *foreign) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	op := r.Method + " " + r.URL.Path
	if r.Method == http.MethodPost {
		s.posts[op]++
	}
	say := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if r.Header.Get("Authorization") != "Bearer dv_foreign" {
		say(401, map[string]any{"error": "unauthorized"})
		return
	}
	if !s.failed[op] {
		s.failed[op] = true
		say(503, map[string]any{"code": "unavailable", "message": "later", "request_id": "q", "details": nil})
		return
	}
	const at = "2026-01-02T03:04:05Z"
	run := map[string]any{"id": runID, "agent_id": agentID, "build_id": buildID, "status": "running", "source": "api", "sandbox_id": nil,
		"started_at": at, "completed_at": nil, "created_at": at, "updated_at": at, "human_in_the_loop_enabled": true}
	switch {
	case op == "GET /v2/teams":
		say(200, map[string]any{"teams": []any{map[string]any{"id": teamID, "name": "T", "organization_id": nil}}})
	case op == "GET /v2/teams/"+teamID+"/agents":
		say(200, map[string]any{"total": 3, "limit": 100, "offset": 0, "agents": []any{
			map[string]any{"id": agentID, "name": "Complaints", "folder_id": nil, "latest_build": map[string]any{"id": buildID, "name": "b", "revision_description": "Handles complaints about damaged orders and refunds."}},
			map[string]any{"id": teamID, "name": "Weather", "latest_build": nil},
			map[string]any{"id": askID, "name": "News", "latest_build": map[string]any{"id": buildID, "name": "b", "revision_description": nil}},
		}})
	case op == "POST /v2/teams/"+teamID+"/runs":
		if id := s.started[r.Header.Get("Idempotency-Key")]; id == "" {
			s.started[r.Header.Get("Idempotency-Key")] = runID
		}
		if !s.reset {
			s.reset = true
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
			}
			return
		}
		say(201, map[string]any{"run": run})
	case op == "GET /v2/runs/"+runID:
		s.reads++
		switch {
		case !s.limited:
			s.limited = true
			w.Header().Set("Retry-After", "1")
			say(429, map[string]any{"error": "rate_limited"})
			return
		case s.approved != nil:
			run["status"] = "completed"
		case s.reads > 3:
			run["status"] = "waiting"
			run["pending_human_request"] = map[string]any{"id": askID, "title": "Refund?", "description": nil, "created_at": at, "type": "approval"}
		}
		say(200, map[string]any{"run": run})
	case strings.HasPrefix(op, "POST /v2/runs/"+runID+"/human-requests/"+askID):
		var b struct{ Approved *bool }
		_ = json.Unmarshal(body, &b)
		if s.approved != nil {
			say(400, map[string]any{"error": "not_waiting"})
			return
		}
		s.approved = b.Approved
		say(200, map[string]any{"human_request": map[string]any{"id": askID, "run_id": runID, "title": "Refund?", "description": nil, "response": "approved", "responded_at": at, "created_at": at}})
	case op == "GET /v2/runs/"+runID+"/messages":
		var offset, limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("offset"), &offset)
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		limit = min(limit, 20) // smaller pages than asked for
		rows := []any{}
		for i := offset; i < min(offset+limit, 45); i++ {
			m := map[string]any{"id": fmt.Sprint("m", i), "type": "message", "role": "assistant", "timestamp": at, "text_content": fmt.Sprint("message ", i)}
			if i == 44 {
				m = map[string]any{"id": "m44", "type": "tool_result", "role": "tool", "timestamp": at, "tool_result": map[string]any{"tool_call_id": "c", "result": 1}}
			}
			rows = append(rows, m)
		}
		say(200, map[string]any{"messages": rows, "total": 45, "limit": limit, "offset": offset})
	default:
		say(404, map[string]any{"error": "not_found", "message": op})
	}
}

// It takes half a minute: a response that was met with 503 is repeated only
// once a late effect of it must have shown.
func TestAgainstAForeignServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	noEnv(t)
	s := &foreign{posts: map[string]int{}, failed: map[string]bool{}, started: map[string]string{}}
	server := httptest.NewServer(s)
	defer server.Close()
	t.Setenv("DUVO_API_KEY", "dv_foreign")
	t.Setenv("DUVO_API_BASE_URL", server.URL)
	o, code, errs := triageJSON(t, "-approve", "yes", "-poll", "100ms")
	require.Zero(t, code, errs)
	require.Equal(t, "completed", o.Status)
	require.Equal(t, "message 43", o.Output)
	require.Equal(t, runID, o.JobID)
	require.Len(t, s.started, 1, "one Job: every attempt carried one key")
	require.Equal(t, 3, s.posts["POST /v2/teams/"+teamID+"/runs"], "503, reset, success, and no hidden one")
	require.Equal(t, 2, s.posts["POST /v2/runs/"+runID+"/human-requests/"+askID+"/respond"])
	require.True(t, *s.approved)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// How the live line looks at a terminal is a test of its own.
func TestNoLiveLine(t *testing.T) {
	noEnv(t)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"-approve", "yes"}, console{in: strings.NewReader(""), out: &out, err: &errs})
	require.Zero(t, code, errs.String())
	require.NotContains(t, errs.String(), "\r", "plain lines without a terminal")
	require.NotContains(t, errs.String(), "\x1b")
}
