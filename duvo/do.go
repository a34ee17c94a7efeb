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
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A call is one operation, whatever number of attempts it takes.
type call struct {
	op, method, path string
	query            url.Values
	body             any    // sent as JSON; nil for none
	key              string // the Idempotency-Key; empty: a fresh one for a mutation
	repeatable       bool   // a mutation that may be sent again although its effect is in doubt
}

func (k call) mutation() bool { return k.method != http.MethodGet }

type withoutResendKey struct{}

// WithoutResend returns a context in which a mutation is attempted once: the
// caller decides about the next attempt. Reads are retried as ever.
func WithoutResend(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutResendKey{}, true)
}

// do makes the attempts of one call and returns the body of the success.
func (c *Client) do(ctx context.Context, k call) ([]byte, error) {
	var payload []byte
	if k.body != nil {
		var err error
		if payload, err = json.Marshal(k.body); err != nil {
			return nil, noEffect(fmt.Errorf("duvo: %s: %w", k.op, err))
		}
	}
	if k.mutation() && k.key == "" {
		k.key = rand.Text()
	}
	attempts := c.cfg.attempts
	if once, _ := ctx.Value(withoutResendKey{}).(bool); once && k.mutation() {
		attempts = 1
	}
	pause := backoff.NewExponentialBackOff() // from 0.5 s, by 1.5, jittered by half
	pause.MaxInterval = max(c.cfg.maxWait, time.Millisecond)
	pause.Reset()
	for n := 1; ; n++ {
		body, err := c.attempt(ctx, k, payload)
		if err == nil {
			return body, nil
		}
		wait, again := c.next(k, err, pause)
		if !again || n >= attempts || ctx.Err() != nil {
			return nil, err
		}
		c.cfg.logger.DebugContext(ctx, "duvo: trying again", "operation", k.op, "attempt", n, "wait", wait, "error", err.Error())
		if sleep(ctx, wait) != nil {
			return nil, err // the last failure tells more than that the context ended
		}
	}
}

// next decides whether a failed attempt may be followed by another, and when.
func (c *Client) next(k call, err error, pause backoff.BackOff) (time.Duration, bool) {
	if !Temporary(err) {
		return 0, false
	}
	if k.mutation() && !k.repeatable && MayHaveTakenEffect(err) {
		return 0, false
	}
	var tooLong *waitError
	if errors.As(err, &tooLong) {
		return 0, false
	}
	if after := RetryAfter(err); after > 0 {
		return after, after <= c.cfg.maxWait
	}
	return pause.NextBackOff(), true
}

// attempt sends one request and classifies what came back.
func (c *Client) attempt(ctx context.Context, k call, payload []byte) ([]byte, error) {
	if err := c.pace.wait(ctx, c.cfg.maxWait); err != nil {
		return nil, &TransportError{Operation: k.op, Err: err}
	}
	token, err := c.token()
	if err != nil {
		return nil, &TransportError{Operation: k.op, Err: fmt.Errorf("token source: %s", c.redactor("")(err.Error()))}
	}
	redact := c.redactor(token)
	caller := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.timeout, errNoAnswer)
	defer cancel()
	explain := func(err error) error {
		if caller.Err() == nil && context.Cause(ctx) == errNoAnswer {
			// Not the caller's deadline, so it must not look like it.
			return fmt.Errorf("%w within %v", errNoAnswer, c.cfg.timeout)
		}
		return redacted(err, redact)
	}

	u := *c.base
	u.RawPath = ""
	u.Path = strings.TrimRight(u.Path, "/") + k.path
	u.RawQuery = k.query.Encode()
	var body io.Reader
	if k.mutation() {
		// Never nil, and no GetBody: net/http would otherwise send a request
		// that carries an Idempotency-Key a second time by itself.
		body = io.NopCloser(bytes.NewReader(payload))
	}
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), body)
	if err != nil {
		return nil, &TransportError{Operation: k.op, Err: errors.New(redact(err.Error()))}
	}
	req.GetBody = nil
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.cfg.userAgent)
	if k.mutation() {
		req.ContentLength = int64(len(payload))
		req.Header.Set("Idempotency-Key", k.key)
		if payload != nil {
			req.Header.Set("Content-Type", "application/json")
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &TransportError{Operation: k.op, Err: explain(err), effect: k.mutation() && !neverSent(err)}
	}
	defer resp.Body.Close()
	c.pace.saw(resp.Header, time.Now())
	data, readErr := io.ReadAll(io.LimitReader(resp.Body, c.cfg.maxBody+1))
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	if !ok {
		e := apiError(k.op, resp.StatusCode, resp.Header, data[:min(len(data), 64<<10)], redact)
		e.effect = e.effect && k.mutation()
		return nil, e
	}
	switch {
	case int64(len(data)) > c.cfg.maxBody:
		return nil, &bodyError{op: k.op, err: fmt.Errorf("the answer is larger than %d bytes", c.cfg.maxBody), effect: k.mutation()}
	case readErr != nil:
		return nil, &TransportError{Operation: k.op, Err: fmt.Errorf("the answer broke off: %w", explain(readErr)), effect: k.mutation()}
	case !json.Valid(data):
		return nil, &TransportError{Operation: k.op, Err: errors.New("the answer is not JSON; is the base URL right?"), effect: k.mutation()}
	}
	return data, nil
}

var errNoAnswer = errors.New("no answer")

func (c *Client) token() (string, error) {
	if c.cfg.tokens == nil {
		return c.cfg.apiKey, nil
	}
	t, err := c.cfg.tokens.Token()
	if err != nil {
		return "", err
	}
	if t == nil || t.AccessToken == "" {
		return "", errors.New("no token")
	}
	return t.AccessToken, nil
}

// redactor returns a function that takes the key and the token out of a text.
func (c *Client) redactor(token string) func(string) string {
	return func(s string) string {
		for _, secret := range []string{c.cfg.apiKey, token} {
			if secret != "" {
				s = strings.ReplaceAll(s, secret, "[redacted]")
			}
		}
		return s
	}
}

// redacted keeps an error as it is, unless its text holds a secret.
func redacted(err error, redact func(string) string) error {
	if s := err.Error(); redact(s) != s {
		return errors.New(redact(s))
	}
	return err
}

// neverSent reports whether the failure proves that no byte of the request
// reached the server: the name was not found, the connection was refused, or
// TLS was not agreed on.
func neverSent(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &dns), errors.Is(err, syscall.ECONNREFUSED):
		return true
	case errors.As(err, &op) && op.Op == "dial":
		return true
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &unknown):
		return true
	case errors.As(err, &alert):
		return false // an alert may also end a connection after the request
	}
	return false
}

// A bodyError is an answer that can be read, but not understood. Asking again
// would bring the same.
type bodyError struct {
	op     string
	err    error
	effect bool
}

func badBody(op string, err error, mutation bool) error { return &bodyError{op, err, mutation} }

func (e *bodyError) Error() string  { return "duvo: " + e.op + ": unexpected answer: " + e.err.Error() }
func (e *bodyError) Unwrap() error  { return e.err }
func (e *bodyError) NoEffect() bool { return !e.effect }

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
	raw, ok := w[key]
	if !ok {
		return v, fmt.Errorf("no %q field", key)
	}
	err = json.Unmarshal(raw, &v)
	return v, err
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
