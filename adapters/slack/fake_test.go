package slack_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvotest"
	api "github.com/slack-go/slack"
	"github.com/stretchr/testify/require"
)

const (
	secret   = "the signing secret"
	botID    = "B0BOT"
	channelC = "C0APPROVALS"
)

// A message stands in a channel of a fake of Slack.
type message struct {
	Channel  string
	TS       string
	Thread   string
	Text     string
	Blocks   string // as they were sent
	Metadata string
	User     string // of what one person alone sees
	Bot      string // whose it is
	Form     url.Values
}

// A fakeSlack is what an app needs of Slack, in memory.
type fakeSlack struct {
	mu       sync.Mutex
	messages []*message
	alone    []message // ephemeral
	views    []string  // as they were opened and updated
	calls    []string
	fault    func(method string, w http.ResponseWriter) (done bool) // before it is carried out
	lost     func(method string) bool                               // carried out, and the answer lost
	clicks   int
	refused  []string          // why Slack would have refused something, or interpreted it
	heard    func(m message)   // once a message is there
	opened   func(view string) // once a form is there
}

func (f *fakeSlack) client() *api.Client {
	return api.New("xoxb-token", api.OptionHTTPClient(duvotest.InMemory(f)), api.OptionAPIURL("http://slack.example/"), api.OptionAppLevelToken("xapp-token"))
}

func (f *fakeSlack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/")
	f.mu.Lock()
	f.calls = append(f.calls, method)
	fault, lost := f.fault, f.lost
	f.mu.Unlock()
	if fault != nil && fault(method, w) {
		return
	}
	answer := f.carryOut(method, r)
	if lost != nil && lost(method) {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

type object = map[string]any

func (f *fakeSlack) carryOut(method string, r *http.Request) object {
	if strings.HasPrefix(method, "views.") {
		var body struct {
			View    json.RawMessage `json:"view"`
			Trigger string          `json:"trigger_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return object{"ok": false, "error": "invalid_arguments"}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.views = append(f.views, string(body.View))
		if f.opened != nil && body.Trigger != "" {
			go f.opened(string(body.View))
		}
		var v struct{ Blocks json.RawMessage }
		_ = json.Unmarshal(body.View, &v)
		if why := refusal(string(v.Blocks), 100); why != "" {
			f.refused = append(f.refused, why)
			return object{"ok": false, "error": "invalid_arguments"}
		}
		return object{"ok": true, "view": object{"id": "V1"}}
	}
	_ = r.ParseForm()
	form := r.Form
	m := &message{Channel: form.Get("channel"), Thread: form.Get("thread_ts"), Text: form.Get("text"), Blocks: form.Get("blocks"), Metadata: form.Get("metadata"), User: form.Get("user"), Bot: botID, Form: form}
	f.mu.Lock()
	defer f.mu.Unlock()
	if why := refusal(m.Blocks, 50); why != "" {
		f.refused = append(f.refused, why)
		return object{"ok": false, "error": "invalid_blocks"}
	}
	switch method {
	case "auth.test":
		return object{"ok": true, "bot_id": botID, "team_id": "T1"}
	case "conversations.open":
		return object{"ok": true, "channel": object{"id": "D" + form.Get("users")}}
	case "usergroups.users.list":
		return object{"ok": true, "users": []string{"U1"}}
	case "chat.postMessage":
		m.TS = fmt.Sprintf("%d.%06d", time.Now().Unix(), len(f.messages))
		f.messages = append(f.messages, m)
		if f.heard != nil {
			go f.heard(*m)
		}
		return object{"ok": true, "channel": m.Channel, "ts": m.TS}
	case "chat.postEphemeral":
		f.alone = append(f.alone, *m)
		return object{"ok": true, "message_ts": "1"}
	case "chat.update":
		for _, there := range f.messages {
			if there.TS == form.Get("ts") && there.Channel == m.Channel {
				there.Text, there.Blocks, there.Metadata = m.Text, m.Blocks, m.Metadata
				return object{"ok": true, "channel": m.Channel, "ts": there.TS}
			}
		}
		return object{"ok": false, "error": "message_not_found"}
	case "conversations.history", "conversations.replies":
		found := []object{}
		for _, there := range f.messages {
			if there.Channel == m.Channel && (method == "conversations.replies" && there.Thread == form.Get("ts") || method == "conversations.history" && there.Thread == "") {
				found = append(found, object{"ts": there.TS, "bot_id": there.Bot, "metadata": json.RawMessage(there.Metadata)})
			}
		}
		return object{"ok": true, "messages": found}
	}
	return object{"ok": false, "error": "unknown_method"}
}

// posted are the messages in no thread, and told those in one, as they stand now.
func (f *fakeSlack) posted() (asked, told []message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.Thread == "" {
			asked = append(asked, *m)
		} else {
			told = append(told, *m)
		}
	}
	return asked, told
}

func (f *fakeSlack) count(method string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c == method {
			n++
		}
	}
	return n
}

// lastAlone is what a person was told last, alone.
func (f *fakeSlack) lastAlone() message {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.alone) == 0 {
		return message{}
	}
	return f.alone[len(f.alone)-1]
}

func (f *fakeSlack) lastView() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.views) == 0 {
		return ""
	}
	return f.views[len(f.views)-1]
}

// A button of a message.
type button struct {
	Action string `json:"action_id"`
	Value  string `json:"value"`
	URL    string `json:"url"`
}

func (m message) buttons() map[string]button {
	var blocks []struct {
		Elements []json.RawMessage `json:"elements"`
		Type     string            `json:"type"`
	}
	_ = json.Unmarshal([]byte(m.Blocks), &blocks)
	out := map[string]button{}
	for _, b := range blocks {
		for _, raw := range b.Elements {
			var e button
			if json.Unmarshal(raw, &e) == nil && e.Action != "" {
				out[e.Action] = e
			}
		}
	}
	return out
}

// click is what Slack delivers once a user clicks a button of a message.
func (f *fakeSlack) click(m message, user, action string) string {
	f.mu.Lock()
	f.clicks++
	n := f.clicks
	f.mu.Unlock()
	return payload(object{"type": "block_actions", "trigger_id": fmt.Sprint("trigger-", n), "team": object{"id": "T1"}, "user": object{"id": user, "team_id": "T1"},
		"container": object{"channel_id": m.Channel, "message_ts": m.TS},
		"actions":   []object{{"action_id": action, "block_id": "b", "type": "button", "value": m.buttons()[action].Value}}})
}

// submit is what Slack delivers once a user sends the form that was opened last.
func (f *fakeSlack) submit(t testing.TB, user string, values object) string {
	return f.submitTo(t, f.lastView(), user, values)
}

func (f *fakeSlack) submitTo(t testing.TB, view, user string, values object) string {
	var v object
	require.NoError(t, json.Unmarshal([]byte(view), &v))
	v["id"], v["state"] = "V1", object{"values": values}
	f.mu.Lock()
	f.clicks++
	n := f.clicks
	f.mu.Unlock()
	return payload(object{"type": "view_submission", "trigger_id": fmt.Sprint("trigger-", n), "team": object{"id": "T1"}, "user": object{"id": user, "team_id": "T1"}, "view": v})
}

func payload(o object) string {
	raw, _ := json.Marshal(o)
	return string(raw)
}

// delivery is a signed request with a payload, as Slack makes it.
func delivery(payload string, at time.Time) *http.Request {
	body := url.Values{"payload": {payload}}.Encode()
	r := httptest.NewRequest(http.MethodPost, "/slack", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ts := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", ts, body)
	r.Header.Set("X-Slack-Request-Timestamp", ts)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	return r
}

func deliver(app *slack.App, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w
}

// viewOf is the form for the answers to a request that a message shows.
func viewOf(m message) string {
	return payload(object{"callback_id": "duvotool_answers", "private_metadata": payload(object{"job": "job", "request": "request", "digest": digestIn(m), "channel": m.Channel, "ts": m.TS})})
}

func digestIn(m message) string {
	var t struct{ Digest string }
	_ = json.Unmarshal([]byte(m.buttons()["duvotool_answer"].Value), &t)
	return t.Digest
}
