package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	secret  = "the signing secret"
	channel = "C0SUPPORT"
)

type object = map[string]any

// A message stands in the fake's channel.
type message struct {
	TS, Channel, Thread, Text, Blocks, Metadata string
}

// approve is what its button to approve says; empty: it has none.
func (m message) approve() string {
	var blocks []struct {
		Elements []struct {
			Action string `json:"action_id"`
			Value  string `json:"value"`
		} `json:"elements"`
	}
	_ = json.Unmarshal([]byte(m.Blocks), &blocks)
	for _, b := range blocks {
		for _, e := range b.Elements {
			if e.Action == "duvotool_approve" {
				return e.Value
			}
		}
	}
	return ""
}

// A workspace is what the bot needs of Slack.
type workspace struct {
	*httptest.Server
	mu       sync.Mutex
	messages []*message
	changed  chan struct{}
	clicks   atomic.Int64
}

func newWorkspace(t *testing.T) *workspace {
	w := &workspace{changed: make(chan struct{})}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(w.call(strings.TrimPrefix(r.URL.Path, "/"), r.Form))
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *workspace) call(method string, form url.Values) object {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch method {
	case "auth.test":
		return object{"ok": true, "bot_id": "B0BOT", "team_id": "T1"}
	case "chat.postMessage":
		m := &message{TS: fmt.Sprintf("1800000000.%06d", len(w.messages)), Channel: form.Get("channel"), Thread: form.Get("thread_ts"), Text: form.Get("text"), Blocks: form.Get("blocks"), Metadata: form.Get("metadata")}
		w.messages = append(w.messages, m)
		w.wake()
		return object{"ok": true, "channel": m.Channel, "ts": m.TS}
	case "chat.update":
		for _, m := range w.messages {
			if m.TS == form.Get("ts") {
				m.Text, m.Blocks = form.Get("text"), form.Get("blocks")
				w.wake()
				return object{"ok": true, "channel": m.Channel, "ts": m.TS}
			}
		}
	case "conversations.replies":
		found := []object{}
		for _, m := range w.messages {
			if m.Thread == form.Get("ts") {
				found = append(found, object{"ts": m.TS, "bot_id": "B0BOT", "metadata": json.RawMessage(m.Metadata)})
			}
		}
		return object{"ok": true, "messages": found}
	}
	return object{"ok": false, "error": "unknown_method"}
}

func (w *workspace) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// thread waits until a thread is as it should be, and returns it.
func (w *workspace) thread(t *testing.T, ts string, ok func([]message) bool) []message {
	t.Helper()
	for {
		w.mu.Lock()
		var all []message
		for _, m := range w.messages {
			require.Equal(t, channel, m.Channel)
			require.NotEmpty(t, m.Thread, "nothing is said outside of threads")
			if m.Thread == ts {
				all = append(all, *m)
			}
		}
		changed := w.changed
		w.mu.Unlock()
		if ok(all) {
			return all
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("the test was ended; in the thread is %+v", all)
		}
	}
}

// asked waits until something is to be approved in a thread, and returns it.
func (w *workspace) asked(t *testing.T, ts string) message {
	all := w.thread(t, ts, func(all []message) bool { return slices.ContainsFunc(all, isQuestion) })
	return all[slices.IndexFunc(all, isQuestion)]
}

func isQuestion(m message) bool { return m.approve() != "" }

// answered waits until the bot has said this in a thread, and returns all that is in it.
func (w *workspace) answered(t *testing.T, ts, says string) []message {
	return w.thread(t, ts, func(all []message) bool {
		return slices.ContainsFunc(all, func(m message) bool { return strings.Contains(m.Text, says) })
	})
}

// mention is what Slack tells of a mention.
func (w *workspace) mention(ts, thread, text string) string {
	event := object{"type": "app_mention", "user": "U9", "text": "<@U0BOT> " + text, "ts": ts, "channel": channel, "event_ts": ts}
	if thread != "" {
		event["thread_ts"] = thread
	}
	raw, _ := json.Marshal(object{"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev" + ts, "event": event})
	return string(raw)
}

// click is what Slack tells of a click on the button to approve.
func (w *workspace) click(m message, user string) string {
	raw, _ := json.Marshal(object{"type": "block_actions", "trigger_id": fmt.Sprint("click-", w.clicks.Add(1)), "team": object{"id": "T1"}, "user": object{"id": user, "team_id": "T1"},
		"container": object{"channel_id": m.Channel, "message_ts": m.TS, "thread_ts": m.Thread},
		"actions":   []object{{"action_id": "duvotool_approve", "block_id": "b", "type": "button", "value": m.approve()}}})
	return url.Values{"payload": {string(raw)}}.Encode()
}

// tell delivers something to the bot, signed, and returns the status; 0: it is not there.
func tell(t *testing.T, at, path, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at+path, strings.NewReader(body))
	require.NoError(t, err)
	kind := "application/json"
	if path == "/slack/actions" {
		kind = "application/x-www-form-urlencoded"
	}
	ts := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", ts, body)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Slack-Request-Timestamp", ts)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
