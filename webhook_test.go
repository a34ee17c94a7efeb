package duvotool_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

const hookSecret = "whsec_ZHV2b3Rvb2wtdGVzdC1zZWNyZXQ="

// to delivers to whatever handler is set, in memory.
type to struct {
	mu sync.Mutex
	h  http.Handler
	n  int
}

func (d *to) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	h := d.h
	d.n++
	d.mu.Unlock()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func delivery(at time.Time, secret, id, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hook?t=x", strings.NewReader(body))
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", fmt.Sprint(at.Unix()))
	r.Header.Set("Webhook-Signature", "v1,AAAA "+duvotest.SignWebhook(secret, id, at, []byte(body)))
	return r
}

// Every state is seen at once, and with deliveries dropped, doubled, late and
// out of order the Job still finishes.
func TestWebhooksMakeItSooner(t *testing.T) {
	// Read by age after 15 minutes, every 90 s and a tenth more at most: once late for
	// the request, once for the end.
	const byAge = 2*99*time.Second + 2*time.Second
	for name, c := range map[string]struct {
		faults []duvotest.WebhookFault
		within time.Duration
	}{
		"all arrive":  {nil, 2 * time.Second},
		"doubled":     {[]duvotest.WebhookFault{{Times: -1, Duplicate: 20}}, 2 * time.Second},
		"all dropped": {[]duvotest.WebhookFault{{Times: -1, Drop: true}}, byAge},
		"late":        {[]duvotest.WebhookFault{{Times: -1, Delay: time.Hour}}, byAge},
		"reordered":   {[]duvotest.WebhookFault{{Times: -1, Reorder: true}}, byAge},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := refunds
				job.Script = func(j *duvotest.Job) {
					j.Sleep(20 * time.Minute)
					if j.AskApproval("Refund 120 EUR", "") {
						j.Sleep(20 * time.Minute)
						j.Complete("refunded")
					}
				}
				hook := &to{}
				d := duvotest.New(duvotest.WithAssignment(job), duvotest.WithWebhookSecret(hookSecret), duvotest.WithWebhookClient(&http.Client{Transport: hook}))
				defer d.Close()
				d.InjectWebhook(c.faults...)
				reg := discover(t, d.Client(), duvotool.WithWebhook("https://example.com/hook?x=1", "old secret", hookSecret), decide(hitl.Approve("kim", ""), nil))
				hook.h = reg.Webhook()
				began := time.Now()
				res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				require.Equal(t, "refunded", res.Output)
				require.Less(t, time.Since(began)-40*time.Minute, c.within)
				require.Regexp(t, `^https://example.com/hook\?t=[A-Z2-7]{26}&x=1$`, d.Jobs()[0].WebhookURL)
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
			})
		})
	}
}

// A delivery that comes before the start has returned is not lost.
func TestWebhookBeforeTheStartReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: ended(duvo.StatusCompleted)}
		reg := discover(t, f, duvotool.WithWebhook("http://127.0.0.1:1/hook", hookSecret))
		f.start = func(int, duvo.StartJob) (duvo.Job, error) {
			w := httptest.NewRecorder()
			reg.Webhook().ServeHTTP(w, delivery(time.Now(), hookSecret, "m1", `{"event":"run.completed","run_id":"JOB-1"}`))
			if w.Code != http.StatusNoContent {
				t.Errorf("answered %d", w.Code)
			}
			return duvo.Job{ID: "job-1"}, nil
		}
		began := time.Now()
		_, err := reg.All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
	})
}

// What is forged, stale, oversized or no delivery is refused; what is signed
// is acknowledged; and no delivery costs more than a read in 5 s, or changes
// anything by what it says.
func TestWebhookHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: running}
		reg := discover(t, f, duvotool.WithWebhook("https://example.com/hook", hookSecret, "another secret"), duvotool.WithWebhookSignature("X-Plain"), duvotool.WithPollInterval(time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _, _ = reg.All()[0].Run(ctx, "x"); close(done) }()
		synctest.Wait()
		const body = `{"event":"run_completed","run_id":"job-1"}`
		now := time.Now()
		plain := func(sum string) *http.Request {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("X-Plain", sum)
			return r
		}
		m := hmac.New(sha256.New, []byte("another secret"))
		m.Write([]byte(body))
		sum := hex.EncodeToString(m.Sum(nil))
		changed := func(r *http.Request, f func(*http.Request)) *http.Request { f(r); return r }
		for name, c := range map[string]struct {
			r    *http.Request
			want int
		}{
			"wrong secret":     {delivery(now, "wrong secret", "m", body), 401},
			"no signature":     {httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), 401},
			"other body":       {changed(delivery(now, hookSecret, "m", body), func(r *http.Request) { r.Body = http.NoBody }), 401},
			"other ID":         {changed(delivery(now, hookSecret, "m", body), func(r *http.Request) { r.Header.Set("Webhook-Id", "n") }), 401},
			"stale":            {delivery(now.Add(-6*time.Minute), hookSecret, "m", body), 401},
			"from the future":  {delivery(now.Add(6*time.Minute), hookSecret, "m", body), 401},
			"no timestamp":     {changed(delivery(now, hookSecret, "m", body), func(r *http.Request) { r.Header.Del("Webhook-Timestamp") }), 401},
			"oversized":        {delivery(now, hookSecret, "m", `{"event":"`+strings.Repeat("x", 70<<10)+`"}`), 413},
			"truncated":        {delivery(now, hookSecret, "m", body[:20]), 400},
			"wrong types":      {delivery(now, hookSecret, "m", `{"event":7,"run_id":[]}`), 400},
			"GET":              {httptest.NewRequest(http.MethodGet, "/", nil), 405},
			"unknown event":    {delivery(now, hookSecret, "u1", `{"event":"party","run_id":"job-1"}`), 204},
			"unknown Job":      {delivery(now, hookSecret, "u2", `{"event":"run_completed","run_id":"job-9"}`), 204},
			"no Job":           {delivery(now, hookSecret, "u3", `{"event":"run_completed"}`), 204},
			"plain, wrong sum": {plain(sum[1:] + "0"), 401},
			"plain, no hex":    {plain("xyz"), 401},
		} {
			w := httptest.NewRecorder()
			reg.Webhook().ServeHTTP(w, c.r)
			require.Equal(t, c.want, w.Code, name)
		}
		synctest.Wait()
		require.Zero(t, f.reads, "none of these wakes the Job")

		wake := func(r *http.Request) {
			w := httptest.NewRecorder()
			reg.Webhook().ServeHTTP(w, r)
			require.Equal(t, 204, w.Code)
			synctest.Wait()
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		for range 10_000 {
			w := httptest.NewRecorder()
			reg.Webhook().ServeHTTP(w, delivery(now, hookSecret, "replayed", body))
			require.Equal(t, 204, w.Code)
		}
		wake(delivery(now, hookSecret, "replayed", body))
		require.Equal(t, 1, f.reads)
		for i, event := range []string{"run.completed", "human_request", "human_request_created", "human_request.created", "run_failed", "run.interrupted"} {
			wake(delivery(time.Now(), hookSecret, fmt.Sprint("event ", i), `{"event":"`+event+`","run_id":"job-1"}`))
			require.Equal(t, 2+i, f.reads, event)
		}
		wake(plain("sha256=" + sum))
		require.Equal(t, 8, f.reads)
		select {
		case <-done:
			t.Error("a delivery ended the Job, and the API said that it runs")
		default:
		}
		cancel()
		<-done
		require.NoError(t, reg.Close(t.Context()))
		w := httptest.NewRecorder()
		reg.Webhook().ServeHTTP(w, delivery(time.Now(), hookSecret, "m", body))
		require.Equal(t, 503, w.Code)
	})
}

func TestWebhookOptions(t *testing.T) {
	for _, o := range []duvotool.Option{
		duvotool.WithWebhook("http://example.com/hook", hookSecret), duvotool.WithWebhook("", hookSecret), duvotool.WithWebhook("https://example.com/hook"),
		duvotool.WithWebhook("https://example.com", "short"), duvotool.WithWebhook("https://example.com", "whsec_***"), duvotool.WithWebhook("https://u:p@example.com", hookSecret),
		duvotool.WithWebhookSignature(" "),
	} {
		_, err := duvotool.Discover(t.Context(), &fake{}, o)
		require.Error(t, err)
	}
	// Without secrets nothing is taken.
	reg := discover(t, &fake{})
	w := httptest.NewRecorder()
	reg.Webhook().ServeHTTP(w, delivery(time.Now(), hookSecret, "m", `{}`))
	require.Equal(t, 401, w.Code)
}

func FuzzWebhook(f *testing.F) {
	f.Add([]byte(`{"event":"run_completed","run_id":"job-1"}`), "v1,xx", "1", true)
	reg, err := duvotool.Discover(context.Background(), &fake{job: running}, duvotool.WithWebhook("https://example.com", hookSecret), duvotool.WithWebhookSignature("X-Plain"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, signature, stamp string, sign bool) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		if sign {
			r = delivery(time.Now(), hookSecret, "m", string(body))
		} else {
			r.Header["Webhook-Id"], r.Header["Webhook-Timestamp"], r.Header["Webhook-Signature"], r.Header["X-Plain"] = []string{"m"}, []string{stamp}, []string{signature}, []string{signature}
		}
		w := httptest.NewRecorder()
		reg.Webhook().ServeHTTP(w, r)
		switch w.Code {
		case 401, 413:
		case 204, 400:
			if !sign {
				t.Errorf("taken without a signature: %d", w.Code)
			}
		default:
			t.Errorf("answered %d", w.Code)
		}
	})
}

// stalled is a body that never comes.
type stalled struct{ gone chan struct{} }

func (s stalled) Read([]byte) (int, error) { <-s.gone; return 0, io.ErrUnexpectedEOF }

// Whoever sends slowly, and may be anybody, does not hold up Close.
func TestSlowDeliveryDoesNotHoldUpClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := discover(t, &fake{}, duvotool.WithWebhook("https://example.com/hook", hookSecret))
		body := stalled{make(chan struct{})}
		answered := make(chan int)
		go func() {
			w := httptest.NewRecorder()
			reg.Webhook().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", body))
			answered <- w.Code
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := reg.Close(ctx)
		close(body.gone)
		require.Equal(t, 400, <-answered)
		require.NoError(t, err)
	})
}

// Where the ID is not signed, one delivery stays one under any ID.
func TestReplaysUnderOtherIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: running}
		reg := discover(t, f, duvotool.WithWebhook("https://example.com/hook", "another secret"), duvotool.WithWebhookSignature("X-Plain"), duvotool.WithPollInterval(time.Hour))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _, _ = reg.All()[0].Run(ctx, "x"); close(done) }()
		synctest.Wait()
		const body = `{"event":"run_completed","run_id":"job-1"}`
		m := hmac.New(sha256.New, []byte("another secret"))
		m.Write([]byte(body))
		for i := range 10_000 {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("X-Plain", hex.EncodeToString(m.Sum(nil)))
			r.Header.Set("Webhook-Id", fmt.Sprint(i))
			w := httptest.NewRecorder()
			reg.Webhook().ServeHTTP(w, r)
			require.Equal(t, 204, w.Code)
			time.Sleep(time.Millisecond)
		}
		require.Equal(t, 2, f.reads, "in ten seconds")
		cancel()
		<-done
	})
}
