package slack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	api "github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"
	"github.com/stretchr/testify/require"
)

// Over Socket Mode: a click is acknowledged and decides once, however often its
// envelope comes.
func TestSocketMode(t *testing.T) {
	f := &fakeSlack{}
	server := slacktest.NewTestServer(func(c slacktest.Customize) {
		for _, method := range []string{"auth.test", "chat.postMessage", "chat.postEphemeral", "chat.update", "views.open", "views.update", "conversations.history"} {
			c.Handle("/"+method, f.ServeHTTP)
		}
	})
	server.Start()
	defer server.Stop()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	client := api.New("xoxb-token", api.OptionAppLevelToken("xapp-token"), api.OptionAPIURL(server.GetAPIURL()), api.OptionHTTPClient(web))
	fake := &fakeRegistry{}
	app, err := slack.New(slack.Config{Client: client, SocketMode: true, To: func(hitl.Request) string { return channelC }, People: people})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, fake) }()
	defer func() { cancel(); require.ErrorIs(t, <-ended, context.Canceled) }()

	fake.set(duvotooltest.Approval("Refund 120 EUR"))
	asked := func() (m message) {
		require.Eventually(t, func() bool {
			all, _ := f.posted()
			if len(all) == 1 {
				m = all[0]
			}
			return len(all) == 1
		}, time.Minute, 5*time.Millisecond)
		return m
	}
	m := asked()
	send := func(envelope, payload string) (ack string) {
		server.SendToWebsocket(fmt.Sprintf(`{"type":"interactive","envelope_id":%q,"accepts_response_payload":true,"payload":%s}`, envelope, payload))
		select {
		case ack := <-server.SeenFeed:
			var e struct {
				ID string `json:"envelope_id"`
			}
			require.NoError(t, json.Unmarshal([]byte(ack), &e))
			require.Equal(t, envelope, e.ID)
			return ack
		case <-time.After(time.Minute):
			require.Fail(t, "there is no acknowledgement")
			return ""
		}
	}
	server.SendToWebsocket(`{"type":"message","text":"nothing of ours"}`)
	open := f.click(m, "U1", "duvotool_deny")
	send("e1", open)
	require.Eventually(t, func() bool { return f.lastView() != "" }, time.Minute, time.Millisecond)
	form := f.submit(t, "U1", object{"reason": object{"reason": object{"value": "no"}}})
	for _, envelope := range []string{"e2", "e2", "e3"} { // delivered again, and again under another ID
		require.Contains(t, send(envelope, form), "Your decision is being sent.")
	}
	send("e4", open)
	require.Eventually(t, func() bool { return f.count("views.update") == 1 }, time.Minute, time.Millisecond)
	require.Equal(t, 1, f.count("views.open"))
	require.Equal(t, "no", fake.taken()[0].Reason)
	require.Len(t, fake.taken(), 1)
}

func (f *fakeRegistry) taken() []hitl.Decision {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]hitl.Decision{}, f.decided...)
}

// A token that Slack refuses ends Run; a Slack that is away does not.
func TestSocketModeTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeSlack{fault: func(method string, w http.ResponseWriter) bool {
			_, _ = w.Write([]byte(`{"ok":false,"error":"invalid_auth"}`))
			return true
		}}
		app, err := slack.New(slack.Config{Client: f.client(), SocketMode: true, To: func(hitl.Request) string { return channelC }, People: people})
		require.NoError(t, err)
		require.ErrorContains(t, app.Run(t.Context()), "Slack refuses the app-level token")
		require.ErrorContains(t, app.Run(t.Context()), "has run, already")

		f.fault = func(method string, w http.ResponseWriter) bool { w.WriteHeader(503); return true }
		app, err = slack.New(slack.Config{Client: f.client(), SocketMode: true, To: func(hitl.Request) string { return channelC }, People: people})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		require.ErrorIs(t, app.Run(ctx), context.DeadlineExceeded)
		require.Less(t, f.count("apps.connections.open"), 100)
	})
}
