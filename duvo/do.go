package duvo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/duvotool/duvotool/internal/errtext"
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
		c.cfg.logger.DebugContext(ctx, "duvo: trying again", "api", k.op, "attempt", n, "wait", wait, "error", err.Error())
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
