package duvotest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	agentID = "a9000000-0000-4000-8000-000000000001"
	otherID = "a9000000-0000-4000-8000-00000000000f" // of nothing
)

// refunds is an Assignment that asks for an approval.
func refunds() duvotest.Assignment {
	return duvotest.Assignment{ID: agentID, Name: "Refunds", Description: "Refunds an order.", Folder: "Support/Money",
		Script: func(j *duvotest.Job) {
			j.Say("On it: " + j.Input())
			if j.AskApproval("Refund 120 EUR", "The order arrived damaged.") {
				j.Complete("Refunded.")
			}
			j.Complete("Not refunded.")
		}}
}

// A world is a Duvo and a way to reach it.
type world struct {
	*duvotest.Duvo
	t      *testing.T
	url    string
	http   *http.Client
	memory bool
	client *duvo.Client
}

// inMemory runs a test in memory, where waiting takes no time.
func inMemory(t *testing.T, f func(t *testing.T, w *world), opts ...duvotest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(opts...)
		defer d.Close()
		f(t, &world{d, t, duvotest.MemoryURL, d.HTTPClient(), true, d.Client(duvo.WithRetries(1, 0))})
	})
}

// both runs a test in memory and over a socket.
func both(t *testing.T, f func(t *testing.T, w *world), opts ...duvotest.Option) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { inMemory(t, f, opts...) })
	t.Run("socket", func(t *testing.T) {
		s := duvotest.NewServer(opts...)
		defer s.Close()
		// A connection for each request: on a kept one net/http sends some
		// requests a second time by itself.
		h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		f(t, &world{s.Duvo, t, s.URL, h, false, s.Client(duvo.WithRetries(1, 0))})
	})
}

// until waits for something to become true: in memory until nothing moves any
// more but time.
func (w *world) until(what string, true func() bool) {
	w.t.Helper()
	if w.memory {
		synctest.Wait()
		require.True(w.t, true(), what)
		return
	}
	require.Eventually(w.t, true, time.Minute, time.Millisecond, what)
}

func (w *world) untilStatus(jobID string, s duvo.Status) {
	w.t.Helper()
	w.until("the Job is "+string(s), func() bool { return w.job(jobID).Status == s })
}

func (w *world) job(id string) duvotest.JobRecord {
	w.t.Helper()
	r, found := w.Job(id)
	require.True(w.t, found)
	return r
}

// waiting starts a Job of agentID and waits for its request.
func (w *world) waiting() (jobID, requestID string) {
	w.t.Helper()
	a := w.start(`{"agent_id":"` + agentID + `","message":"order 7"}`)
	w.untilStatus(a.text("run.id"), duvo.StatusWaiting)
	return a.text("run.id"), w.Pending(a.text("run.id")).ID
}

func (w *world) start(body string, header ...string) answer {
	w.t.Helper()
	a := w.post("/v2/teams/"+w.TeamID()+"/runs", body, header...)
	require.Equal(w.t, 201, a.status, a.body)
	return a
}

func (w *world) respond(jobID, requestID, body string, header ...string) answer {
	w.t.Helper()
	return w.post("/v2/runs/"+jobID+"/human-requests/"+requestID+"/respond", body, header...)
}

func (w *world) message(jobID, text string) answer {
	w.t.Helper()
	return w.post("/v2/runs/"+jobID+"/messages", `{"message":"`+text+`"}`)
}

func (w *world) get(path string, header ...string) answer {
	w.t.Helper()
	return w.call(http.MethodGet, path, "", header...)
}

func (w *world) post(path, body string, header ...string) answer {
	w.t.Helper()
	return w.call(http.MethodPost, path, body, header...)
}

// call sends one request, with the key unless the headers, names and values in
// turn, say otherwise.
func (w *world) call(method, path, body string, header ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, header...)
	require.NoError(w.t, err)
	return a
}

func (w *world) try(method, path, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, w.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+w.Key())
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{w.t, resp.StatusCode, resp.Header, string(text)}, err
}

// An answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// at returns what stands at a dotted path, and whether there is anything.
func (a answer) at(path string) (any, bool) {
	a.t.Helper()
	var v any
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &v), a.body)
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		found := false
		if v, found = m[name]; !found {
			return nil, false
		}
	}
	return v, true
}

func (a answer) text(path string) string {
	a.t.Helper()
	v, _ := a.at(path)
	s, isText := v.(string)
	require.True(a.t, isText, "%s in %s", path, a.body)
	return s
}

// rows returns one field of each row of a list.
func (a answer) rows(list, field string) []any {
	a.t.Helper()
	v, _ := a.at(list)
	all, isList := v.([]any)
	require.True(a.t, isList, a.body)
	out := []any{}
	for _, r := range all {
		out = append(out, r.(map[string]any)[field])
	}
	return out
}

// refused asserts a refusal.
func (a answer) refused(status int, code string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.body)
	require.Equal(a.t, code, a.text("error"))
	require.NotEmpty(a.t, a.text("message"))
}

func texts(messages []duvo.Message) (out []string) {
	for _, m := range messages {
		out = append(out, m.Role+": "+m.Text)
	}
	return out
}

// panics returns what a function panics with.
func panics(t *testing.T, f func()) string {
	t.Helper()
	var said string
	func() {
		defer func() { said, _ = recover().(string) }()
		f()
	}()
	require.NotEmpty(t, said)
	return said
}

// lost is whether an error is that of a connection that broke.
func lost(err error) bool {
	return err != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "connection reset") ||
		strings.Contains(err.Error(), "EOF"))
}
