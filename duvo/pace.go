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

// A Priority tells which requests go first when the key's rate limit gets
// scarce; see [WithPriority].
type Priority int

// The priorities. Those that are Background or Idle keep to the client's share
// of the limit (see [WithShare]), evenly over the minute, and wait for their
// turn as long as their context lasts; Idle ones also let Background ones go
// first. Normal ones may use up the limit, and Urgent ones are let before them
// where they had to come back for the next minute.
const (
	Normal Priority = iota
	Urgent
	Background
	Idle
)

type priorityKey struct{}

// WithPriority returns a context whose requests have this priority. The default
// is Normal.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

func priorityOf(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

// A pacer holds requests back by what the server's headers tell of the key's
// limit. It counts what it lets through, so that many at once do not overdraw
// what was left when the last answer came. Its zero value lets everything
// through until a header tells of a limit.
type pacer struct {
	share float64 // of the limit, for Background and Idle; zero counts as one

	mu     sync.Mutex
	until  time.Time // nothing is left before then, as the server said
	limit  int       // requests a minute; zero: not told
	left   int       // of this window, without those under way
	reset  time.Time // when the window ends
	ours   int       // let through in this window
	others int       // what others with the same key used of the last window
	equals int       // clients that share the key evenly, this one among them; zero counts as one
	flying int       // let through and not answered

	tokens   float64 // of Background and Idle
	tokensAt time.Time
	waiting  int       // Background ones that wait for a token
	owed     int       // Urgent ones that were sent away
	owedAt   time.Time // when the last was
}

const (
	window      = time.Minute     // Duvo counts requests a minute
	windowSlack = 2 * time.Second // resets are told in whole seconds, by a clock told in whole seconds
	owedFor     = 2 * window
)

// A waitError says that the server asked for a longer wait than allowed.
type waitError struct{ wait time.Duration }

func (e *waitError) Error() string {
	return fmt.Sprintf("the rate limit is used up for another %v, longer than the longest allowed wait", e.wait.Round(time.Second))
}

func (e *waitError) Unwrap() error { return ErrRateLimited }

// wait returns nil once a request may be sent; done must be called when it was
// answered. A Normal or Urgent one waits at most max in all.
func (p *pacer) wait(ctx context.Context, class Priority, max time.Duration) error {
	background := class == Background || class == Idle
	queued := false
	defer func() {
		if queued {
			p.mu.Lock()
			p.waiting--
			p.mu.Unlock()
		}
	}()
	for waited := time.Duration(0); ; {
		if ctx.Err() != nil {
			return ended(ctx)
		}
		p.mu.Lock()
		d := p.hold(class, time.Now())
		if d <= 0 {
			p.flying++
			p.ours++
			p.left--
			switch {
			case background:
				p.tokens--
			case class == Urgent && p.owed > 0:
				p.owed--
			}
			p.mu.Unlock()
			return nil
		}
		if class == Background && !queued {
			queued = true
			p.waiting++
		}
		tooLong := !background && waited+d > max
		if tooLong && class == Urgent {
			p.owed, p.owedAt = p.owed+1, time.Now()
		}
		p.mu.Unlock()
		if tooLong {
			return &waitError{d}
		}
		if !background {
			// Spread those that wait, so that they do not all come at once.
			d += rand.N(min(d/4, max-waited-d) + time.Millisecond)
		}
		if sleep(ctx, d) != nil {
			return ended(ctx)
		}
		waited += d
	}
}

// hold returns how long a request must wait before it asks again; zero: it may
// go. Called with mu held.
func (p *pacer) hold(class Priority, now time.Time) time.Duration {
	if d := p.until.Sub(now); d > 0 {
		return d
	}
	if p.limit == 0 {
		return 0
	}
	if !now.Before(p.reset) { // a new window, as far as we can tell
		p.turn(now.Add(window), p.limit-p.flying)
	}
	keep := 0
	if class != Urgent && now.Sub(p.owedAt) < owedFor {
		keep = p.owed
	}
	if p.left <= keep {
		return p.reset.Sub(now)
	}
	if class != Background && class != Idle {
		return 0
	}
	share := p.share
	if share == 0 {
		share = 1
	}
	all := max(float64(p.limit-p.others), 1)
	rate := share * all / window.Seconds()
	if p.equals > 1 { // what they use is among others
		rate = min(rate, share*float64(p.limit)/float64(p.equals)/window.Seconds())
	}
	p.tokens = min(p.tokens+rate*now.Sub(p.tokensAt).Seconds(), max(1, rate))
	p.tokensAt = now
	token := time.Duration(float64(time.Second) / rate)
	if class == Idle && p.waiting > 0 {
		return token
	}
	if p.tokens < 1 {
		return max(time.Duration((1-p.tokens)*float64(token)), time.Millisecond)
	}
	// What is left of the window is for those that come later in it, too.
	rest := min(p.reset.Sub(now).Seconds()/window.Seconds(), 1)
	if float64(p.left) <= ((1-share)*all+float64(p.others))*rest {
		return min(p.reset.Sub(now), max(token, time.Second))
	}
	return 0
}

// turn begins a window. Called with mu held.
func (p *pacer) turn(reset time.Time, left int) {
	if p.limit > 0 {
		p.others = min(max(p.limit-p.left-p.ours, 0), p.limit)
	}
	p.reset, p.left, p.ours = reset, left, p.flying
}

// longestWindow is how far ahead the reset of a rate limit is believed: one
// wrong header must not silence a client for ever.
const longestWindow = time.Hour

// done takes note of an answer's headers; nil: there was no answer. Facts about
// them: x-ratelimit-reset is in Unix seconds, and x-ratelimit-remaining counts
// down to it.
func (p *pacer) done(h http.Header, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
	if h == nil {
		return
	}
	remaining, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-RateLimit-Remaining")), 10, 64)
	if err != nil {
		p.limit = 0 // no longer told
		return
	}
	d := untilReset(h, now)
	if d == 0 {
		if !p.reset.IsZero() && now.Sub(p.reset).Abs() > window {
			p.limit = 0 // not told so that we could go by it
		}
		return // or else an answer of the window before
	}
	if remaining <= 0 && now.Add(d).After(p.until) {
		p.until = now.Add(d)
	} // else answers overtake each other: a window ends by its time alone
	limit, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-RateLimit-Limit")), 10, 64)
	if err != nil || limit <= 0 {
		p.limit = 0
		return
	}
	// Those under way may be counted in it or not.
	limit = min(limit, 1e9)
	left := int(min(max(remaining, 0), limit)) - p.flying
	if reset := now.Add(d); p.limit == 0 || reset.Sub(p.reset).Abs() > windowSlack && reset.After(p.reset.Add(-window)) {
		p.turn(reset, left)
	}
	p.limit, p.left = int(limit), min(p.left, left)
}

// refused takes note of a 429.
func (p *pacer) refused(h http.Header, now time.Time) {
	if d := retryAfter(h, now); d > 0 && d <= longestWindow {
		p.mu.Lock()
		defer p.mu.Unlock()
		if now.Add(d).After(p.until) {
			p.until = now.Add(d)
		}
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

// SharedBy says that n clients of one key, this one among them, share its limit evenly:
// together their requests of the priorities [Background] and [Idle] use no more than the
// part of [WithShare]. Less than one counts as one. Registries whose journal has leases
// call it with the number of replicas.
func (c *Client) SharedBy(n int) {
	c.pace.mu.Lock()
	defer c.pace.mu.Unlock()
	c.pace.equals = max(n, 1)
}
