package duvo

import "time"

// A RateLimit is what a [Client] knows of its key's limit from Duvo's answers.
type RateLimit struct {
	Limit   int       `json:"limit"`               // requests a minute; zero: Duvo has not told
	Left    int       `json:"left"`                // of them until Reset, without those under way; others with the same key use them too
	Reset   time.Time `json:"reset,omitzero"`      // when the minute ends; zero: not told
	Held    time.Time `json:"held_until,omitzero"` // nothing is sent before, as Duvo asked for; zero, or past: it may be
	Waiting int       `json:"background_waiting"`  // reads in the background that wait for their turn
	Share   float64   `json:"share,omitempty"`     // of the limit, that reads in the background keep to; see [WithShare]
}

// RateLimit tells how much of the key's limit is left, as far as answers have told. It
// asks nobody. A client with which nothing was sent for a minute believes that all of
// the limit is left.
func (c *Client) RateLimit() RateLimit { return c.pace.now(time.Now()) }

func (p *pacer) now(now time.Time) RateLimit {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := RateLimit{Limit: p.limit, Waiting: p.waiting, Share: p.share}
	if p.until.After(now) {
		r.Held = p.until
	}
	switch {
	case p.limit == 0:
	case now.Before(p.reset):
		r.Left, r.Reset = max(p.left, 0), p.reset
	default:
		r.Left = p.limit
	}
	return r
}
