package webhook

import (
	"cmp"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/inbody"
	"github.com/duvotool/duvotool/internal/jsonkeys"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/tally"
)

// How webhooks are bounded.
const (
	maxBody = 64 << 10
	maxAge  = 5 * time.Minute // of a delivery's timestamp, either way
)

// A Handler takes Duvo's deliveries. What a delivery says is not believed: it only
// names the Job that is to be read sooner. It is safe for concurrent use.
type Handler struct {
	keys      Keys
	life      *lifetime.Lifetime
	log       *slog.Logger
	delivered func(req *http.Request, jobID, delivery string)
	refusals  tally.Tally
	counts    counts
}

// Counts are how many deliveries a handler has answered, and when the last ones came.
type Counts struct {
	Taken, Refused         int64
	LastTaken, LastRefused time.Time // zero: none was
}

type counts struct {
	mu sync.Mutex
	Counts
}

func (c *counts) note(taken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if taken {
		c.Taken, c.LastTaken = c.Taken+1, time.Now()
		return
	}
	c.Refused, c.LastRefused = c.Refused+1, time.Now()
}

// Counts tells what became of deliveries. One that was not looked at, because the
// registry is closed, is in neither.
func (h *Handler) Counts() Counts {
	h.counts.mu.Lock()
	defer h.counts.mu.Unlock()
	return h.counts.Counts
}

// Keys are what deliveries may be signed with.
type Keys struct {
	Secrets [][]byte // none: every delivery is refused
	Header  string   // with the HMAC of the body in hexadecimal; empty: none is taken
}

// New makes a handler, which answers for as long as life does and tells delivered of
// each delivery that wakes a Job, by a name that its replay has too.
func New(keys Keys, life *lifetime.Lifetime, log *slog.Logger, delivered func(req *http.Request, jobID, delivery string)) *Handler {
	return &Handler{keys: keys, life: life, log: log, delivered: delivered}
}

// ServeHTTP answers a delivery.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	refuse := func(status int, why string) {
		h.counts.note(false)
		if n, tell := h.refusals.Note(why); tell {
			h.log.Warn("duvotool: a webhook delivery was refused", "reason", why, "status", status, "refused", n)
		}
		http.Error(w, http.StatusText(status), status)
	}
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(http.StatusMethodNotAllowed, "its method is not POST")
		return
	}
	if h.life.Interrupted() {
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(io.LimitReader(inbody.Bound(w, req).Body, maxBody+1))
	delivery, unsigned := h.keys.signed(req.Header, body, time.Now())
	switch {
	case err != nil:
		refuse(http.StatusBadRequest, "its body broke off")
		return
	case len(body) > maxBody:
		refuse(http.StatusRequestEntityTooLarge, "its body is too large")
		return
	case unsigned != "":
		refuse(http.StatusUnauthorized, unsigned)
		return
	case !h.life.EnterLate(): // not before: whoever sends slowly must not hold up Close
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	defer h.life.Leave()
	var event struct {
		Event string `json:"event"`
		RunID string `json:"run_id"`
	}
	if json.Unmarshal(body, &event) != nil || jsonkeys.Check(body, nil) != nil { // it may name two Jobs
		refuse(http.StatusBadRequest, "it is signed, and its body is not an event in JSON")
		return
	}
	if wakes(event.Event) && event.RunID != "" && len(event.RunID) <= 200 {
		h.delivered(req, event.RunID, delivery)
	}
	h.counts.note(true)
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
func (k Keys) signed(h http.Header, body []byte, now time.Time) (delivery, refused string) {
	if len(k.Secrets) == 0 {
		return "", noSecrets
	}
	refused = noSignature
	for _, family := range []string{"Webhook", "Svix"} {
		id, stamp, signatures := h.Get(family+"-Id"), h.Get(family+"-Timestamp"), h.Get(family+"-Signature")
		if id == "" || signatures == "" {
			continue
		}
		why := signedAt(stamp, now)
		for _, key := range k.Secrets {
			if why == "" && signedV1(signatures, digest.MAC(key, []byte(id+"."+stamp+"."), body)) {
				return "id:" + digest.Of(id), "" // however long it is
			}
		}
		if refused == noSignature {
			refused = cmp.Or(why, notOurs)
		}
	}
	if plain := h.Get(k.Header); k.Header != "" && plain != "" {
		got, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(plain), "sha256="))
		for _, key := range k.Secrets {
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
func signedAt(stamp string, now time.Time) string {
	sec, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case err != nil:
		return noTimestamp
	case now.Sub(time.Unix(sec, 0)).Abs() > maxAge:
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
