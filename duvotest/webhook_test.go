package duvotest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

const secret = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw=="

// A receiver takes webhooks in memory and answers with statuses in turn, then
// with 200. Zero breaks the connection.
type receiver struct {
	mu       sync.Mutex
	statuses []int
	got      []delivered
}

type delivered struct {
	at                          time.Time
	url, id, stamp, sign, event string
	body                        string
	fields                      map[string]any
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(req.Body)
	_ = req.Body.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := delivered{at: time.Now(), url: req.URL.String(), id: req.Header.Get("webhook-id"), stamp: req.Header.Get("webhook-timestamp"),
		sign: req.Header.Get("webhook-signature"), body: string(body)}
	if json.Unmarshal(body, &d.fields) == nil {
		d.event, _ = d.fields["event"].(string)
	}
	r.got = append(r.got, d)
	status := 200
	if len(r.statuses) > 0 {
		status, r.statuses = r.statuses[0], r.statuses[1:]
	}
	if status == 0 {
		return nil, errors.New("connection reset")
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok"))}, nil
}

func (r *receiver) deliveries() []delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]delivered(nil), r.got...)
}

func (r *receiver) events() (out []string) {
	for _, d := range r.deliveries() {
		out = append(out, d.event)
	}
	return out
}

// hooked runs a test with a receiver in memory.
func hooked(t *testing.T, f func(t *testing.T, w *world, r *receiver), opts ...duvotest.Option) {
	t.Helper()
	r := &receiver{}
	inMemory(t, func(t *testing.T, w *world) { f(t, w, r) }, append([]duvotest.Option{duvotest.WithAssignment(refunds()),
		duvotest.WithWebhookSecret(secret), duvotest.WithWebhookClient(&http.Client{Transport: r})}, opts...)...)
}

// hookedJob starts a Job that reports, and waits for its request.
func (w *world) hookedJob() (jobID, requestID string) {
	w.t.Helper()
	job := w.start(`{"agent_id":"` + agentID + `","webhook_url":"http://receiver.test/hook?x=1"}`).text("run.id")
	w.untilStatus(job, duvo.StatusWaiting)
	return job, w.Pending(job).ID
}

func (w *world) approve(jobID, requestID string) {
	w.t.Helper()
	require.Equal(w.t, 200, w.respond(jobID, requestID, `{"approved":true}`).status)
	w.untilStatus(jobID, duvo.StatusCompleted)
}

func TestWebhooks(t *testing.T) {
	hooked(t, func(t *testing.T, w *world, r *receiver) {
		job, request := w.hookedJob()
		w.approve(job, request)
		synctest.Wait()
		require.Equal(t, []string{"human_request", "run_completed"}, r.events())
		got := r.deliveries()
		require.NotEqual(t, got[0].id, got[1].id)
		require.Equal(t, "http://receiver.test/hook?x=1", got[0].url)
		for _, d := range got {
			require.Equal(t, job, d.fields["run_id"])
			at, err := strconv.ParseInt(d.stamp, 10, 64)
			require.NoError(t, err)
			require.Equal(t, time.Now().Unix(), at)
			require.Equal(t, duvotest.SignWebhook(secret, d.id, time.Unix(at, 0), []byte(d.body)), d.sign)
		}
		require.Equal(t, request, got[0].fields["request_id"])
		require.Equal(t, "Refund 120 EUR", got[0].fields["title"])
		require.Equal(t, "The order arrived damaged.", got[0].fields["description"])
		require.NotContains(t, got[1].fields, "request_id")
		require.Equal(t, "http://receiver.test/hook?x=1", w.job(job).WebhookURL)

		w.waiting() // reports nothing
		synctest.Wait()
		require.Len(t, r.deliveries(), 2)
	})
}

func TestWebhookEvents(t *testing.T) {
	for event, script := range map[string]duvotest.Script{
		"run_completed":   nil,
		"run_failed":      func(j *duvotest.Job) { j.Fail("") },
		"run_interrupted": func(j *duvotest.Job) { j.Interrupt("") },
		"":                func(j *duvotest.Job) { j.Sleep(time.Hour) }, // stopped
	} {
		r := &receiver{}
		inMemory(t, func(t *testing.T, w *world) {
			job := w.start(`{"agent_id":"` + agentID + `","webhook_url":"https://receiver.test"}`).text("run.id")
			synctest.Wait()
			require.NoError(t, w.StopJob(job))
			synctest.Wait()
			require.Equal(t, event, strings.Join(r.events(), " "))
		}, duvotest.WithWebhookClient(&http.Client{Transport: r}), duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: script}))
	}
}

func TestWebhookSignature(t *testing.T) {
	at := time.Unix(1_700_000_000, 999)
	good := duvotest.SignWebhook(secret, "msg_1", at, []byte("body"))
	require.Regexp(t, `^v1,[A-Za-z0-9+/]{43}=$`, good)
	require.Equal(t, good, duvotest.SignWebhook("secret of the tests", "msg_1", at, []byte("body")))
	for _, bad := range []string{
		duvotest.SignWebhook("other", "msg_1", at, []byte("body")),
		duvotest.SignWebhook("whsec_!", "msg_1", at, []byte("body")),
		duvotest.SignWebhook(secret, "msg_2", at, []byte("body")),
		duvotest.SignWebhook(secret, "msg_1", at.Add(time.Second), []byte("body")),
		duvotest.SignWebhook(secret, "msg_1", at, []byte("Body")),
	} {
		require.NotEqual(t, good, bad)
	}
	// From the description of Standard Webhooks.
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", duvotest.SignWebhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)))
}

func TestWebhookHeaders(t *testing.T) {
	seen := make(chan http.Header, 8)
	hooked(t, func(t *testing.T, w *world, _ *receiver) {
		w.hookedJob()
		h := <-seen
		require.NotEmpty(t, h.Get("X-Id"))
		require.NotEmpty(t, h.Get("X-At"))
		require.True(t, strings.HasPrefix(h.Get("X-Sign"), "v1,"))
		require.Empty(t, h.Get("webhook-id"))
		require.Equal(t, "application/json", h.Get("Content-Type"))
	}, duvotest.WithWebhookHeaders(duvotest.WebhookHeaders{ID: "x-id", Timestamp: "x-at", Signature: "x-sign"}),
		duvotest.WithWebhookClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			seen <- r.Header
			return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
		})}))
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWebhookRetries(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		seconds  []int // when the tries come
	}{
		"taken":           {nil, []int{0}},
		"5xx, then taken": {[]int{500, 503}, []int{0, 1, 3}},
		"broken":          {[]int{0}, []int{0, 1}},
		"4xx":             {[]int{404}, []int{0}},
		"never":           {[]int{500, 500, 0, 500, 502, 500}, []int{0, 1, 3, 7, 15, 31}},
	} {
		t.Run(name, func(t *testing.T) {
			hooked(t, func(t *testing.T, w *world, r *receiver) {
				r.statuses = c.statuses
				began := time.Now()
				w.hookedJob()
				time.Sleep(time.Hour)
				var seconds []int
				for _, d := range r.deliveries() {
					seconds = append(seconds, int(d.at.Sub(began)/time.Second))
					require.Equal(t, r.got[0].id, d.id)
					require.Equal(t, r.got[0].body, d.body)
					require.Equal(t, strconv.FormatInt(d.at.Unix(), 10), d.stamp) // signed anew
				}
				require.Equal(t, c.seconds, seconds)
			})
		})
	}
}

func TestWebhookFaults(t *testing.T) {
	type fault = duvotest.WebhookFault
	for name, c := range map[string]struct {
		faults []fault
		events string
	}{
		"none":           {nil, "human_request run_completed"},
		"drop":           {[]fault{{Drop: true}}, "run_completed"},
		"drop all":       {[]fault{{Drop: true, Times: 2}}, ""},
		"drop an event":  {[]fault{{Event: "run_completed", Drop: true}}, "human_request"},
		"another event":  {[]fault{{Event: "run_failed", Drop: true}}, "human_request run_completed"},
		"skip":           {[]fault{{Skip: 1, Drop: true}}, "human_request"},
		"duplicate":      {[]fault{{Duplicate: 2}}, "human_request human_request human_request run_completed"},
		"reorder":        {[]fault{{Reorder: true}}, "run_completed human_request"},
		"reorder at end": {[]fault{{Event: "run_completed", Reorder: true}}, "human_request"},
		"delay":          {[]fault{{Delay: time.Hour}}, "run_completed human_request"},
		"two faults":     {[]fault{{Delay: time.Minute}, {Duplicate: 1}}, "run_completed run_completed human_request"},
	} {
		t.Run(name, func(t *testing.T) {
			hooked(t, func(t *testing.T, w *world, r *receiver) {
				w.InjectWebhook(c.faults...)
				began := time.Now()
				job, request := w.hookedJob()
				w.approve(job, request)
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				require.Equal(t, c.events, strings.Join(r.events(), " "))
				ids := map[string]string{}
				for _, d := range r.deliveries() {
					if ids[d.event] == "" {
						ids[d.event] = d.id
					}
					require.Equal(t, ids[d.event], d.id) // duplicates have the same ID
					if name == "delay" && d.event == "human_request" {
						require.Equal(t, time.Hour, d.at.Sub(began))
					}
				}
			})
		})
	}
}

// Webhooks that wait for their next try, or for their receiver, end with Close.
func TestWebhooksEndWithClose(t *testing.T) {
	t.Run("retry", func(t *testing.T) {
		hooked(t, func(t *testing.T, w *world, r *receiver) {
			r.statuses = []int{500}
			w.hookedJob()
			synctest.Wait()
			w.Close()
			time.Sleep(time.Hour)
			require.Len(t, r.deliveries(), 1)
		})
	})
	t.Run("delay", func(t *testing.T) {
		hooked(t, func(t *testing.T, w *world, r *receiver) {
			w.InjectWebhook(duvotest.WebhookFault{Delay: time.Hour})
			w.hookedJob()
			w.Close()
			require.Empty(t, r.deliveries())
		})
	})
	t.Run("hanging receiver", func(t *testing.T) {
		hooked(t, func(t *testing.T, w *world, _ *receiver) {
			w.hookedJob()
			synctest.Wait()
			w.Close()
		}, duvotest.WithWebhookClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}))
	})
}

func TestWebhooksOverTheSocket(t *testing.T) {
	got := make(chan string, 8)
	var tries atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
		got <- r.Method + " " + string(body)
	}))
	defer hook.Close()
	s := duvotest.NewServer(duvotest.WithAssignment(refunds()))
	defer s.Close()
	j, err := s.Client().StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID, WebhookURL: hook.URL})
	require.NoError(t, err)
	first := <-got
	require.Contains(t, first, "POST {")
	require.Contains(t, first, `"event":"human_request"`)
	_, err = s.Client().PostMessage(t.Context(), j.ID, "Go on.", "")
	require.NoError(t, err)
	require.Contains(t, <-got, `"event":"run_completed"`)
}

func TestDeliveries(t *testing.T) {
	hooked(t, func(t *testing.T, w *world, r *receiver) {
		r.statuses = []int{500, 0}
		w.InjectWebhook(duvotest.WebhookFault{Event: "run_completed", Duplicate: 1})
		job, request := w.hookedJob()
		time.Sleep(time.Minute)
		w.approve(job, request)
		synctest.Wait()
		all, got := w.Deliveries(), r.deliveries()
		require.Len(t, all, 5)
		var statuses, attempts []int
		for i, d := range all {
			require.Equal(t, job, d.JobID)
			require.Equal(t, got[i].event, d.Event)
			require.Equal(t, got[i].id, d.ID)
			require.Equal(t, got[i].body, string(d.Body))
			require.Equal(t, got[i].url, d.URL)
			require.Equal(t, got[i].at, d.At)
			statuses, attempts = append(statuses, d.Status), append(attempts, d.Attempt)
		}
		require.Equal(t, []int{500, 0, 200, 200, 200}, statuses)
		require.Equal(t, []int{1, 2, 3, 1, 1}, attempts)
		all[0].Body[0] = 'x'
		require.NotEqual(t, all[0].Body, w.Deliveries()[0].Body)
	})
}

// What is sent again later does not hold back what comes behind it.
func TestWebhookRetriesOvertaken(t *testing.T) {
	hooked(t, func(t *testing.T, w *world, r *receiver) {
		r.statuses = []int{503}
		job, request := w.hookedJob()
		w.approve(job, request)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"human_request", "run_completed", "human_request"}, r.events())
	})
}

// A redirect is an answer as any other, and is not followed.
func TestWebhookRedirect(t *testing.T) {
	n := 0
	hooked(t, func(t *testing.T, w *world, _ *receiver) {
		w.hookedJob()
		time.Sleep(time.Hour)
		require.Equal(t, 1, n)
		require.Equal(t, 307, w.Deliveries()[0].Status)
	}, duvotest.WithWebhookClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		n++
		return &http.Response{StatusCode: 307, Header: http.Header{"Location": {"http://elsewhere.test"}}, Body: http.NoBody, Request: r}, nil
	})}))
}

func TestWebhookFaultsThatMakeNoSense(t *testing.T) {
	d := duvotest.New()
	defer d.Close()
	for _, f := range []duvotest.WebhookFault{{Event: "run_stopped", Drop: true}, {Skip: -1}, {Duplicate: -1}, {Delay: -1}} {
		panics(t, func() { d.InjectWebhook(f) })
	}
}
