package duvotool

import (
	"cmp"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/jsonkeys"
)

// How webhooks are bounded.
const (
	webhookMaxBody = 64 << 10
	webhookMaxAge  = 5 * time.Minute // of a delivery's timestamp, either way
	refusalsEvery  = time.Minute     // at most one line of the log about refusals for one reason
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
func (r *Registry) Webhook() http.Handler { return http.HandlerFunc(r.serveWebhook) }

func (r *Registry) serveWebhook(w http.ResponseWriter, req *http.Request) {
	refuse := func(status int, why string) {
		if n, tell := r.refusals.note(why); tell {
			r.log.Warn("duvotool: a webhook delivery was refused", "reason", why, "status", status, "refused", n)
		}
		http.Error(w, http.StatusText(status), status)
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "its method is not POST")
		return
	}
	if r.eng.Interrupted() {
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, webhookMaxBody+1))
	delivery, unsigned := r.cfg.signed(req.Header, body, time.Now())
	switch {
	case err != nil:
		refuse(http.StatusBadRequest, "its body broke off")
		return
	case len(body) > webhookMaxBody:
		refuse(http.StatusRequestEntityTooLarge, "its body is too large")
		return
	case unsigned != "":
		refuse(http.StatusUnauthorized, unsigned)
		return
	case !r.life.EnterLate(): // not before: whoever sends slowly must not hold up Close
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer r.life.Leave()
	var event struct {
		Event string `json:"event"`
		RunID string `json:"run_id"`
	}
	if json.Unmarshal(body, &event) != nil || jsonkeys.Check(body, nil) != nil { // it may name two Jobs
		refuse(http.StatusBadRequest, "it is signed, and its body is not an event in JSON")
		return
	}
	if wakes(event.Event) && event.RunID != "" && len(event.RunID) <= 200 {
		r.eng.Delivered(req.URL.Query().Get(engine.TokenParam), event.RunID, delivery)
	}
	w.WriteHeader(http.StatusNoContent)
}

// wakes reports whether an event is one that changes a Job, in any of the
// spellings that Duvo's documentation uses.
func wakes(event string) bool {
	switch strings.ReplaceAll(event, ".", "_") {
	case "run_completed", "run_failed", "run_interrupted", "run_stopped", "human_request", "human_request_created":
		return true
	}
	return false
}

// Why deliveries are refused, in words that hold nothing of what was sent.
const (
	noSecrets    = "there is no secret: WithWebhook was not given"
	noSignature  = "it has no ID and signature in the form of Standard Webhooks, nor in the header of WithWebhookSignature if that was given"
	noTimestamp  = "it has no timestamp in whole seconds"
	oldTimestamp = "its timestamp is more than 5 minutes old, or ahead: a clock is wrong, or it is a replay"
	notOurs      = "no secret of WithWebhook has made its signature: the secret is another, or its body was changed on the way"
)

// signed tells why a delivery is refused, if it is: whether one of the secrets has
// signed the body. It names one that is not by what was signed.
func (c config) signed(h http.Header, body []byte, now time.Time) (delivery, refused string) {
	if len(c.webhookKeys) == 0 {
		return "", noSecrets
	}
	refused = noSignature
	for _, family := range []string{"Webhook", "Svix"} {
		id, stamp, signatures := h.Get(family+"-Id"), h.Get(family+"-Timestamp"), h.Get(family+"-Signature")
		if id == "" || signatures == "" {
			continue
		}
		why := c.signedAt(stamp, now)
		for _, key := range c.webhookKeys {
			if why == "" && signedV1(signatures, digest.MAC(key, []byte(id+"."+stamp+"."), body)) {
				return "id:" + digest.Of(id), "" // however long it is
			}
		}
		if refused == noSignature {
			refused = cmp.Or(why, notOurs)
		}
	}
	if plain := h.Get(c.webhookHeader); c.webhookHeader != "" && plain != "" {
		got, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(plain), "sha256="))
		for _, key := range c.webhookKeys {
			if err == nil && hmac.Equal(got, digest.MAC(key, body)) {
				return "body:" + digest.Of(string(body)), "" // anybody may have written the ID
			}
		}
		if refused == noSignature {
			refused = notOurs
		}
	}
	return "", refused
}

// signedAt tells what is wrong with a delivery's timestamp; empty if nothing is.
func (c config) signedAt(stamp string, now time.Time) string {
	sec, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case err != nil:
		return noTimestamp
	case now.Sub(time.Unix(sec, 0)).Abs() > webhookMaxAge:
		return oldTimestamp
	}
	return ""
}

// signedV1 reports whether one of a few signatures, parted by white space, is the
// one wanted.
func signedV1(signatures string, want []byte) bool {
	for i, s := range strings.Fields(signatures) {
		coded, v1 := strings.CutPrefix(s, "v1,")
		if got, err := base64.StdEncoding.DecodeString(coded); v1 && err == nil && i < 16 && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

// A tally counts what happened for a few reasons, and says when to tell of it: the
// first time, and then once in a while. Its methods may be called at once.
type tally struct {
	mu     sync.Mutex
	counts map[string]*count
}

type count struct {
	n    int       // since it was told
	told time.Time // when
}

// note counts; tell says that n are to be told of now.
func (t *tally) note(why string) (n int, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]*count{}
	}
	c := t.counts[why]
	if c == nil {
		c = &count{}
		t.counts[why] = c
	}
	c.n++
	if now := time.Now(); c.told.IsZero() || now.Sub(c.told) >= refusalsEvery {
		n, c.n, c.told = c.n, 0, now
		return n, true
	}
	return 0, false
}
