package duvotest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A route is one operation of the API.
type route struct {
	op      string
	method  string
	path    []string // segments; "{}" takes any
	mutates bool
	do      func(d *Duvo, r *incoming) reply // called with Duvo.mu held
}

var routes []route // filled by init, which breaks the circle through the handlers

func init() {
	add := func(op, method, path string, do func(*Duvo, *incoming) reply) {
		routes = append(routes, route{op, method, strings.Split(strings.Trim(path, "/"), "/"), method == http.MethodPost, do})
	}
	add("listMyTeams", http.MethodGet, "/v2/teams", (*Duvo).listMyTeams)
	add("getTeam", http.MethodGet, "/v2/teams/{}", (*Duvo).getTeam)
	add("listAgents", http.MethodGet, "/v2/teams/{}/agents", (*Duvo).listAgents)
	add("getAgent", http.MethodGet, "/v2/agents/{}", (*Duvo).getAgent)
	add("listAgentFolders", http.MethodGet, "/v2/teams/{}/agent-folders", (*Duvo).listAgentFolders)
	add("listRuns", http.MethodGet, "/v2/teams/{}/runs", (*Duvo).listRuns)
	add("startRun", http.MethodPost, "/v2/teams/{}/runs", (*Duvo).startRun)
	add("getRun", http.MethodGet, "/v2/runs/{}", (*Duvo).getRun)
	add("postRunMessage", http.MethodPost, "/v2/runs/{}/messages", (*Duvo).postRunMessage)
	add("listRunMessages", http.MethodGet, "/v2/runs/{}/messages", (*Duvo).listRunMessages)
	add("respondToHumanRequest", http.MethodPost, "/v2/runs/{}/human-requests/{}/respond", (*Duvo).respondToHumanRequest)
	add("stopRun", http.MethodPost, "/v2/runs/{}/stop", (*Duvo).stopRun)
}

// incoming is a request on its way through.
type incoming struct {
	*Request
	route *route
	args  []string // the path's segments that the route takes
}

// A reply is what an operation answers: a status, and a body to encode.
type reply struct {
	status int
	body   any
	raw    []byte // instead of body, as it is
	header http.Header
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

// ServeHTTP serves the Public API below /v2, under any base path.
func (d *Duvo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequestBody+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the caller is gone, or sends no HTTP
	}
	in := d.receive(r, body)
	fault := d.faultFor(in, r)
	if fault != nil {
		fault.serve(d, w, r, in)
		return
	}
	d.write(w, in, d.answer(in))
}

// receive records a request before anything comes of it.
func (d *Duvo) receive(r *http.Request, body []byte) *incoming {
	in := &incoming{Request: &Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(), Body: body, At: time.Now()}}
	if in.Header.Get("Authorization") != "" {
		who := "Bearer <invalid>"
		if d.authorized(r) {
			who = "Bearer <valid>"
		}
		in.Header.Set("Authorization", who)
	}
	in.route, in.args = match(r.Method, r.URL.EscapedPath())
	if in.route != nil {
		in.Op = in.route.op
	}
	d.mu.Lock()
	d.requests = append(d.requests, in.Request)
	d.mu.Unlock()
	return in
}

func (d *Duvo) authorized(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && token == d.cfg.key
}

func match(method, path string) (*route, []string) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for len(segments) > 0 && segments[0] != "v2" {
		segments = segments[1:] // a base path
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
		return r, args
	}
	return nil, nil
}

// answer lets a request take its effect and returns what to tell.
func (d *Duvo) answer(in *incoming) reply {
	valid := in.Header.Get("Authorization") == "Bearer <valid>"
	if valid && in.route != nil && in.route.mutates && in.Header.Get("Idempotency-Key") != "" && d.cfg.profile.Idempotency == KeysHonoured {
		return d.once(in)
	}
	return d.perform(in)
}

func (d *Duvo) perform(in *incoming) reply {
	d.mu.Lock()
	defer d.mu.Unlock()
	var rep reply
	limited, header := d.window.count(time.Now(), d.cfg.rate)
	switch {
	case d.closed:
		rep = fail(http.StatusServiceUnavailable, "unavailable", "The service is shutting down.")
	case in.Header.Get("Authorization") != "Bearer <valid>":
		rep = fail(http.StatusUnauthorized, "unauthorized", "The API key is missing or not valid.")
	case limited:
		rep = fail(http.StatusTooManyRequests, "rate_limited", "There were too many requests.")
	case in.route == nil:
		rep = fail(http.StatusNotFound, "not_found", "There is no such endpoint.")
	case d.forbidden(in.Op):
		rep = fail(http.StatusForbidden, "forbidden", "The API key may not do this.")
	case len(in.Body) > maxRequestBody:
		rep = fail(http.StatusBadRequest, "invalid_request", "The body is too large.")
	default:
		rep = in.route.do(d, in)
	}
	rep.header = header
	in.Effect = in.Effect || rep.effect
	return rep
}

func (d *Duvo) forbidden(op string) bool {
	for _, f := range d.cfg.forbidden {
		if f == op {
			return true
		}
	}
	return false
}

// write sends a reply.
func (d *Duvo) write(w http.ResponseWriter, in *incoming, rep reply) {
	body, err := encodeReply(rep, d.cfg.quirks)
	if err != nil {
		panic(err)
	}
	h := w.Header()
	for k, v := range rep.header {
		h[k] = v
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	if rep.raw != nil && !json.Valid(rep.raw) {
		h.Set("Content-Type", "text/html")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	d.told(in, rep.status)
	w.WriteHeader(rep.status)
	_, _ = w.Write(body)
}

// told notes what was answered.
func (d *Duvo) told(in *incoming, status int) {
	d.mu.Lock()
	in.Status = status
	d.mu.Unlock()
	d.cfg.log.Info("request", "operation", in.Op, "method", in.Method, "path", in.Path, "status", status, "fault", in.Fault)
}

func encodeReply(rep reply, q Quirks) ([]byte, error) {
	if rep.raw != nil {
		return rep.raw, nil
	}
	body, err := json.Marshal(rep.body)
	if err != nil || !q.UnknownFields {
		return body, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	addUnknown(v)
	return json.Marshal(v)
}

// addUnknown puts a field that no description has into every object, but not
// into what a tool was given and gave.
func addUnknown(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			addUnknown(e)
		}
	case map[string]any:
		for k, e := range v {
			if k != "arguments" && k != "result" {
				addUnknown(e)
			}
		}
		v["x_undocumented"] = map[string]any{"v": []int{1}}
	}
}

// A rateWindow counts requests within a minute.
type rateWindow struct {
	began time.Time
	used  int
}

// count takes one request in and tells whether it is over the limit.
func (w *rateWindow) count(now time.Time, limit int) (over bool, header http.Header) {
	if limit == 0 {
		return false, nil
	}
	if now.Sub(w.began) >= time.Minute {
		w.began, w.used = now, 0
	}
	w.used++
	// The reset is told in whole seconds, never too early.
	reset := w.began.Add(time.Minute + time.Second - time.Nanosecond).Unix()
	header = http.Header{}
	header.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, limit-w.used)))
	header.Set("X-RateLimit-Reset", strconv.FormatInt(reset, 10))
	if w.used > limit {
		header.Set("Retry-After", strconv.FormatInt(max(1, reset-now.Unix()), 10))
		return true, header
	}
	return false, header
}
