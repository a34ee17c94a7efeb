package duvotest

import (
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/duvotool/duvotool/duvo"
)

// A Server is a [Duvo] that listens on a loopback socket.
type Server struct {
	*Duvo
	URL  string // the base URL, once started
	http *httptest.Server
}

// NewServer starts a server. It panics if an option makes no sense.
func NewServer(opts ...Option) *Server {
	s := NewUnstartedServer(opts...)
	s.Start()
	return s
}

// NewUnstartedServer makes a server that does not listen yet.
func NewUnstartedServer(opts ...Option) *Server {
	d := New(opts...)
	return &Server{Duvo: d, http: httptest.NewUnstartedServer(d)}
}

// Listen makes Start use this listener instead of a loopback port of the
// system's choice.
func (s *Server) Listen(l net.Listener) {
	_ = s.http.Listener.Close()
	s.http.Listener = l
}

// Start begins to serve and sets URL.
func (s *Server) Start() {
	s.http.Start()
	s.URL = s.http.URL
}

// Close ends all scripts, closes the socket and waits for requests that are
// being served.
func (s *Server) Close() {
	s.Duvo.Close()
	s.http.CloseClientConnections()
	s.http.Close()
}

// Client returns a client that reaches the server through its socket, with its
// key and team. It panics if an option makes no sense, or the server was not
// started.
func (s *Server) Client(opts ...duvo.Option) *duvo.Client {
	return s.client(s.URL, &http.Client{Transport: s.http.Client().Transport}, opts)
}

// Env returns the environment variables with which [duvo.FromEnv] reaches the
// server, each as NAME=value.
func (s *Server) Env() []string {
	return []string{duvo.EnvAPIKey + "=" + s.Key(), duvo.EnvTeamID + "=" + s.TeamID(), duvo.EnvBaseURL + "=" + s.URL}
}
