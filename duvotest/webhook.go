package duvotest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A WebhookFault is something that goes wrong with webhook deliveries. Its
// zero value hits one delivery and changes nothing.
type WebhookFault struct {
	Event     string        // the event that it hits; empty: any
	Times     int           // how many deliveries it hits; zero: one; negative: all from then on
	Skip      int           // how many it lets pass before
	Drop      bool          // it is never sent
	Duplicate int           // it is sent so many times more
	Delay     time.Duration // it is sent so much later
	Reorder   bool          // it is held back until the Job's next one was sent, for ever if there is none
}

var webhookEvents = []string{"run_completed", "run_failed", "run_interrupted", "human_request"}

// InjectWebhook queues faults of webhook deliveries. Each delivery meets the
// first queued one that hits it. It panics if a fault makes no sense.
func (d *Duvo) InjectWebhook(faults ...WebhookFault) {
	for _, f := range faults {
		if f.Event != "" && !slices.Contains(webhookEvents, f.Event) {
			panic(fmt.Sprintf("duvotest: a webhook fault names the event %q, which does not exist", f.Event))
		}
		if f.Skip < 0 || f.Duplicate < 0 || f.Delay < 0 {
			panic("duvotest: a webhook fault has a negative number")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		d.hooks = append(d.hooks, &f)
	}
}

// webhookFault takes the first queued fault that hits; called with mu held.
func (d *Duvo) webhookFault(event string) WebhookFault {
	for i, f := range d.hooks {
		if f.Event != "" && f.Event != event {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times--; f.Times == 0 {
			d.hooks = append(d.hooks[:i:i], d.hooks[i+1:]...)
		}
		return *f
	}
	return WebhookFault{}
}

// A Delivery is one attempt to deliver a webhook, for tests to assert on.
type Delivery struct {
	Event   string
	JobID   string
	ID      string // the same in every attempt and every duplicate
	URL     string
	Body    []byte
	At      time.Time
	Attempt int // from 1
	Status  int // that was answered; zero: none, or not yet
}

// Deliveries returns what was sent, in order; dropped deliveries are not among
// it.
func (d *Duvo) Deliveries() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Delivery, len(d.deliveries))
	for i, v := range d.deliveries {
		out[i] = *v
		out[i].Body = slices.Clone(v.Body)
	}
	return out
}

type webhookEvent struct {
	event, id string
	body      []byte
	times     int
}

// A delivery is tried so often, each try takes at most so long, and the pauses
// between them begin with a second and double.
const (
	webhookAttempts = 6
	webhookTimeout  = 10 * time.Second
)

// notify queues a delivery. Called with Duvo.mu held.
func (s *job) notify(event string, q *duvo.HumanRequest) {
	if s.webhook == "" || s.d.closed {
		return
	}
	payload := map[string]any{"event": event, "run_id": s.id, "agent_id": s.a.ID, "timestamp": stamp(time.Now())}
	if q != nil {
		payload["request_id"], payload["title"], payload["description"] = q.ID, q.Title, orNull(q.Description)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("duvotest: a webhook cannot be written: %v", err)) // strings alone can
	}
	f := s.d.webhookFault(event)
	e := webhookEvent{event: event, id: "msg_" + newUUID(), body: body, times: 1 + f.Duplicate}
	switch {
	case f.Drop:
		return
	case f.Reorder:
		s.held = append(s.held, e)
		return
	case f.Delay > 0:
		s.d.laterLocked(f.Delay, func() { s.deliver(e) })
	default:
		s.hooks = append(s.hooks, e)
	}
	s.hooks = append(s.hooks, s.held...)
	s.held = nil
	if len(s.hooks) > 0 && !s.sending {
		s.sending = true
		s.d.wg.Go(s.deliverAll)
	}
}

// deliverAll sends what is queued, and ends when nothing is.
func (s *job) deliverAll() {
	for {
		s.d.mu.Lock()
		if len(s.hooks) == 0 || s.d.closed {
			s.sending = false
			s.d.mu.Unlock()
			return
		}
		e := s.hooks[0]
		s.hooks = s.hooks[1:]
		s.d.mu.Unlock()
		s.deliver(e)
	}
}

// deliver sends an event. What fails is sent again later and does not hold
// back those behind it.
func (s *job) deliver(e webhookEvent) {
	for range e.times {
		s.attempt(e, 1)
	}
}

func (s *job) attempt(e webhookEvent, n int) {
	if !s.send(e, n) && n < webhookAttempts {
		s.d.later(time.Second<<(n-1), func() { s.attempt(e, n+1) })
	}
}

// send makes one attempt and tells whether it was taken: not after a 5xx or a
// broken connection.
func (s *job) send(e webhookEvent, n int) bool {
	now := time.Now()
	record := &Delivery{Event: e.event, JobID: s.id, ID: e.id, URL: s.webhook, Body: e.body, At: now, Attempt: n}
	s.d.mu.Lock()
	s.d.deliveries = trim(append(s.d.deliveries, record), s.d.cfg.history)
	s.d.mu.Unlock()

	ctx, cancel := context.WithTimeout(s.d.ctx, webhookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.webhook, bytes.NewReader(e.body))
	if err != nil {
		return true // no attempt will do better
	}
	h := s.d.cfg.webhookHeader
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(h.ID, e.id)
	req.Header.Set(h.Timestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(h.Signature, signatures(s.d.cfg.webhookSecret, e.id, now, e.body))
	resp, err := s.d.cfg.webhookClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	_ = resp.Body.Close()
	s.d.mu.Lock()
	record.Status = resp.StatusCode
	s.d.mu.Unlock()
	return resp.StatusCode < 500
}

// signatures are those of a delivery: of a secret that is base64 and lacks "whsec_"
// with either key that it may stand for, as libraries take it for one and people
// for the other. Receivers want one of several to be right.
func signatures(secret, id string, at time.Time, body []byte) string {
	out := SignWebhook(secret, id, at, body)
	if key, err := base64.StdEncoding.DecodeString(secret); err == nil && len(key) >= 16 {
		out += " " + SignWebhook("whsec_"+secret, id, at, body)
	}
	return out
}

// SignWebhook returns the signature of a delivery in the form of Standard
// Webhooks, "v1,<base64>" of HMAC-SHA256 over "<id>.<Unix seconds>.<body>", so
// that tests can forge deliveries, good and bad.
func SignWebhook(secret, id string, at time.Time, body []byte) string {
	key := []byte(secret)
	if coded, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if raw, err := base64.StdEncoding.DecodeString(coded); err == nil {
			key = raw
		}
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
