package duvotestmcp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Content chooses how a tool's result carries the JSON of an answer.
type Content int

// How a result carries JSON.
const (
	Both       Content = iota // as structured content and as one text block
	Structured                // as structured content only
	Text                      // as one text block only
)

// An Option sets up a [Server].
type Option func(*Server)

// WithContent chooses how results carry JSON. The default is Both.
func WithContent(c Content) Option { return func(s *Server) { s.content = c } }

// WithEvents answers with streams of server-sent events in place of JSON.
func WithEvents() Option { return func(s *Server) { s.events = true } }

// WithSessions keeps sessions, as the protocol did before 2026-07-28: a request
// with a session ID that is not known gets 404. The default has none.
func WithSessions() Option { return func(s *Server) { s.sessions = true } }

// WithRevisions serves only these revisions of MCP, such as "2025-06-18".
func WithRevisions(revisions ...string) Option {
	return func(s *Server) { s.revisions = revisions }
}

// Without leaves out tools, by operationId.
func Without(operations ...string) Option {
	return func(s *Server) { s.without = append(s.without, operations...) }
}

// WithToolErrors tells every failure but a wrong key and a request too many as
// a tool's error, 5xx too.
func WithToolErrors() Option { return func(s *Server) { s.toolErrors = true } }

// WithAuthorization accepts what authorize returns nil for, in place of the
// Duvo's key, and answers everything else with 401 and this WWW-Authenticate
// header: for tests of OAuth.
func WithAuthorization(authorize func(bearer string) error, challenge string) Option {
	return func(s *Server) { s.authorize, s.challenge = authorize, challenge }
}

// A Server is an http.Handler that serves a Duvo's REST API and, at /v2/mcp, its
// MCP server. Make it with [New]. It is safe for concurrent use.
type Server struct {
	duvo       *duvotest.Duvo
	operations map[string]duvotest.Operation
	content    Content
	events     bool
	sessions   bool
	revisions  []string
	without    []string
	toolErrors bool
	authorize  func(string) error
	challenge  string

	mu      sync.Mutex
	server  *sdk.Server         // made anew by Restart
	handler http.Handler        // of the server
	replies map[string]recorded // answers of the Duvo, on their way to a tool
	posts   int
	calls   int
	http    *httptest.Server
}

// New makes the MCP server of a Duvo.
func New(d *duvotest.Duvo, opts ...Option) *Server {
	s := &Server{duvo: d, operations: map[string]duvotest.Operation{}, replies: map[string]recorded{}}
	for _, o := range opts {
		o(s)
	}
	for _, op := range duvotest.Operations() {
		if !op.Upload && !slices.Contains(s.without, op.ID) {
			s.operations[op.ID] = op
		}
	}
	s.Restart()
	return s
}

// Restart forgets all sessions, as a server does that is started anew. The
// Duvo behind it goes on.
func (s *Server) Restart() {
	server := sdk.NewServer(&sdk.Implementation{Name: "duvo", Version: "2"}, &sdk.ServerOptions{
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}}, SupportedProtocolVersions: s.revisions})
	for _, op := range s.operations {
		server.AddTool(tool(op), s.result)
	}
	h := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server },
		&sdk.StreamableHTTPOptions{Stateless: !s.sessions, JSONResponse: !s.events, PropagateRequestCancellation: true})
	s.mu.Lock()
	before := s.server
	s.server, s.handler = server, h
	s.mu.Unlock()
	end(before)
}

// end ends the sessions of a server.
func end(server *sdk.Server) {
	if server == nil {
		return
	}
	for session := range server.Sessions() {
		go session.Close()
	}
}

// Posts returns how many requests came to /v2/mcp, and how many of them were
// tool calls; the others are handshakes.
func (s *Server) Posts() (all, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts, s.calls
}

// Options returns what a client needs to reach the server: the key, the team
// and the way there, in memory unless [Server.Listen] was called.
func (s *Server) Options() []duvo.Option {
	base, h := duvotest.MemoryURL, duvotest.InMemory(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		base, h = s.http.URL, &http.Client{Transport: s.http.Client().Transport}
	}
	return []duvo.Option{duvo.WithAPIKey(s.duvo.Key()), duvo.WithTeam(s.duvo.TeamID()), duvo.WithBaseURL(base), duvo.WithHTTPClient(h)}
}

// Listen serves on a loopback socket until Close and returns the base URL.
func (s *Server) Listen() string {
	h := httptest.NewServer(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.http = h
	return h.URL
}

// Close ends all sessions, and what Listen began. The Duvo is the caller's to
// close.
func (s *Server) Close() {
	s.mu.Lock()
	h, server := s.http, s.server
	s.mu.Unlock()
	end(server)
	if h != nil {
		h.CloseClientConnections()
		h.Close()
	}
}

const maxRequest = 4 << 20

// ServeHTTP serves both APIs, under any base path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/v2/mcp") {
		s.duvo.ServeHTTP(w, r)
		return
	}
	if r.Method != http.MethodPost && !(r.Method == http.MethodDelete && s.sessions) {
		w.Header().Set("Allow", "POST")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	var m message
	_ = json.Unmarshal(body, &m) // what is no message is told so below
	op, isCall := s.operations[m.Params.Name]
	isCall = isCall && m.Method == "tools/call"
	s.mu.Lock()
	s.posts++
	if isCall {
		s.calls++
	}
	h := s.handler
	s.mu.Unlock()
	s.serve(w, r, h, body, m, op, isCall)
}

// A message is what the server reads of JSON-RPC itself.
type message struct {
	Method string          `json:"method"`
	ID     json.RawMessage `json:"id"`
	Params struct {
		Name      string                     `json:"name"`
		Arguments map[string]json.RawMessage `json:"arguments"`
	} `json:"params"`
}

// serve answers a message with this body. A tool call goes to the Duvo first, and
// what it answered is the tool's result.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, h http.Handler, body []byte, m message, op duvotest.Operation, isCall bool) {
	out := r.Clone(r.Context())
	if s.refused(w, r, isCall) {
		return
	}
	if isCall && s.known(h, r) {
		rec, err := s.ask(w, r, op, m.Params.Arguments)
		switch {
		case err != nil:
			rec = recorded{status: http.StatusBadRequest, header: http.Header{}, body: failure("invalid_request", err.Error())}
		case rec.status == 0: // the connection broke
			panic(http.ErrAbortHandler)
		case rec.aborted:
			s.cut(w, rec, m.ID)
		case rec.status == http.StatusUnauthorized, rec.status == http.StatusTooManyRequests, rec.status >= 500 && !s.toolErrors,
			rec.status < 300 && !rec.isJSON():
			rec.copyTo(w)
			return
		}
		for name, values := range rec.header {
			if strings.HasPrefix(name, "X-Ratelimit") || name == "Retry-After" {
				w.Header()[name] = values
			}
		}
		id := rand.Text()
		s.mu.Lock()
		s.replies[id] = rec
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			delete(s.replies, id)
			s.mu.Unlock()
		}()
		out.Header.Set(replyHeader, id)
	} else {
		out.Header.Del(replyHeader)
	}
	out.Body = io.NopCloser(bytes.NewReader(body))
	h.ServeHTTP(w, out)
}

const replyHeader = "X-Duvotest-Reply"

// refused answers what has no good key. A tool call is left to the Duvo, which
// counts it.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, isCall bool) bool {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case s.authorize != nil && s.authorize(token) == nil:
		r.Header.Set("Authorization", "Bearer "+s.duvo.Key())
		return false
	case s.authorize == nil && (isCall || token == s.duvo.Key()):
		return false
	}
	if s.challenge != "" {
		w.Header().Set("WWW-Authenticate", s.challenge)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = w.Write(failure("unauthorized", "The API key is missing or not valid."))
	return true
}

func failure(code, message string) []byte {
	b, _ := json.Marshal(map[string]string{"error": code, "message": message})
	return b
}

// known reports whether the session of a request exists: a tool call in another
// must have no effect.
func (s *Server) known(h http.Handler, r *http.Request) bool {
	if !s.sessions {
		return true
	}
	if r.Header.Get("Mcp-Session-Id") == "" {
		return false
	}
	// An empty ping tells without doing anything.
	ping := r.Clone(r.Context())
	ping.Body = io.NopCloser(strings.NewReader(`{"jsonrpc":"2.0","id":"known","method":"ping"}`))
	ping.Header.Del("Mcp-Method")
	ping.Header.Del("Mcp-Name")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, ping)
	return w.Code == http.StatusOK
}

// ask sends a call to the Duvo.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, op duvotest.Operation, args map[string]json.RawMessage) (rec recorded, err error) {
	req, err := request(r.Context(), op, args, s.duvo.TeamID())
	if err != nil {
		return rec, err
	}
	// As if it had come by the same way, for URLs that the Duvo gives out.
	req.Host, req.TLS = r.Host, r.TLS
	req.URL.Scheme, req.URL.Host = r.URL.Scheme, r.URL.Host
	req.URL.Path = strings.TrimSuffix(r.URL.Path, "/v2/mcp") + req.URL.Path
	req.RequestURI = req.URL.RequestURI()
	for _, name := range []string{"Authorization", "Idempotency-Key", "User-Agent"} {
		if v := r.Header.Values(name); len(v) > 0 {
			req.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	rec.header = http.Header{}
	writer := &recorder{recorded: &rec, outer: w}
	func() {
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				rec.aborted = true
			}
		}()
		s.duvo.ServeHTTP(writer, req)
	}()
	return rec, nil
}

// request makes a REST request of a call.
func request(ctx context.Context, op duvotest.Operation, args map[string]json.RawMessage, team string) (*http.Request, error) {
	rest := map[string]json.RawMessage{}
	for name, value := range args {
		rest[name] = value
	}
	path := op.Path
	for _, name := range parameters(op) {
		value, err := plain(rest[name])
		if err != nil {
			return nil, fmt.Errorf("the argument %s is no text", name)
		}
		if value == "" && name == "team_id" {
			value = team // a key is pinned to its team
		}
		if value == "" {
			return nil, fmt.Errorf("the argument %s is missing", name)
		}
		path = strings.Replace(path, "{"+name+"}", url.PathEscape(value), 1)
		delete(rest, name)
	}
	var body io.Reader = http.NoBody
	query := url.Values{}
	if op.Method == http.MethodGet {
		for name, raw := range rest {
			value, err := plain(raw)
			if err != nil {
				return nil, fmt.Errorf("the argument %s is neither text, number nor boolean", name)
			}
			query.Set(name, value)
		}
	} else if len(rest) > 0 {
		encoded, err := json.Marshal(rest)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, op.Method, duvotest.MemoryURL+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = query.Encode()
	req.RequestURI = req.URL.RequestURI()
	if body != http.NoBody {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// parameters lists what stands in the path of an operation.
func parameters(op duvotest.Operation) []string {
	var names []string
	for _, s := range strings.Split(op.Path, "/") {
		if strings.HasPrefix(s, "{") {
			names = append(names, strings.Trim(s, "{}"))
		}
	}
	return names
}

// plain reads a JSON string, number or boolean as text; nothing and null are
// empty.
func plain(raw json.RawMessage) (string, error) {
	var v any
	if len(raw) == 0 {
		return "", nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return v.String(), nil
	}
	return "", errors.New("a list or an object")
}

// result tells the tool's result: the Duvo's answer, which is known by now.
func (s *Server) result(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	s.mu.Lock()
	rec, ok := s.replies[req.Extra.Header.Get(replyHeader)]
	s.mu.Unlock()
	if !ok {
		return nil, errors.New("the call did not reach the Duvo")
	}
	if rec.status >= 300 {
		var fields map[string]any
		if json.Unmarshal(rec.body, &fields) != nil {
			fields = map[string]any{"message": string(rec.body)}
		}
		fields["status"] = rec.status
		text, _ := json.Marshal(fields)
		return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: string(text)}}}, nil
	}
	res := &sdk.CallToolResult{Content: []sdk.Content{}}
	if s.content != Structured {
		res.Content = append(res.Content, &sdk.TextContent{Text: string(rec.body)})
	}
	if s.content != Text {
		res.StructuredContent = json.RawMessage(rec.body)
	}
	return res, nil
}

// cut answers with the beginning of what breaks off.
func (s *Server) cut(w http.ResponseWriter, rec recorded, id json.RawMessage) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"structuredContent":%s`, id, rec.body)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// recorded is an answer of the Duvo.
type recorded struct {
	status  int // zero: none was sent
	header  http.Header
	body    []byte
	aborted bool // it broke off
}

// isJSON reports whether a tool could hand the answer on: it is told to be JSON, or
// is an object all the same, as the body of a fault can be.
func (r recorded) isJSON() bool {
	return strings.HasPrefix(r.header.Get("Content-Type"), "application/json") ||
		bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("{")) && json.Valid(r.body)
}

func (r recorded) copyTo(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}

// recorder takes an answer in. What breaks a connection breaks the outer one.
type recorder struct {
	*recorded
	outer http.ResponseWriter
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, b...)
	return len(b), nil
}

func (r *recorder) Flush() {}

func (r *recorder) Unwrap() http.ResponseWriter { return r.outer }
