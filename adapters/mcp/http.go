package mcp

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/duvotool/duvotool/internal/inbody"
	"github.com/duvotool/duvotool/internal/safetext"
)

// idleSession is how long a session of an older revision is kept without a
// request.
const idleSession = time.Hour

// Handler serves hosts over Streamable HTTP. Each request needs a bearer token
// that verify accepts; see [Token] for one that is fixed. The user of its
// TokenInfo becomes the caller of the Jobs, and no other user can reach them.
// opts may be nil; it names the metadata of the resource where an authorization
// server gives out the tokens. What is refused is told so by WWW-Authenticate.
//
// Peers of revision 2026-07-28 are served without sessions, older ones with. A
// call that waits for its user's answer lives in this process all the same: where
// there are several, a host must come back to the one that it left.
func (s *Server) Handler(verify auth.TokenVerifier, opts *auth.RequireBearerTokenOptions) (http.Handler, error) {
	if verify == nil {
		return nil, errors.New("mcp: Handler: a verifier of tokens is needed")
	}
	get := func(*http.Request) *sdk.Server { return s.mcp }
	named := s.hosts != nil // then we look ourselves
	stateless := sdk.NewStreamableHTTPHandler(get, &sdk.StreamableHTTPOptions{Stateless: true, PropagateRequestCancellation: true, Logger: s.log, DisableLocalhostProtection: named})
	stateful := sdk.NewStreamableHTTPHandler(get, &sdk.StreamableHTTPOptions{SessionTimeout: idleSession, Logger: s.log, DisableLocalhostProtection: named})
	choose := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Protocol-Version") >= "2026-07-28" {
			stateless.ServeHTTP(w, r)
			return
		}
		s.noted(stateful, w, r)
	})
	served := s.onlyFor(http.NewCrossOriginProtection().Handler(challenged(verify, opts, choose)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served.ServeHTTP(w, inbody.Bound(w, r)) }), nil
}

// AllowHosts names the hosts by which a server that listens on a loopback address may be
// reached through a proxy, such as mcp.example.com: what is sent to any other is refused
// with 403, but for what names a loopback address. So a page of somebody's browser
// that has its own name lead here gets nothing. Without the option a server on a loopback
// address answers to loopback names alone, and one on another address to any name.
func AllowHosts(hosts ...string) ServerOption {
	return func(s *Server) error {
		if len(hosts) == 0 {
			return errors.New("AllowHosts: no hosts")
		}
		named := map[string]bool{}
		for _, h := range hosts {
			name := hostname(h)
			if name == "" || strings.ContainsAny(h, "/@*?#") || strings.ContainsAny(name, ": \t\r\n") && net.ParseIP(name) == nil {
				return fmt.Errorf("AllowHosts: %.80q is no host such as mcp.example.com", h)
			}
			named[name] = true
		}
		s.hosts = named
		return nil
	}
}

// hostname is a host without its port, as it is compared.
func hostname(host string) string {
	host = strings.TrimSpace(host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// onlyFor refuses what is sent to a host that AllowHosts does not name.
func (s *Server) onlyFor(next http.Handler) http.Handler {
	if s.hosts == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := hostname(r.Host)
		if ip := net.ParseIP(name); !s.hosts[name] && name != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.Error(w, "Forbidden: this server is not reached by that host", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requestHeader is where calls find the HTTP request that they came by: the SDK hands
// on nothing else of it to older revisions, for whom a lost connection ends no call.
const requestHeader = "Duvotool-Request"

// noted serves a request, and lets its calls know when it is lost: when its connection
// ends before it is answered.
func (s *Server) noted(next http.Handler, w http.ResponseWriter, r *http.Request) {
	lost, lose := context.WithCancel(context.WithoutCancel(r.Context()))
	defer context.AfterFunc(r.Context(), lose)()
	id := newID()
	s.requests.Store(id, lost)
	defer s.requests.Delete(id)
	r = r.Clone(r.Context())
	r.Header.Set(requestHeader, id)
	next.ServeHTTP(w, r)
	if r.Context().Err() != nil {
		lose()
	}
}

// wayBack returns a context that ends when the request of a call is lost; nil where the
// call's own ends then.
func (s *Server) wayBack(req *sdk.CallToolRequest) context.Context {
	if req.Extra == nil || req.Extra.Header == nil {
		return nil
	}
	id := req.Extra.Header.Get(requestHeader)
	if id == "" {
		return nil
	}
	if way, ok := s.requests.Load(id); ok {
		return way.(context.Context)
	}
	lost, lose := context.WithCancel(context.Background()) // before the call was begun
	lose()
	return lost
}

// challenged lets through what has a good token. Everything else is told, as HTTP
// wants it, that a bearer token is asked for, and what is wrong with the one that
// was sent.
func challenged(verify auth.TokenVerifier, opts *auth.RequireBearerTokenOptions, next http.Handler) http.Handler {
	through := auth.RequireBearerToken(verify, opts)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w.(*challenge).ResponseWriter, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.ServeHTTP(&challenge{w, r.Header.Get("Authorization") != ""}, r)
	})
}

// A challenge is an answer of which it is not known yet whether it refuses a token.
type challenge struct {
	http.ResponseWriter
	sent bool // there was a token, or what stands for one
}

func (c *challenge) WriteHeader(status int) {
	problem := map[int]string{http.StatusForbidden: "insufficient_scope"}[status]
	if status == http.StatusUnauthorized && c.sent {
		problem = "invalid_token"
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		told := c.Header().Get("WWW-Authenticate")
		params := strings.TrimPrefix(told, "Bearer ")
		if problem != "" {
			problem = fmt.Sprintf("error=%q", problem)
		}
		c.Header().Set("WWW-Authenticate", strings.TrimSpace("Bearer "+strings.Join(slices.DeleteFunc([]string{problem, params}, func(s string) bool { return s == "" }), ", ")))
	}
	c.ResponseWriter.WriteHeader(status)
}

// minToken is how long a fixed token must be, in bytes.
const minToken = 16

// Token accepts one fixed token, of at least 16 bytes. It tells no user.
func Token(token string) (auth.TokenVerifier, error) {
	if len(token) < minToken {
		return nil, fmt.Errorf("mcp: a token of %s can be guessed; use %d or more", safetext.Count(len(token), "byte", "bytes"), minToken)
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return nil, errors.New("mcp: the token has a character that no header can carry")
		}
	}
	want := sha256.Sum256([]byte(token))
	return func(_ context.Context, given string, _ *http.Request) (*auth.TokenInfo, error) {
		got := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{Expiration: time.Now().Add(time.Hour)}, nil
	}, nil
}
