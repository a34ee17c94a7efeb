package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvotest"
)

// assignments are named so that their tools are those which the suite calls, as far
// as a Job can be what such a tool is.
func assignments() []duvotest.Assignment {
	approves := func(j *duvotest.Job) {
		if j.AskApproval("Go on?", "It is for the suite.") {
			j.Complete("approved")
		}
		j.Complete("not approved")
	}
	twice := func(j *duvotest.Job) {
		if j.AskApproval("Go on?", "It is for the suite.") && j.AskApproval("And on?", "") {
			j.Complete("approved")
		}
		j.Complete("not approved")
	}
	says := func(text string) func(*duvotest.Job) { return func(j *duvotest.Job) { j.Complete(text) } }
	var out []duvotest.Assignment
	for name, script := range map[string]func(*duvotest.Job){
		"test simple text": says("This is a simple text response for testing."), "test tool with progress": func(j *duvotest.Job) {
			j.Sleep(200 * time.Millisecond)
			j.Complete("done")
		},
		"test slow": func(j *duvotest.Job) {
			j.Sleep(2500 * time.Millisecond)
			j.Complete("slow, and done")
		},
		"test error handling": func(j *duvotest.Job) { j.Fail("This Job fails on purpose.") },
		"test elicitation":    approves, "test streaming elicitation": approves,
		"test input required result elicitation": approves, "test input required result request state": approves,
		"test input required result tampered state": approves, "test input required result capabilities": approves,
		"test input required result multi round": twice,
	} {
		out = append(out, duvotest.Assignment{Name: name, Description: "For the conformance suite.", Script: script})
	}
	return out
}

const token = "0123456789abcdef0123456789abcdef"

// serving is duvo-mcp over HTTP, on an emulator of its own, behind a proxy.
type serving struct {
	duvo  *duvotest.Duvo
	api   *httptest.Server // the emulator's
	proxy *httptest.Server
	cmd   *exec.Cmd
	url   string // of duvo-mcp itself
}

func (s *serving) close() {
	s.proxy.Close()
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait()
	s.api.CloseClientConnections()
	s.api.Close()
	s.duvo.Close()
}

// secrets are what the environment of a duvo-mcp on the emulator has besides.
func (s *serving) secrets() map[string]string {
	return map[string]string{"DUVO_API_KEY": s.duvo.Key(), "DUVO_TEAM_ID": s.duvo.TeamID(), "DUVO_API_BASE_URL": s.api.URL, "DUVO_MCP_TOKEN": token}
}

var flags = []string{"-elicit", "all", "-poll", "20ms", "-wait", "4s"}

// serve begins duvo-mcp.
func (t *trial) serve(ctx context.Context) (*serving, error) {
	s := &serving{duvo: duvotest.New(duvotest.WithAssignments(assignments()...))}
	s.api = httptest.NewServer(s.duvo)
	s.cmd = exec.CommandContext(ctx, t.duvo, append([]string{"-http", "127.0.0.1:0"}, flags...)...)
	s.cmd.Env = os.Environ()
	for name, value := range s.secrets() {
		s.cmd.Env = append(s.cmd.Env, name+"="+value)
	}
	errs, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(errs)
	for s.url == "" && lines.Scan() {
		s.url = strings.TrimPrefix(lines.Text(), "duvo-mcp: serving ")
		if !strings.HasPrefix(s.url, "http://") {
			s.url = ""
		}
	}
	if s.url == "" {
		return nil, errors.New("duvo-mcp serves nothing")
	}
	go func() { _, _ = io.Copy(io.Discard, errs) }()
	to, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	s.proxy = httptest.NewUnstartedServer(&httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { forward(r, to) }})
	s.proxy.Start()
	return s, nil
}

// forward adds what the suite has not: a token, and the input that each of our tools
// wants. The host that was asked for stays, as it is a thing to be checked.
func forward(r *httputil.ProxyRequest, to *url.URL) {
	r.SetURL(to)
	r.Out.URL.Path = "/"
	if host, _, err := net.SplitHostPort(r.In.Host); err == nil && host == "127.0.0.1" {
		r.Out.Host = to.Host
	} else {
		r.Out.Host = r.In.Host
	}
	if strings.HasPrefix(r.Out.Header.Get("Origin"), "http://127.0.0.1") || strings.HasPrefix(r.Out.Header.Get("Origin"), "http://localhost") {
		r.Out.Header.Set("Origin", "http://"+to.Host)
	}
	r.Out.Header.Set("Authorization", "Bearer "+token)
	if r.Out.Body == nil {
		return
	}
	body, err := io.ReadAll(r.Out.Body)
	if err != nil {
		return
	}
	body = withInput(body)
	r.Out.Body, r.Out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}

func withInput(body []byte) []byte {
	var m map[string]any
	if json.Unmarshal(body, &m) != nil || m["method"] != "tools/call" {
		return body
	}
	params, _ := m["params"].(map[string]any)
	if name, _ := params["name"].(string); !strings.HasPrefix(name, "test_") {
		return body
	}
	params["arguments"] = map[string]any{"input": "what the suite wants"}
	out, err := json.Marshal(m)
	if err != nil {
		return body
	}
	return out
}

// servers runs the server scenarios of both releases, at once.
func (t *trial) servers(ctx context.Context) (outcome, error) {
	found, wrong := make([]outcome, len(releases)), make([]error, len(releases))
	var all sync.WaitGroup
	for i, release := range releases {
		found[i] = newOutcome()
		all.Go(func() { wrong[i] = t.server(ctx, &found[i], release) })
	}
	all.Wait()
	for _, more := range found[1:] {
		found[0].add(more)
	}
	return found[0], errors.Join(wrong...)
}

// server runs the server scenarios of a release, against a duvo-mcp of its own.
func (t *trial) server(ctx context.Context, found *outcome, release string) error {
	args := []string{"--suite", "all"}
	if release == "next" {
		args = append(args, "--spec-version", "2026-07-28")
	}
	s, err := t.serve(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return t.suite(ctx, found, release, "server", append(args, "--url", s.proxy.URL+"/")...)
}

// suite runs the scenarios of one side, and reads what came of them.
func (t *trial) suite(ctx context.Context, found *outcome, release, side string, args ...string) error {
	dir, err := os.MkdirTemp(t.dir, release+"-"+side)
	if err != nil {
		return err
	}
	begin := time.Now()
	program := filepath.Join(t.dir, "node_modules", "conformance-"+release, "dist", "index.js")
	out, err := t.node(ctx, append([]string{program, side, "-o", dir}, args...)...).CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if readErr := found.read(dir, release, side); readErr != nil { // that it ends with 1 tells only that something fails
		return errors.Join(readErr, err, errors.New(string(out)))
	}
	fmt.Printf("%s %s: %v\n", release, side, time.Since(begin).Round(time.Second))
	return nil
}
