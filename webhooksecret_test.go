package duvotool_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func deliver(reg *duvotool.Registry, r *http.Request) int {
	w := httptest.NewRecorder()
	reg.Webhook().ServeHTTP(w, r)
	return w.Code
}

// A secret as people paste it either works with what Duvo signs or is refused
// when the registry is made.
func TestWebhookSecrets(t *testing.T) {
	raw := []byte{0xfb, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	coded := base64.StdEncoding.EncodeToString(raw)
	const body = `{"event":"run_completed","run_id":"job-1"}`
	for name, c := range map[string]struct{ given, signs string }{
		"standard":                    {"whsec_" + coded, "whsec_" + coded},
		"a last line break":           {"whsec_" + coded + "\r\n", "whsec_" + coded},
		"white space":                 {" \twhsec_" + coded + " ", "whsec_" + coded},
		"v1 before it":                {"v1,whsec_" + coded, "whsec_" + coded},
		"not filled up":               {"whsec_" + strings.TrimRight(coded, "="), "whsec_" + coded},
		"the other alphabet":          {"whsec_" + base64.URLEncoding.EncodeToString(raw), "whsec_" + coded},
		"without whsec_":              {coded, "whsec_" + coded},
		"without whsec_, but meant":   {coded, coded},
		"text":                        {"a secret of words", "a secret of words"},
		"text with a last line break": {"a secret of words\n", "a secret of words"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := discover(t, &fake{}, duvotool.WithWebhook("https://example.com/hook", c.given))
			require.Equal(t, 204, deliver(reg, delivery(time.Now(), c.signs, "m", body)))
			require.Equal(t, 401, deliver(reg, delivery(time.Now(), "quite another secret", "n", body)))
		})
	}
	for name, secret := range map[string]string{
		"empty": "", "blank": " \n\t        ", "short": "sevenby", "whsec_ alone": "whsec_", "whsec_ and little": "whsec_AAAA", "no base64": "whsec_!" + coded,
		"a signature": "v1," + coded, "two lines": "whsec_" + coded + "\nwhsec_" + coded, "quoted": `"whsec_` + coded + `"`, "single quotes": "'" + coded + "'",
		"large letters": "WHSEC_" + coded, "zero byte": "a secret\x00of words", "zero width": "a secret \u200bof words", "no UTF-8": "a secret of words\xff",
	} {
		_, err := duvotool.Discover(t.Context(), &fake{}, duvotool.WithWebhook("https://example.com/hook", "a good secret", secret))
		require.ErrorContains(t, err, "WithWebhook: a secret", name)
		if len(secret) > 10 {
			require.NotContains(t, err.Error(), coded, name)
		}
	}
	for _, o := range []duvotool.Option{duvotool.WithWebhookSignature("X Plain"), duvotool.WithWebhookSignature("X-Plain:"), duvotool.WithWebhookSignature("X-Plain")} {
		_, err := duvotool.Discover(t.Context(), &fake{}, o) // the last for want of a secret
		require.ErrorContains(t, err, "WithWebhookSignature")
	}
}

// Refused deliveries are told in the log with the reason, not too often, and
// without anything that was sent.
func TestRefusedDeliveriesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		reg := discover(t, &fake{}, duvotool.WithLogger(log), duvotool.WithWebhook("https://example.com/hook", hookSecret), duvotool.WithWebhookSignature("X-Plain"))
		const body = `{"event":"run_completed","run_id":"job-that-nobody-sees"}`
		signed := func(change func(http.Header)) *http.Request {
			r := delivery(time.Now(), hookSecret, "id-that-nobody-sees", body)
			r.URL.RawQuery = "t=token-that-nobody-sees"
			change(r.Header)
			return r
		}
		for want, request := range map[string]func() *http.Request{
			"no ID and signature": func() *http.Request {
				return signed(func(h http.Header) { h.Del("Webhook-Signature"); h.Set("X-Other", "sig-that-nobody-sees") })
			},
			"timestamp in whole": func() *http.Request {
				return signed(func(h http.Header) { h.Set("Webhook-Timestamp", "time-that-nobody-sees") })
			},
			"a clock is wrong": func() *http.Request { return signed(func(h http.Header) { h.Set("Webhook-Timestamp", "1") }) },
			"secret is another": func() *http.Request {
				return signed(func(h http.Header) { h.Set("Webhook-Signature", "v1,sig-that-nobody-sees") })
			},
			"method is not POST": func() *http.Request { return httptest.NewRequest(http.MethodGet, "/?t=token-that-nobody-sees", nil) },
			"body is too large": func() *http.Request {
				return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("that-nobody-sees", 10_000)))
			},
			"not an event": func() *http.Request { return delivery(time.Now(), hookSecret, "m", "job-that-nobody-sees") },
		} {
			out.Reset()
			for range 1000 {
				deliver(reg, request())
			}
			require.Equal(t, 1, strings.Count(out.String(), "\n"), "%s: %s", want, out.String())
			require.Contains(t, out.String(), want)
			require.Contains(t, out.String(), "level=WARN")
			require.NotContains(t, out.String(), "nobody-sees")
		}
		out.Reset()
		time.Sleep(time.Minute)
		require.Equal(t, 405, deliver(reg, httptest.NewRequest(http.MethodGet, "/", nil)))
		require.Contains(t, out.String(), "refused=1000", "with those that were not told of")
	})
}

// The headers may have svix- before them: the emulator sends them so on demand.
func TestWebhookHeadersOfSvix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := refunds
		job.Script = func(j *duvotest.Job) {
			j.Sleep(20 * time.Minute)
			j.Complete("done")
		}
		hook := &to{}
		d := duvotest.New(duvotest.WithAssignment(job), duvotest.WithWebhookSecret(hookSecret), duvotest.WithWebhookClient(&http.Client{Transport: hook}),
			duvotest.WithWebhookHeaders(duvotest.WebhookHeaders{ID: "svix-id", Timestamp: "svix-timestamp", Signature: "svix-signature"}))
		defer d.Close()
		reg := discover(t, d.Client(), duvotool.WithWebhook("https://example.com/hook", hookSecret), duvotool.WithPollInterval(time.Hour))
		hook.h = reg.Webhook()
		began := time.Now()
		_, err := mustTool(reg, "refunds").Run(t.Context(), "x")
		require.NoError(t, err)
		require.Less(t, time.Since(began), 21*time.Minute)
		require.Equal(t, http.StatusNoContent, d.Deliveries()[0].Status)

		// One family's ID is not taken for the other's.
		r := delivery(time.Now(), hookSecret, "m", "{}")
		r.Header.Set("Svix-Id", "m")
		r.Header.Del("Webhook-Id")
		require.Equal(t, 401, deliver(reg, r))
	})
}
