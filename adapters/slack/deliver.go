package slack

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/inbody"
	api "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

const (
	maxBody       = 1 << 20 // of a delivery, in bytes
	seenFor       = 15 * time.Minute
	maxDeliveries = 4096
)

// deliveries are those that were taken a while ago, with what was answered: Slack
// delivers again what it thinks was lost, and so may whoever has recorded a delivery.
type deliveries struct {
	mu    sync.Mutex
	acks  map[[32]byte]*api.ViewSubmissionResponse
	order []delivery
}

type delivery struct {
	sum [32]byte
	at  time.Time
}

func newDeliveries() *deliveries {
	return &deliveries{acks: map[[32]byte]*api.ViewSubmissionResponse{}}
}

// once takes a payload that was not taken before, and returns what to answer to it.
// What take returns must not take long. Where it returns false the payload counts as
// not taken.
func (d *deliveries) once(payload []byte, take func() (*api.ViewSubmissionResponse, bool)) (*api.ViewSubmissionResponse, bool) {
	sum := sha256.Sum256(payload)
	d.mu.Lock()
	defer d.mu.Unlock()
	if ack, there := d.acks[sum]; there {
		return ack, true
	}
	ack, ok := take()
	if !ok {
		return nil, false
	}
	for len(d.order) > 0 && (time.Since(d.order[0].at) > seenFor || len(d.order) >= maxDeliveries) {
		delete(d.acks, d.order[0].sum)
		d.order = d.order[1:]
	}
	d.acks[sum] = ack
	d.order = append(d.order, delivery{sum, time.Now()})
	return ack, true
}

// ServeHTTP takes what Slack delivers to the app's Request URL for interactivity. It
// answers within Slack's three seconds whatever Duvo does. What is not signed with
// the app's secret, or more than five minutes ago, is refused, and logged at most once
// a minute; what is delivered again changes nothing. While [App.Run] does not run it is answered 503.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, inbody.Bound(w, r).Body, maxBody))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	if err := a.verify(r.Header, body); err != nil {
		if n, tell := a.refusals.Note(""); tell { // anybody can send one
			a.log.Warn("slack: a delivery was refused", "error", hitl.SafeLine(err.Error(), 200), "refused", n)
		}
		http.Error(w, "not signed by Slack", http.StatusUnauthorized)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("payload") == "" {
		http.Error(w, "there is no payload", http.StatusBadRequest)
		return
	}
	ack, ok := a.take([]byte(form.Get("payload")))
	switch {
	case !ok:
		http.Error(w, words["notNow"], http.StatusServiceUnavailable)
	case ack != nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(ack)
	}
}

func (a *App) verify(h http.Header, body []byte) error {
	v, err := api.NewSecretsVerifier(h, a.cfg.SigningSecret) // refuses an empty one
	if err != nil {
		return err
	}
	_, _ = v.Write(body)
	return v.Ensure()
}

// take takes one delivery, and returns what to answer, nil: nothing; false where it
// cannot be taken now.
func (a *App) take(payload []byte) (*api.ViewSubmissionResponse, bool) {
	var c api.InteractionCallback
	if err := json.Unmarshal(payload, &c); err != nil {
		a.log.Warn("slack: a delivery cannot be read", "error", hitl.SafeLine(err.Error(), 200))
		return nil, true // again it would not be better
	}
	return a.seen.once(payload, func() (*api.ViewSubmissionResponse, bool) {
		switch c.Type {
		case api.InteractionTypeBlockActions:
			return nil, a.act("a click", func(ctx context.Context) { a.clicked(ctx, &c) })
		case api.InteractionTypeViewSubmission:
			return a.submitted(&c)
		}
		return nil, true
	})
}

// listen takes what Slack delivers by Socket Mode, until ctx ends or Slack refuses
// the app's token.
func (a *App) listen(ctx context.Context) error {
	client := socketmode.New(a.cfg.Client)
	var taking sync.WaitGroup
	defer taking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	taking.Go(func() {
		for {
			select {
			case e := <-client.Events:
				a.event(ctx, client, e)
			case <-ctx.Done():
				return
			}
		}
	})
	for {
		err := client.RunContext(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case refusesToken(err):
			return errors.Join(errToken, err)
		}
		a.log.Warn("slack: the connection is made anew", "error", hitl.SafeLine(errString(err), 300))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

var errToken = errors.New("slack: Slack refuses the app-level token")

func refusesToken(err error) bool {
	var status api.StatusCodeError
	return isSlack(err, "invalid_auth", "account_inactive", "not_authed", "token_revoked", "not_allowed_token_type") ||
		errors.As(err, &status) && status.Code == http.StatusNotFound
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// event takes one event of Socket Mode. What cannot be taken now is not acknowledged,
// so that Slack delivers it again.
func (a *App) event(ctx context.Context, client *socketmode.Client, e socketmode.Event) {
	if e.Request == nil || e.Request.EnvelopeID == "" {
		return
	}
	var ack any
	if e.Type == socketmode.EventTypeInteractive {
		answer, ok := a.take(e.Request.Payload)
		if !ok {
			return
		}
		if answer != nil {
			ack = answer
		}
	}
	if err := client.AckCtx(ctx, e.Request.EnvelopeID, ack); err != nil && ctx.Err() == nil {
		a.log.Warn("slack: a delivery could not be acknowledged", "error", hitl.SafeLine(err.Error(), 300))
	}
}
