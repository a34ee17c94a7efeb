package duvo

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/oauth2"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/jsonkeys"
	"github.com/duvotool/duvotool/internal/safetext"
)

// A call is one operation, whatever number of attempts it takes.
type call struct {
	op, method, path string
	query            url.Values
	body             any    // sent as JSON; nil for none
	raw              []byte // sent as it is, of contentType, in place of body
	contentType      string
	key              string // the Idempotency-Key; empty: a fresh one for a mutation
	repeatable       bool   // a mutation that may be sent again although its effect is in doubt
	bare             bool   // a success says all by its status, whether or not it has a body

	more time.Duration // an attempt may take so much longer than the timeout

	decode func([]byte) error // of a success; nil: do's caller reads it
}

func (k call) mutation() bool { return k.method != http.MethodGet }

type withoutResendKey struct{}

// WithoutResend returns a context in which every request is attempted once: the
// caller decides about the next attempt. A mutation is not held back either
// until a used-up rate limit is renewed, since what the caller goes by would be
// stale by then; it fails with ErrRateLimited instead, without effect, and
// [RetryAfter] tells when to come back. Reads are held back as ever.
func WithoutResend(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutResendKey{}, true)
}

// do makes the attempts of one call and returns the body of the success.
func (c *Client) do(ctx context.Context, k call) ([]byte, error) {
	payload := k.raw
	if k.body != nil {
		var err error
		if payload, err = json.Marshal(k.body); err != nil {
			return nil, noEffect(errtext.Errorf("duvo: %s: %w", k.op, err))
		}
	}
	if k.mutation() && k.key == "" {
		k.key = rand.Text()
	}
	if len(k.key) > 255 || !printable(k.key) {
		return nil, noEffect(fmt.Errorf("%w: an Idempotency-Key has at most 255 characters, all printable ASCII", ErrInvalid))
	}
	return c.repeat(ctx, k, c.cfg.attempts, func() ([]byte, error) { return c.attempt(ctx, k, payload) })
}

// repeat makes attempts until one succeeds or none may follow.
func (c *Client) repeat(ctx context.Context, k call, attempts int, attempt func() ([]byte, error)) ([]byte, error) {
	if once, _ := ctx.Value(withoutResendKey{}).(bool); once {
		attempts = 1
	}
	pause := backoff.NewExponentialBackOff() // from 0.5 s, by 1.5, jittered by half
	pause.MaxInterval = max(c.cfg.maxWait, time.Millisecond)
	pause.Reset()
	doubt := false // an earlier attempt may have taken effect
	for n := 1; ; n++ {
		body, err := attempt()
		if err == nil {
			return body, nil
		}
		if doubt && !MayHaveTakenEffect(err) {
			err = &doubtError{err}
		}
		doubt = doubt || k.mutation() && MayHaveTakenEffect(err)
		wait, again := c.next(k, err, pause)
		if !again || n >= attempts || ctx.Err() != nil {
			return nil, err
		}
		c.cfg.logger.DebugContext(ctx, "duvo: trying again", "operation", k.op, "attempt", n, "wait", wait, "error", err.Error())
		if sleep(ctx, wait) != nil {
			// The last failure tells more than that the context ended.
			return nil, errtext.Errorf("%w; no further attempt: %w", err, ended(ctx))
		}
	}
}

// next decides whether a failed attempt may be followed by another, and when.
func (c *Client) next(k call, err error, pause backoff.BackOff) (time.Duration, bool) {
	var settled *settledError
	if !Temporary(err) || errors.As(err, &settled) || errors.Is(err, ErrTooLarge) {
		return 0, false
	}
	if k.mutation() && !k.repeatable && MayHaveTakenEffect(err) {
		return 0, false
	}
	var tooLong *waitError
	if errors.As(err, &tooLong) || errors.Is(err, ErrTooLate) {
		return 0, false
	}
	if after := RetryAfter(err); after > 0 {
		return after, after <= c.cfg.maxWait
	}
	return min(pause.NextBackOff(), c.cfg.maxWait), true
}

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
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errNoAnswer)
	defer cancel()
	explain := func(err error) error { return explain(err, caller, ctx, timeout, redact) }

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
	var sent reach
	req, err := http.NewRequestWithContext(sent.trace(ctx), k.method, u.String(), body)
	if err != nil {
		return nil, &TransportError{Operation: k.op, Err: presentable(err, redact), unsent: true}
	}
	req.GetBody = nil
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
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &TransportError{Operation: k.op, Err: explain(err), unsent: !k.mutation() || sent.nowhere() || neverSent(err)}
	}
	defer resp.Body.Close()
	header = resp.Header
	if resp.StatusCode == http.StatusTooManyRequests {
		c.pace.refused(resp.Header, time.Now())
	}
	data, readErr := readBody(resp, c.cfg.maxBody+1)
	return c.classify(k, resp, data, readErr, redact, explain)
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

// readBody reads at most max bytes of a body.
func readBody(resp *http.Response, max int64) ([]byte, error) {
	var b bytes.Buffer
	if n := resp.ContentLength; n > 0 && n < min(max, 1<<20) {
		b.Grow(int(n) + bytes.MinRead) // as told, so that it need not grow
	}
	_, err := b.ReadFrom(io.LimitReader(resp.Body, max))
	return b.Bytes(), err
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

func (c *Client) token() (string, error) {
	if c.cfg.tokens == nil {
		return c.cfg.apiKey(), nil
	}
	t, err := c.cfg.tokens.Token()
	if err != nil {
		return "", err
	}
	if t == nil || t.AccessToken == "" || !printable(t.AccessToken) {
		return "", errBadToken
	}
	return t.AccessToken, nil
}

var errBadToken = errors.New("it gave no token that can be sent")

// tokenError is a failure of the token source: for good where the issuer
// refused, or the source says so by ErrUnauthorized, else to be tried again. Only the text of the cause is kept, since
// the cause may hold more than it tells.
func (c *Client) tokenError(op string, err error) error {
	text := errors.New("token source: " + safetext.OneLine(c.redactor("")(err.Error()), maxTransportText))
	temporary := !errors.Is(err, errBadToken) && !errors.Is(err, ErrUnauthorized)
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		temporary = Temporary(kindOf(refused.Response.StatusCode))
	}
	if temporary {
		return &TransportError{Operation: op, Err: text, unsent: true}
	}
	return noEffect(errtext.Errorf("duvo: %s: %w (%w)", op, text, ErrUnauthorized))
}

// redactor returns a function that takes the key and the token out of a text.
func (c *Client) redactor(token string) func(string) string {
	return func(s string) string {
		if c.cfg.apiKey != nil {
			s = strings.ReplaceAll(s, c.cfg.apiKey(), "[redacted]")
		}
		if token != "" {
			s = strings.ReplaceAll(s, token, "[redacted]")
		}
		return s
	}
}

const maxTransportText = 512 // characters of the text of a failure on the way

// presentable keeps an error as it is, unless its text holds a secret, is
// endless or is not safe to print: a server's bytes may stand in it.
func presentable(err error, redact func(string) string) error {
	s := err.Error()
	clean := redact(s)
	text := safetext.OneLine(clean, maxTransportText)
	switch {
	case text == s:
		return err
	case clean == s:
		return &rewordedError{text, err}
	}
	// What holds a secret is left behind; why a context ended is not.
	for _, e := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return &rewordedError{text, e}
		}
	}
	return errors.New(text)
}

// A rewordedError is an error with a text that is fit to be shown.
type rewordedError struct {
	text string
	err  error
}

func (e *rewordedError) Error() string { return e.text }
func (e *rewordedError) Unwrap() error { return e.err }

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

// A bodyError is an answer that can be read, but not understood. It matches
// ErrMalformed. Asking again at once would bring the same.
type bodyError struct {
	op     string
	err    error
	effect bool
}

// tooLargeError is an answer over so many bytes.
type tooLargeError struct{ bound int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer is larger than %d bytes", e.bound)
}
func (e *tooLargeError) Unwrap() error { return ErrTooLarge }

func badBody(op string, err error, mutation bool) error { return &bodyError{op, err, mutation} }

func (e *bodyError) Error() string {
	return errtext.Once("duvo: " + e.op + ": unexpected answer: " + e.err.Error())
}
func (e *bodyError) Unwrap() []error { return []error{e.err, ErrMalformed} }
func (e *bodyError) NoEffect() bool  { return !e.effect }

// A settledError is a failure that all attempts it deserved were made for.
type settledError struct{ err error }

func (e *settledError) Error() string { return e.err.Error() }
func (e *settledError) Unwrap() error { return e.err }

// A doubtError is a failure that itself did nothing, after an attempt that
// may have.
type doubtError struct{ err error }

func (e *doubtError) Error() string  { return e.err.Error() }
func (e *doubtError) Unwrap() error  { return e.err }
func (e *doubtError) NoEffect() bool { return false }

// noEffect marks an error of a mutation that was never sent.
func noEffect(err error) error {
	if !MayHaveTakenEffect(err) {
		return err
	}
	return &unsentError{err}
}

type unsentError struct{ err error }

func (e *unsentError) Error() string  { return e.err.Error() }
func (e *unsentError) Unwrap() error  { return e.err }
func (e *unsentError) NoEffect() bool { return true }

// decodeField reads the object under key.
func decodeField[T any](body []byte, key string) (v T, err error) {
	if err := requireObject(body); err != nil {
		return v, err
	}
	var w map[string]json.RawMessage
	if err := json.Unmarshal(body, &w); err != nil {
		return v, err
	}
	if err := jsonkeys.Check(body, jsonkeys.Shape{key: shapeOf[T]()}); err != nil {
		return v, err
	}
	raw, ok := w[key]
	if !ok {
		return v, fmt.Errorf("no %q field", key)
	}
	if err := requireObject(raw); err != nil {
		return v, fmt.Errorf("%q: %w", key, err)
	}
	err = json.Unmarshal(raw, &v)
	return v, err
}

// ended tells why a context ended: its own error, and the cause that was given
// for it, if any.
func ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
