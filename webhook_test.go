package duvotool_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
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

// A start that is sent again after its journal was lost is the same to the byte,
// the URL of its webhook too: else the server refuses its key, and the Job is out
// of reach.
func TestAWebhooksTokenIsTheKeysOwn(t *testing.T) {
	const secret, another = "whsec_U0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVU", "whsec_QU5PVEhFUkFOT1RIRVJBTk9USEVSQU5P"
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		start := func(key, secret string, caller hitl.Caller) *outcome.Result {
			reg := discover(t, d.Client(), duvotool.WithJournal(journal.NewMemory()), duvotool.WithWebhook("https://example.com/hook?x=1", secret))
			res, err := mustTool(reg, "refunds").Run(duvotool.WithCaller(duvotool.WithOperationKey(t.Context(), key), caller), "order 4711")
			require.NoError(t, err)
			require.NoError(t, reg.Close(context.Background()))
			return res
		}
		first := start("k", secret, hitl.Caller{})
		require.Equal(t, first.JobID, start("k", secret, hitl.Caller{}).JobID)
		require.Len(t, d.Jobs(), 1)
		start("other", secret, hitl.Caller{})
		start("k", secret, hitl.Caller{Tenant: "acme"})
		start("k2", another, hitl.Caller{})
		seen := map[string]bool{}
		for _, j := range d.Jobs() {
			require.Regexp(t, `^https://example.com/hook\?t=[A-Z2-7]{26}&x=1$`, j.WebhookURL)
			seen[j.WebhookURL] = true
		}
		require.Len(t, seen, 4, "whoever does not know the secret can tell no token")
	}, duvotest.WithAssignment(refunds))
}

// echoing is a server, or a proxy before it, that repeats what it refuses.
type echoing struct {
	token  *string
	status int
}

// RoundTrip refuses starts, and repeats what it refuses, as servers' validators do.
func (e echoing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return http.DefaultTransport.RoundTrip(r)
	}
	b, _ := io.ReadAll(r.Body)
	text := string(b)
	if i := strings.Index(text, "https://hook.example.com"); i >= 0 {
		u, _ := url.Parse(text[i : i+strings.IndexByte(text[i:], '"')])
		for _, v := range u.Query() {
			*e.token = v[0]
		}
		return &http.Response{StatusCode: e.status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
			Body: io.NopCloser(strings.NewReader(`{"message":"webhook_url ` + u.String() + ` cannot be reached"}`))}, nil
	}
	return nil, errors.New("what is this: " + text)
}

// The token of a webhook's URL is in no log, error, event, and is not told to a model.
func TestAWebhooksTokenStaysInside(t *testing.T) {
	t.Run("refused", func(t *testing.T) { tokenStaysInside(t, 400) })
	t.Run("forbidden", func(t *testing.T) { tokenStaysInside(t, 403) })
}

func tokenStaysInside(t *testing.T, status int) {
	d := duvotest.NewServer(duvotest.WithAssignments(duvotest.Assignment{Name: "one"}))
	defer d.Close()
	token := ""
	c, err := duvo.New(duvo.WithAPIKey(d.Key()), duvo.WithTeam(d.TeamID()), duvo.WithBaseURL(d.URL), duvo.WithHTTPClient(&http.Client{Transport: echoing{&token, status}}))
	require.NoError(t, err)
	var logged, events strings.Builder
	reg, err := duvotool.Discover(t.Context(), c, duvotool.WithWebhook("https://hook.example.com/h", "whsec_U0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVU"),
		duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))), duvotool.WithObserver(func(e outcome.Event) { fmt.Fprintf(&events, "%s %v", e, e.Err) }))
	require.NoError(t, err)
	out, err := reg.All()[0].Call(t.Context(), "x")
	require.NotEmpty(t, token)
	require.NotContains(t, out, token, "the model reads it")
	require.Contains(t, out+fmt.Sprint(err), "cannot be reached", "why is told all the same")
	_, err = reg.All()[0].Run(t.Context(), "x")
	require.NotContains(t, fmt.Sprint(err), token, "the error")
	if status == 403 {
		require.ErrorIs(t, err, duvo.ErrForbidden)
		var api *duvo.APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, status, api.Status)
		require.NotContains(t, api.Error(), token, "the error within")
	}
	require.NoError(t, reg.Close(context.Background()))
	require.NotContains(t, logged.String(), token, "the log")
	require.NotContains(t, events.String(), token, "the events")
}

// hinted is a Duvo whose first start, before it is sent, is followed by a signed
// delivery about another Job, to the URL of the start.
type hinted struct {
	*duvo.Client
	hook  http.Handler
	about string
	once  sync.Once
}

func (b *hinted) StartJob(ctx context.Context, s duvo.StartJob) (duvo.Job, error) {
	job, err := b.Client.StartJob(ctx, s)
	b.once.Do(func() {
		if b.about == "" {
			rows, lost := b.JobPage(ctx, duvo.JobFilter{AssignmentID: s.AssignmentID})
			if lost == nil && len(rows.Jobs) > 0 {
				b.about = rows.Jobs[0].ID
			}
		}
		r := delivery(time.Now(), hookSecret, "m1", `{"event":"run.completed","run_id":"`+b.about+`"}`)
		to := httptest.NewRequest(http.MethodPost, s.WebhookURL, nil)
		r.URL = to.URL
		b.hook.ServeHTTP(httptest.NewRecorder(), r)
	})
	return job, err
}

// A delivery is only a hint of which Job a lost start has made: one that is of
// another Assignment, older than the start, or was told something else is not
// taken, and nobody decides about it; the right one is.
func TestADeliveryIsOnlyAHint(t *testing.T) {
	const input, otherAssignment = "1 EUR, to the customer", "1b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a12"
	for name, c := range map[string]struct {
		assignment, input string
		before            time.Duration // of the start
		taken             bool
	}{
		"another message":             {assignment: refundsID, input: "everything, to a stranger"},
		"another Assignment":          {assignment: otherAssignment, input: input},
		"the same words, long before": {assignment: refundsID, input: input, before: time.Hour},
		"the right one":               {taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := func(j *duvotest.Job) {
					j.Sleep(2 * time.Hour)
					j.AskApproval("Refund", "")
					j.Complete("refunded " + j.Input())
				}
				hook := &to{}
				d := duvotest.New(duvotest.WithWebhookClient(&http.Client{Transport: hook}), duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: script}),
					duvotest.WithAssignment(duvotest.Assignment{ID: otherAssignment, Name: "Other", Script: script}),
					duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				b := &hinted{Client: d.Client(duvo.WithRetries(1, time.Second))}
				fault := duvotest.Fault{Op: "startRun", Kind: duvotest.ResetBefore}
				if c.taken {
					fault.Kind = duvotest.ResetAfter
				} else {
					var err error
					b.about, err = d.StartElsewhere(c.assignment, c.input)
					require.NoError(t, err)
					time.Sleep(c.before)
				}
				d.Inject(fault)
				var about []string
				reg := discover(t, b, duvotool.WithWebhook("https://example.com/hook", hookSecret),
					duvotool.WithPolicy(hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
						about = append(about, r.JobID)
						return hitl.Approve("kim", ""), nil
					})))
				b.hook, hook.h = reg.Webhook(), reg.Webhook() // those of the emulator are signed with another secret
				res, err := mustTool(reg, "refunds").Run(t.Context(), input)
				require.NoError(t, err)
				require.Equal(t, "refunded "+input, res.Output)
				require.Equal(t, []string{res.JobID}, about)
				require.Equal(t, c.taken, b.about == res.JobID)
				if c.taken {
					require.Len(t, d.Jobs(), 1, "by its delivery the Job is found on a server that does not honour keys")
				}
			})
		})
	}
}
