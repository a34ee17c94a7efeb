package duvo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A pacer holds requests back while the server's headers say that the key's
// limit is used up. Its zero value is ready.
type pacer struct {
	mu    sync.Mutex
	until time.Time // nothing is left before then
}

// A waitError says that the server asked for a longer wait than allowed.
type waitError struct{ wait time.Duration }

func (e *waitError) Error() string {
	return fmt.Sprintf("the rate limit is used up for another %v, longer than the longest allowed wait", e.wait.Round(time.Second))
}

func (e *waitError) Unwrap() error { return ErrRateLimited }

// wait returns once a request may be sent, after at most max.
func (p *pacer) wait(ctx context.Context, max time.Duration) error {
	if err := ctx.Err(); err != nil {
		return ended(ctx)
	}
	p.mu.Lock()
	d := time.Until(p.until)
	p.mu.Unlock()
	if d <= 0 {
		return nil
	}
	if d > max {
		return &waitError{d}
	}
	// Spread those that wait, so that they do not all come at once.
	if sleep(ctx, d+rand.N(min(d/4, max-d)+time.Millisecond)) != nil {
		return ended(ctx)
	}
	return nil
}

// longestWindow is how far ahead the reset of a rate limit is believed: one
// wrong header must not silence a client for ever.
const longestWindow = time.Hour

// saw takes note of a response's headers. Facts about them: x-ratelimit-reset
// is in Unix seconds, and x-ratelimit-remaining counts down to it.
func (p *pacer) saw(h http.Header, now time.Time) {
	remaining, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-RateLimit-Remaining")), 10, 64)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if remaining > 0 {
		return // answers overtake each other: a window ends by its time alone
	}
	if d := untilReset(h, now); d > 0 && now.Add(d).After(p.until) {
		p.until = now.Add(d)
	}
}

// untilReset is the time to the reset of the rate limit, zero if it is not
// told, not ahead or not believable.
func untilReset(h http.Header, now time.Time) time.Duration {
	sec, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-RateLimit-Reset")), 10, 64)
	if err != nil {
		return 0
	}
	d := time.Unix(sec, 0).Sub(serverTime(h, now))
	if d <= 0 || d > longestWindow {
		return 0
	}
	return d
}

// serverTime is the server's clock where it tells it, since a point in time
// that it names is one of its clock, not of ours.
func serverTime(h http.Header, now time.Time) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return now
}

// retryAfter reads when to come back: Retry-After in seconds or as a date, or
// else, on a 429, the reset of the rate limit. Zero: not told.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if sec, err := strconv.ParseFloat(v, 64); (err == nil || errors.Is(err, strconv.ErrRange)) && sec >= 0 {
		return time.Duration(min(sec, 1e9) * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, t.Sub(serverTime(h, now)))
	}
	if v == "" && strings.TrimSpace(h.Get("X-RateLimit-Remaining")) == "0" {
		return untilReset(h, now)
	}
	return 0
}
