package duvotool

import (
	"net/http"

	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/webhook"
)

// Webhook returns the handler that Duvo's deliveries go to; mount it where the
// URL of [WithWebhook] leads. It answers at once, and never waits for a policy:
// 204 for what is signed, known or not; 401 for a wrong or missing signature
// or an old timestamp; 400, 405 and 413 for what is no delivery; 503 once the
// registry is closed. What it refuses is logged as a warning with the reason, at
// most once a minute for each reason, and without anything that was sent.
//
// The headers are those of Standard Webhooks, webhook-id, webhook-timestamp and
// webhook-signature, or the same with svix- in front, as some services send them.
//
// What a delivery says is not believed. It wakes the reading of the Job it
// names, if that is in flight, and state comes from the API alone. So
// duplicates, reordering, and deliveries for unknown Jobs or before the start
// of a Job has returned are harmless.
func (r *Registry) Webhook() http.Handler { return r.webhook }

func (r *Registry) newWebhook() *webhook.Handler {
	return webhook.New(r.cfg.webhook, r.life, r.log, func(req *http.Request, jobID, delivery string) {
		r.eng.Delivered(req.URL.Query().Get(engine.TokenParam), jobID, delivery)
	})
}
