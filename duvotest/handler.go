package duvotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A route is one operation of the API.
type route struct {
	op      string
	method  string
	path    []string                         // segments; "{}" takes any
	do      func(d *Duvo, r *incoming) reply // called with Duvo.mu held
	upload  bool                             // its body is a file's, and may be large
	keyless bool                             // it needs no API key, and counts for no limit
}

// routes is the API. An operation that comes is one more line here.
var routes = []route{
	operation("listMyTeams", http.MethodGet, "v2/teams", (*Duvo).listMyTeams),
	operation("getTeam", http.MethodGet, "v2/teams/{}", (*Duvo).getTeam),
	operation("listAgents", http.MethodGet, "v2/teams/{}/agents", (*Duvo).listAgents),
	operation("getAgent", http.MethodGet, "v2/agents/{}", (*Duvo).getAgent),
	operation("listAgentFolders", http.MethodGet, "v2/teams/{}/agent-folders", (*Duvo).listAgentFolders),
	operation("listRuns", http.MethodGet, "v2/teams/{}/runs", (*Duvo).listRuns),
	operation("startRun", http.MethodPost, "v2/teams/{}/runs", (*Duvo).startRun),
	operation("getRun", http.MethodGet, "v2/runs/{}", (*Duvo).getRun),
	operation("postRunMessage", http.MethodPost, "v2/runs/{}/messages", (*Duvo).postRunMessage),
	operation("listRunMessages", http.MethodGet, "v2/runs/{}/messages", (*Duvo).listRunMessages),
	operation("respondToHumanRequest", http.MethodPost, "v2/runs/{}/human-requests/{}/respond", (*Duvo).respondToHumanRequest),
	operation("stopRun", http.MethodPost, "v2/runs/{}/stop", (*Duvo).stopRun),
	operation("createSandbox", http.MethodPost, "v2/sandboxes", (*Duvo).createSandbox),
	operation("listSandboxFiles", http.MethodGet, "v2/sandboxes/{}/files", (*Duvo).listSandboxFiles),
	takingFiles(operation("uploadSandboxFile", http.MethodPost, "v2/sandboxes/{}/files", (*Duvo).uploadSandboxFile)),
	operation("createSandboxUploadUrl", http.MethodPost, "v2/sandboxes/{}/upload-urls", (*Duvo).createSandboxUploadURL),
	keyless(takingFiles(operation(UploadToURL, http.MethodPut, uploadRoot+"/{}", (*Duvo).uploadToURL))),
}

func operation(op, method, path string, do func(*Duvo, *incoming) reply) route {
	return route{op: op, method: method, path: strings.Split(path, "/"), do: do}
}

func takingFiles(r route) route { r.upload = true; return r }

func keyless(r route) route { r.keyless = true; return r }

// known tells whether the API has an operation.
func known(op string) bool {
	return slices.ContainsFunc(routes, func(r route) bool { return r.op == op })
}

// incoming is a request on its way through.
type incoming struct {
	*Request
	route   *route
	args    []string // the path's segments that the route takes
	valid   bool     // its key is the right one
	limited bool     // it is one too many

	stranger bool        // it shows nothing that this Duvo gave out: anybody may have sent it
	rate     http.Header // what every answer to it tells of the limit
	content  []byte      // the whole body
	base     string      // the URL before the API's own first segment, without a slash
}

// A reply is what an operation answers: a status, and a body to encode, nil for
// none.
type reply struct {
	status int
	body   any
	effect bool
}

func fail(status int, code, message string) reply {
	return reply{status: status, body: errorBody{code, message}}
}

type errorBody struct {
	Error   string `json:"error"`
	Message string `json:"message,omitempty"`
}

// maxRequestBody bounds a request's body.
const maxRequestBody = 1 << 20

// What is kept of those who need no key to fill the memory.
const (
	maxStrangers  = 1 << 10 // bytes of a request's body, path, query and headers, each
	strangersKept = 1000    // requests
)

// ServeHTTP serves the Public API below /v2, under any base path. Requests
// that come after Close get 503.
func (d *Duvo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := d.incoming(r)
	if r.Body != nil {
		most := d.maxBody(in.route) + 1
		if in.stranger {
			most = maxStrangers
		}
		var err error
		if in.content, err = io.ReadAll(io.LimitReader(r.Body, most)); err == nil && in.stranger {
			_, err = io.Copy(io.Discard, io.LimitReader(r.Body, maxRequestBody))
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the caller is gone, or sends no HTTP
		}
	}
	d.receive(in)
	if fault := d.faultFor(in, r); fault != nil {
		fault.serve(d, w, r, in)
		return
	}
	d.write(w, in, d.answer(in))
}

// incoming reads all of a request but its body.
func (d *Duvo) incoming(r *http.Request) *incoming {
	in := &incoming{Request: &Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(), At: time.Now()}}
	if in.Header.Get("Authorization") != "" {
		in.valid = d.authorized(r)
		in.Header.Set("Authorization", map[bool]string{true: "Bearer <valid>", false: "Bearer <invalid>"}[in.valid])
	}
	var prefix string
	in.route, in.args, prefix = match(r.Method, r.URL.EscapedPath())
	if in.route != nil {
		in.Op = in.route.op
	}
	in.base = origin(r) + prefix
	in.stranger = !in.valid && !d.uploading(in)
	return in
}

// uploading tells whether a request goes to an upload URL that was given out.
func (d *Duvo) uploading(in *incoming) bool {
	if in.route == nil || !in.route.keyless {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.uploads[in.args[0]] != nil
}

// maxBody bounds the body of a request.
func (d *Duvo) maxBody(r *route) int64 {
	switch {
	case r == nil || !r.upload:
		return maxRequestBody
	case r.keyless:
		return d.cfg.sandboxBytes
	}
	return maxDirectUpload + 64<<10 // the form around the file
}

// receive records a request before anything comes of it.
func (d *Duvo) receive(in *incoming) {
	in.Body = in.content
	if in.stranger {
		in.cut()
	}
	if in.route != nil && in.route.upload && len(in.Body) > maxUploadKept {
		in.Body = slices.Clone(in.Body[:maxUploadKept]) // the rest is the sandbox's, once
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if in.route == nil || !in.route.keyless {
		in.limited, in.rate = d.window.count(in.At, d.cfg.rate, in.valid)
	}
	d.counts[in.Op]++
	if in.stranger {
		if d.strangers++; d.strangers > strangersKept {
			return
		}
	}
	d.requests = trim(append(d.requests, in.Request), d.cfg.history)
}

// cut shortens what is kept of a stranger's request.
func (in *incoming) cut() {
	in.Method = strings.Clone(in.Method[:min(len(in.Method), maxStrangers)])
	in.Path = strings.Clone(in.Path[:min(len(in.Path), maxStrangers)])
	query := in.Query.Encode()
	in.Query = url.Values{}
	if len(query) <= maxStrangers { // a copy: what was parsed is part of the whole line
		in.Query, _ = url.ParseQuery(strings.Clone(query))
	}
	size := 0
	for name, values := range in.Header {
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	if size > maxStrangers {
		in.Header = http.Header{"Authorization": in.Header["Authorization"]}
	}
}

func (d *Duvo) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && token == d.cfg.key
}

// match finds the route of a path, and what stands before the API's own first
// segment: a base path.
func match(method, path string) (_ *route, args []string, prefix string) {
	segments := strings.Split(path, "/")
	if own := slices.IndexFunc(segments, func(s string) bool { return s == "v2" || s == uploadRoot }); own >= 0 {
		prefix, segments = strings.Join(segments[:own], "/"), segments[own:]
	}
next:
	for i := range routes {
		r := &routes[i]
		if r.method != method || len(r.path) != len(segments) {
			continue
		}
		var args []string
		for k, want := range r.path {
			switch {
			case want == "{}":
				args = append(args, segments[k])
			case want != segments[k]:
				continue next
			}
		}
		return r, args, prefix
	}
	return nil, nil, prefix
}

// answer lets a request take its effect and returns what to tell.
func (d *Duvo) answer(in *incoming) reply {
	if refused := d.refuse(in); refused != nil {
		return *refused
	}
	if in.Method == http.MethodPost && in.Header.Get("Idempotency-Key") != "" && d.cfg.profile.Idempotency == KeysHonoured {
		return d.once(in)
	}
	return d.perform(in)
}

// refuse answers what does not even reach its operation; nil for what does.
func (d *Duvo) refuse(in *incoming) *reply {
	var rep reply
	switch {
	case d.ctx.Err() != nil:
		rep = shutDown()
	case !in.valid && (in.route == nil || !in.route.keyless):
		rep = fail(http.StatusUnauthorized, "unauthorized", "The API key is missing or not valid.")
	case in.limited:
		rep = fail(http.StatusTooManyRequests, "rate_limited", "There were too many requests.")
	case in.route == nil:
		rep = fail(http.StatusNotFound, "not_found", "There is no such endpoint.")
	case slices.Contains(d.cfg.forbidden, in.Op):
		rep = fail(http.StatusForbidden, "forbidden", "The API key may not do this.")
	case int64(len(in.content)) > d.maxBody(in.route) && in.route.upload:
		rep = tooLarge()
	case int64(len(in.content)) > d.maxBody(in.route):
		rep = fail(http.StatusBadRequest, "invalid_request", "The body is too large.")
	default:
		return nil
	}
	return &rep
}

func shutDown() reply {
	return fail(http.StatusServiceUnavailable, "unavailable", "The service is shutting down.")
}

func (d *Duvo) perform(in *incoming) reply {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return shutDown()
	}
	rep := in.route.do(d, in)
	in.Effect = in.Effect || rep.effect
	return rep
}

// write sends a reply.
func (d *Duvo) write(w http.ResponseWriter, in *incoming, rep reply) {
	d.send(w, in, rep.status, "application/json; charset=utf-8", d.encode(rep))
}

// head sends all of an answer but its body, of size bytes.
func (d *Duvo) head(w http.ResponseWriter, in *incoming, status int, contentType string, size int) {
	h := w.Header()
	for k, v := range in.rate {
		if h.Get(k) == "" {
			h[k] = v
		}
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(size))
	d.told(in, status)
	w.WriteHeader(status)
}

func (d *Duvo) send(w http.ResponseWriter, in *incoming, status int, contentType string, body []byte) {
	d.head(w, in, status, contentType, len(body))
	_, _ = w.Write(body)
}

// told notes what was answered.
func (d *Duvo) told(in *incoming, status int) {
	d.mu.Lock()
	in.Status = status
	d.statuses[status]++
	d.mu.Unlock()
	d.cfg.log.Info("request", "operation", in.Op, "method", in.Method, "path", in.Path, "status", status, "fault", in.Fault)
}

func (d *Duvo) encode(rep reply) []byte {
	if rep.body == nil {
		return nil
	}
	body, err := json.Marshal(rep.body)
	if err != nil {
		panic(fmt.Sprintf("duvotest: an answer cannot be written: %v", err))
	}
	if !d.cfg.quirks.UnknownFields {
		return body
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		panic(fmt.Sprintf("duvotest: an answer cannot be read: %v", err))
	}
	addUnknown(v)
	body, _ = json.Marshal(v)
	return body
}

// addUnknown puts a field that no description has into every object.
func addUnknown(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if name != "arguments" && name != "result" { // what a tool was given and gave is data
				addUnknown(field)
			}
		}
		v["x_undocumented"] = map[string]any{"v": []any{1}}
	case []any:
		for _, item := range v {
			addUnknown(item)
		}
	}
}

// A rateWindow counts requests within a minute.
type rateWindow struct {
	began time.Time
	used  int
}

// count takes one request in, if its key is the one that is limited, and tells
// whether it is over the limit.
func (w *rateWindow) count(now time.Time, limit int, ours bool) (over bool, header http.Header) {
	if limit == 0 {
		return false, nil
	}
	if now.Sub(w.began) >= time.Minute {
		w.began, w.used = now, 0
	}
	if ours {
		w.used++
	}
	// The reset is told in whole seconds, never too early.
	reset := w.began.Add(time.Minute + time.Second - time.Nanosecond).Unix()
	header = http.Header{}
	header.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, limit-w.used)))
	header.Set("X-RateLimit-Reset", strconv.FormatInt(reset, 10))
	if ours && w.used > limit {
		header.Set("Retry-After", strconv.FormatInt(max(1, reset-now.Unix()), 10))
		return true, header
	}
	return false, header
}
