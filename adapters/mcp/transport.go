package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/pause"
	"github.com/duvotool/duvotool/internal/version"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// A transport carries the requests of a duvo.Client as tool calls of an MCP
// server. One request is one POST; what else goes over the wire is the
// handshake, once for each session.
//
// What net/http or the server tells (a status, headers, how a connection broke)
// reaches the client as if it had sent that POST itself, and a tool's failure
// as the answer that REST would have given. So it decodes, classifies, paces and
// retries as ever.
type transport struct {
	next     http.RoundTripper
	protocol string        // to begin with; empty: the newest
	oauth    *tokens       // nil: a key
	timeout  time.Duration // of each message of a handshake; set before the first request

	life   context.Context // ends when the transport is closed
	end    context.CancelFunc
	ending sync.WaitGroup // sessions that are opened or dropped; added to with mu held

	mu      sync.Mutex
	session *session // nil: none
	opening *opening // the handshake that is under way; nil: none
	opened  int
	closed  bool
}

func newTransport(next http.RoundTripper, protocol string, oauth *tokens) *transport {
	t := &transport{next: next, protocol: protocol, oauth: oauth, timeout: 30 * time.Second}
	t.life, t.end = context.WithCancel(context.Background())
	return t
}

// A session is an MCP session, or what stands for one where the protocol has
// none.
type session struct {
	*sdk.ClientSession
	credentials *credentials
}

// credentials are the headers of the latest request; what belongs to no request
// is sent with them, and where there are none, not at all: the session is gone.
type credentials struct {
	mu     sync.Mutex
	header http.Header
	gone   bool
}

func (c *credentials) set(h http.Header) {
	var own http.Header
	for _, name := range []string{"Authorization", "User-Agent"} {
		if v := h.Values(name); len(v) > 0 {
			if own == nil {
				own = http.Header{}
			}
			own[name] = v
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone = c.gone || h == nil; !c.gone {
		c.header = own
	}
}

func (c *credentials) get() (header http.Header, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header, c.gone
}

// An unsentError is a failure before the tool call was sent.
type unsentError struct{ error }

func (e unsentError) Unwrap() error  { return e.error }
func (e unsentError) NoEffect() bool { return true }

var errClosed = errors.New("the MCP client is closed")

// RoundTrip sends one request. It sends it again only after an answer that the
// server gives before it looks at the call: its session is gone, its token is no
// longer good, or is good for too little.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	call, err := translate(r)
	if err == nil && call.name == directUpload {
		return t.next.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	if err != nil {
		return nil, unsentError{err}
	}
	header := r.Header
	tried := map[int]bool{} // to be authorized, by the status that asked for it
	for again := false; ; again = true {
		resume := func() {}
		if r.Method == http.MethodGet { // what changes something is sent soon after it was decided, or not at all
			resume = pause.Begin(r.Context())
		}
		s, refused, err := t.open(r.Context(), call.endpoint, header)
		resume()
		if err != nil {
			return nil, err
		}
		x := refused
		if x == nil {
			s.credentials.set(header)
			x = s.call(r.Context(), call, header)
		}
		switch {
		case t.oauth != nil && !tried[x.status] && (x.status == http.StatusUnauthorized || x.stepUp()):
			tried[x.status] = true
			token, err := t.oauth.renew(r.Context(), header.Get("Authorization"), x)
			switch {
			case errors.Is(err, duvo.ErrUnauthorized): // asking once more would bring nothing else
				body, _ := json.Marshal(map[string]string{"error": "unauthorized", "message": err.Error()})
				return answer(r, http.StatusUnauthorized, x.answered, body), nil
			case err != nil:
				return nil, unsentError{err}
			}
			header = header.Clone()
			header.Set("Authorization", "Bearer "+token)
			continue
		case refused != nil:
			return refused.relay(r), nil
		case !x.sent:
			t.drop(s)
			if !again && r.Context().Err() == nil {
				continue
			}
			return nil, unsentError{cmpErr(r.Context().Err(), x.err, errors.New("the MCP session ended"))}
		case x.status == http.StatusNotFound, x.status == http.StatusBadRequest && s.ID() != "":
			// The server does not know the session, perhaps because it was
			// started anew. It looked at nothing else.
			t.drop(s)
			if !again {
				continue
			}
			if x.status == http.StatusNotFound {
				// Not that what was asked for does not exist.
				return nil, unsentError{errors.New("the MCP server does not know the session that it has just opened")}
			}
		}
		return x.response(r, call.operation)
	}
}

// stepUp reports whether the server refused a token because it is good for too
// little, and told so.
func (x *exchange) stepUp() bool {
	if x.status != http.StatusForbidden {
		return false
	}
	told, err := oauthex.ParseWWWAuthenticate(x.answered.Values("WWW-Authenticate"))
	return err == nil && slices.ContainsFunc(told, func(c oauthex.Challenge) bool { return c.Params["error"] == "insufficient_scope" })
}

// cmpErr returns the first error that is not nil.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// An opening is a handshake, for all requests that wait for a session. What came of it
// is there once done is closed: one of the three.
type opening struct {
	authorization string
	done          chan struct{}

	session *session
	refused *exchange // the server's answer to it
	err     error
}

// open returns the session, making it where there is none. What the server
// refused a handshake with is an answer, as if to the request itself.
func (t *transport) open(ctx context.Context, endpoint string, header http.Header) (*session, *exchange, error) {
	for {
		s, o, err := t.join(endpoint, header)
		if o == nil {
			return s, nil, err
		}
		select {
		case <-o.done:
			if o.refused != nil && o.authorization != header.Get("Authorization") {
				continue // it does not concern this one
			}
			return o.session, o.refused, o.err
		case <-ctx.Done():
			return nil, nil, unsentError{ctx.Err()}
		}
	}
}

// join returns the session, or the handshake for one, which it begins where none is
// under way. Who waits for it may give up, and the next finds what came of it.
func (t *transport) join(endpoint string, header http.Header) (*session, *opening, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, nil, unsentError{errClosed}
	case t.session != nil:
		return t.session, nil, nil
	case t.opening == nil:
		o := &opening{authorization: header.Get("Authorization"), done: make(chan struct{})}
		t.opening = o
		t.ending.Go(func() { t.begin(o, endpoint, header) })
	}
	return nil, t.opening, nil
}

// begin opens a session that all requests use from then on.
func (t *transport) begin(o *opening, endpoint string, header http.Header) {
	defer close(o.done)
	ctx, cancel := context.WithTimeoutCause(t.life, longestHandshake*t.timeout, errHandshake)
	defer cancel()
	s, x, err := t.handshake(ctx, endpoint, header)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opening = nil
	switch {
	case err != nil:
		o.err = unsentError{err}
	case x != nil:
		o.refused = x
	case t.closed:
		_ = s.Close() // nothing is under way in it
		o.err = unsentError{errClosed}
	default:
		o.session, t.session = s, s
		t.opened++
	}
}

// longestHandshake bounds a handshake, in timeouts of its messages: there are five at
// most, and the list of tools may have pages.
const longestHandshake = 20

var errHandshake = errors.New("it does not end")

// drop forgets a session that no longer works. Calls that are under way in it
// end by themselves, and nobody waits for them.
func (t *transport) drop(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != s {
		return
	}
	t.session = nil
	s.credentials.set(nil)
	t.ending.Go(func() { _ = s.Close() })
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *transport) close() error {
	t.mu.Lock()
	s := t.session
	t.session, t.closed = nil, true
	t.mu.Unlock()
	t.end()
	t.ending.Wait()
	if s == nil {
		return nil
	}
	return s.Close()
}

// handshake opens a session: the protocol's revision is agreed on, and the
// tools are listed once, to know that none is missing.
func (t *transport) handshake(ctx context.Context, endpoint string, header http.Header) (*session, *exchange, error) {
	s := &session{credentials: &credentials{}}
	s.credentials.set(header)
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	x := &exchange{handshake: true, giveUp: giveUp}
	ctx = context.WithValue(ctx, exchangeKey{}, x)
	client := sdk.NewClient(&sdk.Implementation{Name: "duvotool", Version: version.Of("adapters/mcp")}, &sdk.ClientOptions{
		Capabilities: &sdk.ClientCapabilities{}, MultiRoundTrip: &sdk.MultiRoundTripOptions{Disabled: true}})
	var err error
	s.ClientSession, err = client.Connect(ctx, &sdk.StreamableClientTransport{
		Endpoint: endpoint, MaxRetries: -1, DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: &wire{t.next, s.credentials, t.timeout},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, &sdk.ClientSessionOptions{ProtocolVersion: t.protocol})
	if err == nil {
		err = s.check(ctx)
	}
	if err == nil {
		return s, nil, nil
	}
	if s.ClientSession != nil {
		_ = s.Close()
	}
	switch x.finish(); {
	case t.life.Err() != nil:
		return nil, nil, errClosed
	case ctx.Err() != nil:
		return nil, nil, fmt.Errorf("MCP handshake: %w", context.Cause(ctx))
	case x.err != nil:
		return nil, nil, fmt.Errorf("MCP handshake: %w", x.err)
	case x.status == http.StatusNotFound:
		return nil, nil, errors.New("MCP handshake: 404 Not Found: there is no MCP server here; is the base URL right?")
	case x.status >= 500:
		return nil, nil, fmt.Errorf("MCP handshake: %d %s", x.status, http.StatusText(x.status))
	case x.status >= 300:
		return nil, x, nil
	}
	return nil, nil, fmt.Errorf("MCP handshake: %w", err)
}

// call sends a tool call.
func (s *session) call(ctx context.Context, call toolCall, header http.Header) *exchange {
	x := &exchange{header: header}
	_, err := s.CallTool(context.WithValue(ctx, exchangeKey{}, x), &sdk.CallToolParams{Name: call.name, Arguments: call.arguments})
	if x.finish(); !x.done && x.err == nil {
		x.err = cmpErr(ctx.Err(), err, errors.New("the MCP session ended"))
	}
	return x
}

// relay is what the server answered, as an answer to another request.
func (x *exchange) relay(r *http.Request) *http.Response {
	return answer(r, x.status, x.answered, x.body)
}

// response is the answer that REST would have given.
func (x *exchange) response(r *http.Request, o operation) (*http.Response, error) {
	switch {
	case x.err != nil:
		return nil, x.err
	case x.status < 200 || x.status >= 300:
		return x.relay(r), nil
	case x.answer.Error != nil:
		body := fmt.Sprintf(`{"error":%s,"message":%s}`, strconv.Quote("mcp_error"), quote(fmt.Sprintf("%d %s", int(x.answer.Error.Code), x.answer.Error.Message)))
		return answer(r, statusOfRPC(x.answer.Error), x.answered, []byte(body)), nil
	}
	rep, err := decodeResult(x.answer.Result, o)
	if err != nil {
		return nil, err
	}
	header := x.answered
	if after := number(field(rep.body, "retry_after")); rep.status == http.StatusTooManyRequests && after > 0 && header.Get("Retry-After") == "" {
		header = header.Clone()
		header.Set("Retry-After", strconv.Itoa(after))
	}
	return answer(r, rep.status, header, rep.body), nil
}

func answer(r *http.Request, status int, from http.Header, body []byte) *http.Response {
	header := http.Header{}
	for name, values := range from {
		switch http.CanonicalHeaderKey(name) {
		case "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Retry-After", "Date", "X-Request-Id", "Www-Authenticate":
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	header.Set("Content-Type", "application/json")
	return &http.Response{Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r}
}
