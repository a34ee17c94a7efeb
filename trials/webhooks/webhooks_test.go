package webhooks

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	svix "github.com/svix/svix-webhooks/go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	key   = []byte{0xfb, 0xef, 0xbe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21} // its base64 has + and /
	coded = base64.StdEncoding.EncodeToString(key)
	text  = "a secret: nothing encoded"
	odd   = base64.StdEncoding.EncodeToString(append(key, 0xff)) // with = at its end
)

// forms are the forms of a secret: as the workspace has it, and as the library is
// given it, raw or not.
var forms = map[string]struct {
	ours, theirs string
	raw          bool
}{
	"with its prefix":                 {"whsec_" + coded, "whsec_" + coded, false},
	"without it":                      {coded, coded, false},
	"with it here alone":              {"whsec_" + coded, coded, false},
	"with it there alone":             {coded, "whsec_" + coded, false},
	"of a length that has to be even": {"whsec_" + odd, odd, false},
	"raw bytes there":                 {"whsec_" + coded, string(key), true},
	"text":                            {text, text, true},
}

// A library signs and verifies.
type library interface {
	Sign(id string, at time.Time, body []byte) (string, error)
	Verify(body []byte, h http.Header) error
}

var libraries = map[string]struct {
	prefix string // of its headers
	open   func(secret string, raw bool) (library, error)
}{
	"standard": {"webhook-", func(secret string, raw bool) (library, error) {
		if raw {
			return standardwebhooks.NewWebhookRaw([]byte(secret))
		}
		return standardwebhooks.NewWebhook(secret)
	}},
	"svix": {"svix-", func(secret string, raw bool) (library, error) {
		if raw {
			return svix.NewWebhookRaw([]byte(secret))
		}
		return svix.NewWebhook(secret)
	}},
}

// registry makes one that takes deliveries signed with a secret.
func registry(t *testing.T, d *duvotest.Duvo, secret string) http.Handler {
	reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithWebhook("https://hooks.example.com/duvo", secret))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reg.Close(context.Background())) })
	return reg.Webhook()
}

// deliver hands a delivery to a handler and returns the status.
func deliver(h http.Handler, prefix, id, at, signature string, body []byte) int {
	r := httptest.NewRequest(http.MethodPost, "/duvo", bytes.NewReader(body))
	r.Header.Set(prefix+"id", id)
	r.Header.Set(prefix+"timestamp", at)
	r.Header.Set(prefix+"signature", signature)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

var body = []byte(`{"event":"run_completed","run_id":"0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b01","title":"für 5 €"}`)

// What the libraries sign is taken; what was changed since is not.
func TestTheirSignaturesAreTaken(t *testing.T) {
	for name, l := range libraries {
		for form, secret := range forms {
			t.Run(name+" "+form, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := duvotest.New()
					defer d.Close()
					lib, err := l.open(secret.theirs, secret.raw)
					require.NoError(t, err)
					hook := registry(t, d, secret.ours)
					now := time.Now()
					at := strconv.FormatInt(now.Unix(), 10)
					signature, err := lib.Sign("msg_1", now, body)
					require.NoError(t, err)
					require.Equal(t, http.StatusNoContent, deliver(hook, l.prefix, "msg_1", at, signature, body))
					require.Equal(t, http.StatusNoContent, deliver(hook, l.prefix, "msg_1", at, "v1a,abc v1,bm90IG91cnM= "+signature, body), "one of several")
					require.Equal(t, http.StatusUnauthorized, deliver(hook, l.prefix, "msg_2", at, signature, body))
					require.Equal(t, http.StatusUnauthorized, deliver(hook, l.prefix, "msg_1", at+"0", signature, body))
					require.Equal(t, http.StatusUnauthorized, deliver(hook, l.prefix, "msg_1", at, signature, append(body, ' ')))
					time.Sleep(10 * time.Minute)
					require.Equal(t, http.StatusUnauthorized, deliver(hook, l.prefix, "msg_1", at, signature, body), "too old")
				})
			})
		}
	}
}

// sent is what the emulator sent.
type sent struct {
	mu      sync.Mutex
	headers []http.Header
	bodies  [][]byte
}

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers, s.bodies = append(s.headers, r.Header.Clone()), append(s.bodies, b)
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, err
}

// deliveries lets an emulator with a secret send the webhooks of a Job.
func deliveries(t *testing.T, secret, prefix string) *sent {
	s := &sent{}
	const id = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b01"
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "A", Script: func(j *duvotest.Job) { j.Complete("für 5 €") }}),
		duvotest.WithWebhookSecret(secret), duvotest.WithWebhookClient(&http.Client{Transport: s}),
		duvotest.WithWebhookHeaders(duvotest.WebhookHeaders{ID: prefix + "id", Timestamp: prefix + "timestamp", Signature: prefix + "signature"}))
	t.Cleanup(d.Close)
	_, err := d.Client().StartJob(t.Context(), duvo.StartJob{AssignmentID: id, Message: "x", WebhookURL: "https://hooks.example.com/duvo"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.bodies) > 0
	}, time.Minute, time.Millisecond)
	return s
}

// What the emulator signs the libraries take, and nothing that was changed.
func TestOurSignaturesAreTaken(t *testing.T) {
	for name, l := range libraries {
		for form, secret := range forms {
			t.Run(name+" "+form, func(t *testing.T) {
				lib, err := l.open(secret.theirs, secret.raw)
				require.NoError(t, err)
				s := deliveries(t, secret.ours, l.prefix)
				require.NoError(t, lib.Verify(s.bodies[0], s.headers[0]))
				require.Error(t, lib.Verify(append(s.bodies[0], ' '), s.headers[0]))
				other, err := l.open("another secret of some length", true)
				require.NoError(t, err)
				require.Error(t, other.Verify(s.bodies[0], s.headers[0]))
			})
		}
	}
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
