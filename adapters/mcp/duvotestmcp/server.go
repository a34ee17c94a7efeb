package duvotestmcp

import (
	"net/http"
	"net/http/httptest"
	"slices"
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
