package duvotest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A WebhookFault is something that goes wrong with webhook deliveries.
type WebhookFault struct {
	Event     string        // the event that it hits; empty: any
	Times     int           // how many deliveries it hits; zero: one
	Skip      int           // how many it lets pass before
	Drop      bool          // it is never sent
	Duplicate int           // it is sent so many times more
	Delay     time.Duration // it is sent so much later
	Reorder   bool          // it is held back until the Job's next one was sent
}

type webhookFaults []*WebhookFault

// InjectWebhook queues faults of webhook deliveries.
func (d *Duvo) InjectWebhook(faults ...WebhookFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		d.hooks = append(d.hooks, &f)
	}
}

func (w *webhookFaults) next(event string) WebhookFault {
	for i, f := range *w {
		if f.Event != "" && f.Event != event {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times--; f.Times == 0 {
			*w = append((*w)[:i:i], (*w)[i+1:]...)
		}
		return *f
	}
	return WebhookFault{}
}

type webhookEvent struct {
	id    string
	body  []byte
	fault WebhookFault
}

// webhookAttempts is how often a delivery is tried; the pauses between the
// tries begin with a second and double.
const webhookAttempts = 6

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
		return
	}
	if s.events == nil {
		s.events = make(chan webhookEvent, 1024)
		s.d.wg.Go(s.deliverAll)
	}
	select {
	case s.events <- webhookEvent{id: "msg_" + newUUID(), body: body, fault: s.d.hooks.next(event)}:
	default: // nobody has taken a thousand of them
	}
}

// deliverAll sends a Job's events in order, but for what the faults say.
func (s *job) deliverAll() {
	var held []webhookEvent
	for {
		select {
		case <-s.d.ctx.Done():
			return
		case e := <-s.events:
			f := e.fault
			if f.Drop {
				continue
			}
			if f.Reorder {
				held = append(held, e)
				continue
			}
			if f.Delay > 0 {
				s.d.later(f.Delay, func() { s.deliver(e) })
				continue
			}
			for range f.Duplicate + 1 {
				s.deliver(e)
			}
			for _, h := range held {
				s.deliver(h)
			}
			held = nil
		}
	}
}

// deliver sends one event, again after a 5xx or a broken connection.
func (s *job) deliver(e webhookEvent) {
	pause := time.Second
	for attempt := range webhookAttempts {
		req, err := http.NewRequestWithContext(s.d.ctx, http.MethodPost, s.webhook, bytes.NewReader(e.body))
		if err != nil {
			return
		}
		now := time.Now()
		h := s.d.cfg.webhookHeader
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(h.ID, e.id)
		req.Header.Set(h.Timestamp, strconv.FormatInt(now.Unix(), 10))
		req.Header.Set(h.Signature, SignWebhook(s.d.cfg.webhookSecret, e.id, now, e.body))
		resp, err := s.d.cfg.webhookClient.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
			_ = resp.Body.Close()
			if resp.StatusCode < 500 {
				return
			}
		}
		if attempt == webhookAttempts-1 {
			return
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-s.d.ctx.Done():
			t.Stop()
			return
		}
		pause *= 2
	}
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
