package duvotestmcp

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/duvotool/duvotool/duvotest"
)

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
