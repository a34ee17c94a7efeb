package duvo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/pause"
)

// attempt sends one request and returns the body of a success.
func (c *Client) attempt(ctx context.Context, k call, payload []byte) ([]byte, error) {
	longest := c.cfg.maxWait
	if once, _ := ctx.Value(withoutResendKey{}).(bool); once && k.mutation() {
		longest = 0
	}
	if err := c.pace.wait(ctx, priorityOf(ctx), longest); err != nil {
		return nil, &TransportError{Operation: k.op, Err: err, unsent: true}
	}
	var header http.Header
	defer func() { c.pace.done(header, time.Now()) }()
	token, err := c.token()
	if err != nil {
		return nil, c.tokenError(k.op, err)
	}
	if err := begins(ctx); err != nil { // the token may have taken long
		return nil, &TransportError{Operation: k.op, Err: err, unsent: true}
	}
	redact := c.redactor(token)
	caller, timeout := ctx, c.cfg.timeout+k.more
	ctx, stop := pause.WithTimeout(ctx, timeout, errNoAnswer)
	defer stop()
	explain := func(err error) error { return explain(err, caller, ctx, timeout, redact) }

	var sent reach
	req, err := c.request(sent.trace(ctx), k, payload, token)
	if err != nil {
		return nil, &TransportError{Operation: k.op, Err: presentable(err, redact), unsent: true}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		failed := &TransportError{Operation: k.op, Err: explain(err), unsent: !k.mutation() || sent.nowhere() || neverSent(err)}
		if sent.nowhere() && caller.Err() == nil && c.base.String() != DefaultBaseURL {
			failed.hint = "check " + EnvBaseURL + ", or what WithBaseURL was given"
		}
		return nil, failed
	}
	defer resp.Body.Close()
	header = resp.Header
	if resp.StatusCode == http.StatusTooManyRequests {
		c.pace.refused(resp.Header, time.Now())
	}
	data, readErr := readBody(resp, c.cfg.maxBody+1)
	return c.classify(k, resp, data, readErr, redact, explain)
}

// request makes the request of one attempt.
func (c *Client) request(ctx context.Context, k call, payload []byte, token string) (*http.Request, error) {
	u := *c.base
	u.RawPath = ""
	u.Path = strings.TrimRight(u.Path, "/") + k.path
	u.RawQuery = k.query.Encode()
	var body io.Reader
	switch {
	case payload != nil:
		// No GetBody: net/http would otherwise send a request that carries an
		// Idempotency-Key a second time by itself.
		body = io.NopCloser(bytes.NewReader(payload))
	case k.mutation():
		body = http.NoBody // nil, or an empty reader, would be sent chunked
	}
	req, err := http.NewRequestWithContext(ctx, k.method, "", body)
	if err != nil {
		return nil, err
	}
	req.URL, req.Host, req.GetBody = &u, u.Host, nil
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.cfg.userAgent)
	if k.mutation() {
		req.ContentLength = int64(len(payload))
		req.Header[keyHeader(payload)] = []string{k.key}
		switch {
		case k.raw != nil:
			req.Header.Set("Content-Type", k.contentType)
		case payload != nil:
			req.Header.Set("Content-Type", "application/json")
		}
	}
	return req, nil
}

// classify tells an answer's body from what is a failure. explain says why the body
// could not be read to its end.
func (c *Client) classify(k call, resp *http.Response, data []byte, readErr error, redact func(string) string, explain func(error) error) ([]byte, error) {
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	if !ok {
		e := apiError(k.op, resp.StatusCode, resp.Header, data, redact)
		e.effect = e.effect && k.mutation()
		e.hint = c.hint(k, resp.StatusCode)
		return nil, e
	}
	switch {
	case k.bare && len(data) == 0 && readErr == nil:
		return nil, nil
	case int64(len(data)) > c.cfg.maxBody:
		return nil, &bodyError{op: k.op, err: &tooLargeError{c.cfg.maxBody}, effect: k.mutation()}
	case readErr != nil:
		return nil, &TransportError{Operation: k.op, Err: fmt.Errorf("the answer broke off: %w", explain(readErr)), unsent: !k.mutation()}
	case k.decode != nil:
		if err := k.decode(data); err == nil {
			return data, nil
		} else if json.Valid(data) {
			return nil, badBody(k.op, err, k.mutation())
		}
		return nil, notJSON(k)
	case !json.Valid(data):
		return nil, notJSON(k)
	}
	return data, nil
}

// keyHeader is how the name of the Idempotency-Key is spelt in a request. What has
// no body could always be sent again, and net/http does so with a request of which
// it sees that it bears the key: it looks for the usual spelling alone. To a server
// both are one.
func keyHeader(payload []byte) string {
	if payload == nil {
		return "idempotency-key"
	}
	return "Idempotency-Key"
}

// hint tells what to look at after a failure that comes of how the client was set
// up.
func (c *Client) hint(k call, status int) string {
	switch {
	case status == http.StatusUnauthorized && c.cfg.tokens != nil:
		return "check the token source"
	case status == http.StatusUnauthorized:
		return "check " + EnvAPIKey + ", or what WithAPIKey was given"
	case (status == http.StatusForbidden || status == http.StatusNotFound) && strings.HasPrefix(k.path, "/v2/teams/"),
		status == http.StatusBadRequest && k.op == "listAgents": // a list that nothing else can be wrong with
		return "check " + EnvTeamID + ", or what WithTeam was given: the key must be able to act on the team"
	}
	return ""
}

// buffers are what bodies are read into, so that they need not grow each time.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readBody reads at most max bytes of a body.
func readBody(resp *http.Response, max int64) ([]byte, error) {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	_, err := b.ReadFrom(io.LimitReader(resp.Body, max))
	body := bytes.Clone(b.Bytes())
	if b.Cap() <= 1<<16 { // a large one would stay for long
		buffers.Put(b)
	}
	return body, err
}

func notJSON(k call) error {
	return &TransportError{Operation: k.op, Err: errors.New("the answer is not JSON; is the base URL right?"), unsent: !k.mutation()}
}

var errNoAnswer = errors.New("no answer")

// explain tells why a request with the context ctx, made for a caller with
// another, failed.
func explain(err error, caller, ctx context.Context, timeout time.Duration, redact func(string) string) error {
	if caller.Err() == nil && context.Cause(ctx) == errNoAnswer {
		// Not the caller's deadline, so it must not look like it.
		return fmt.Errorf("%w within %v", errNoAnswer, timeout)
	}
	if ended := caller.Err(); ended != nil && !errors.Is(err, ended) {
		err = errtext.Errorf("%w: %w", ended, err)
	}
	return presentable(err, redact)
}

// A reach learns from net/http how far a request got. A RoundTripper that is
// not net/http's tells nothing.
type reach struct{ sought, connected atomic.Bool }

func (r *reach) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { r.sought.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { r.connected.Store(true) },
	})
}

// nowhere reports that a connection was sought and never had: the failure was
// in finding the name, in dialling, in TLS, or in a proxy, however it is
// worded.
func (r *reach) nowhere() bool { return r.sought.Load() && !r.connected.Load() }

// neverSent reports whether the failure itself proves that no byte of the
// request reached the server: the name was not found, the connection was
// refused, or TLS was not agreed on.
func neverSent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var proof interface{ NoEffect() bool }
	switch {
	case errors.As(err, &proof) && proof.NoEffect(): // of a transport that is not net/http's
		return true
	case errors.As(err, &dns), errors.Is(err, syscall.ECONNREFUSED):
		return true
	case errors.As(err, &op) && op.Op == "dial":
		return true
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &unknown):
		return true
	}
	return false // a TLS alert, say, may also end a connection after the request
}
