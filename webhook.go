package duvotool

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/jsonkeys"
)

// How webhooks are bounded.
const (
	webhookMaxBody = 64 << 10
	webhookMaxAge  = 5 * time.Minute  // of a delivery's timestamp, either way
	webhookRepeat  = 5 * time.Second  // within which one delivery wakes once
	earlyMax       = 1024             // deliveries for Jobs that are not known yet
	earlyAge       = 10 * time.Minute // how long they are kept
	tokenParam     = "t"              // of a webhook's URL: the token of its operation
	refusalsEvery  = time.Minute      // at most one line of the log about refusals for one reason
)

// webhookURLFor returns the URL for one operation's Job: with a token, so that
// nobody can guess it. It is never logged.
func (c engineConfig) webhookURLFor() string {
	if c.webhookURL == nil {
		return ""
	}
	u := *c.webhookURL
	q := u.Query()
	q.Set(tokenParam, rand.Text())
	u.RawQuery = q.Encode()
	return u.String()
}

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
			r.eng.log.Warn("duvotool: a webhook delivery was refused", "reason", why, "status", status, "refused", n)
		}
		http.Error(w, http.StatusText(status), status)
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "its method is not POST")
		return
	}
	if r.eng.life.IsClosed() {
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
	case !r.eng.life.Enter(): // not before: whoever sends slowly must not hold up Close
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer r.eng.life.Leave()
	var event struct {
		Event string `json:"event"`
		RunID string `json:"run_id"`
	}
	if json.Unmarshal(body, &event) != nil || jsonkeys.Check(body, nil) != nil { // it may name two Jobs
		refuse(http.StatusBadRequest, "it is signed, and its body is not an event in JSON")
		return
	}
	if wakes(event.Event) && event.RunID != "" && len(event.RunID) <= 200 {
		r.eng.tokens.note(req.URL.Query().Get(tokenParam), event.RunID)
		r.eng.wake(event.RunID, delivery)
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
			if why == "" && signedV1(signatures, mac(key, []byte(id+"."+stamp+"."), body)) {
				return "id:" + id, ""
			}
		}
		if refused == noSignature {
			refused = cmp.Or(why, notOurs)
		}
	}
	if plain := h.Get(c.webhookHeader); c.webhookHeader != "" && plain != "" {
		got, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(plain), "sha256="))
		for _, key := range c.webhookKeys {
			if err == nil && hmac.Equal(got, mac(key, body)) {
				return "body:" + hash(string(body)), "" // anybody may have written the ID
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

func mac(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// wake lets the Job be read now, or, where it is not known yet, once it is.
func (eng *Engine) wake(jobID, delivery string) {
	jobID = strings.ToLower(jobID)
	if !eng.deliveries.first(delivery, webhookRepeat) {
		return
	}
	if w := eng.watcher.Find(jobID); w != nil {
		w.Now()
		return
	}
	eng.early.first(jobID, earlyAge)
	if w := eng.watcher.Find(jobID); w != nil {
		w.Now() // it became known meanwhile, and may have looked before that was noted
	}
}

// pairs remembers what belongs to which key, the first that was told of each and a
// bounded number of them. Its methods may be called at once.
type pairs struct {
	max int // how many; zero: earlyMax

	mu    sync.Mutex
	of    map[string]string
	order []string
}

// note remembers a pair. Neither may be empty; a longer key than IDs and tokens
// have is not remembered.
func (m *pairs) note(key, value string) {
	if key == "" || value == "" || len(key) > 64 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.of[key]; ok {
		return
	}
	if m.of == nil {
		m.of = map[string]string{}
	}
	m.of[key] = value
	if m.order = append(m.order, key); len(m.order) > cmp.Or(m.max, earlyMax) {
		delete(m.of, m.order[0])
		m.order = m.order[1:]
	}
}

// get returns what belongs to a key; empty if that is not known.
func (m *pairs) get(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of[key]
}

// A recent remembers names for a while, a bounded number of them. Its methods
// may be called at once.
type recent struct {
	mu    sync.Mutex
	at    map[string]time.Time
	order []string
}

// first notes a name; false if it was noted within d before.
func (m *recent) first(name string, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if at, ok := m.at[name]; ok && now.Sub(at) < d {
		return false
	}
	if m.at == nil {
		m.at = map[string]time.Time{}
	}
	if _, ok := m.at[name]; !ok {
		m.order = append(m.order, name)
	}
	m.at[name] = now
	for len(m.order) > earlyMax {
		delete(m.at, m.order[0])
		m.order = m.order[1:]
	}
	return true
}

// take forgets a name and reports whether it was noted within d.
func (m *recent) take(name string, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.at[name]
	delete(m.at, name)
	return ok && time.Since(at) < d
}
