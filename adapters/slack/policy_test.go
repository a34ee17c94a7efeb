package slack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A staffed policy is an app with somebody in Slack who decides everything after a
// minute. The app runs while it is asked.
type staffed struct {
	t     testing.TB
	mu    sync.Mutex
	asked int
	app   *slack.App
	stop  func()
}

func (s *staffed) begin() *slack.App {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked++; s.asked > 1 {
		return s.app
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &fakeSlack{}
	app, err := slack.New(slack.Config{Client: f.client(), To: func(hitl.Request) string { return channelC }, People: people, SigningSecret: secret,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(s.t, err)
	f.heard = func(m message) {
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return
		}
		for _, action := range []string{"duvotool_approve", "duvotool_answer"} {
			if m.buttons()[action].Value != "" {
				deliver(app, delivery(f.click(m, "U1", action), time.Now()))
			}
		}
	}
	f.opened = func(view string) { deliver(app, delivery(f.submitTo(s.t, view, "U1", firstAnswers(view)), time.Now())) }
	ended := make(chan struct{})
	go func() { defer close(ended); _ = app.Run(ctx) }()
	s.app, s.stop = app, func() { cancel(); <-ended }
	return app
}

// firstAnswers choose the first option of every question of a form.
func firstAnswers(view string) object {
	var v struct {
		Blocks []struct {
			ID      string `json:"block_id"`
			Element struct {
				ID string `json:"action_id"`
			} `json:"element"`
		} `json:"blocks"`
	}
	_ = json.Unmarshal([]byte(view), &v)
	out := object{}
	for _, b := range v.Blocks {
		out[b.ID] = object{b.Element.ID: object{"value": "fine", "selected_option": object{"value": "0"}, "selected_options": []object{{"value": "0"}}}}
	}
	return out
}

func (s *staffed) Decide(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
	app := s.begin()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asked--; s.asked == 0 {
			s.stop()
		}
	}()
	return app.Decide(ctx, r)
}

func TestPolicy(t *testing.T) {
	duvotooltest.TestPolicy(t, func() hitl.Policy { return &staffed{t: t} })
}

// As a policy the app asks in Slack and waits for the answer, over restarts.
func TestAskedAsAPolicy(t *testing.T) {
	posting(t, func(b *bench) {
		b.policy = appOf{b}
		b.stop()
		b.start()
		done := b.run("refunds", "Refund 120 EUR")
		m := b.asked()
		b.stop()
		<-done // pending, or closed
		require.Equal(t, m, b.asked(), "the question is still there")
		b.start()
		b.pass(time.Minute)
		require.Equal(t, m, b.asked())
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		b.settled("Approved by kim@example.com")
		require.Equal(t, "Slack", b.decision().Path)
		b.pass(time.Minute)
		require.Contains(t, b.told(), "The Job completed.")
	})
}

// A registry that closes leaves the question as it is.
func TestClosedWhileAsked(t *testing.T) {
	posting(t, func(b *bench) {
		b.stop()
		b.policy, b.alone = appOf{b}, true
		b.start()
		done := b.run("refunds", "Refund 120 EUR")
		m := b.asked()
		require.NoError(t, b.reg.Close(context.Background()))
		require.ErrorContains(t, <-done, "closed")
		b.pass(time.Minute)
		require.Equal(t, m, b.asked())
	})
}

// A person who comes too late is told who has decided, by whatever way.
func TestAskedBesideOthers(t *testing.T) {
	posting(t, func(b *bench) {
		b.policy = hitl.Timeout(time.Hour, appOf{b}, hitl.AlwaysDeny("nobody came"))
		b.stop()
		b.start()
		done := b.run("refunds", "Refund 120 EUR")
		m := b.asked()
		b.pass(2 * time.Hour)
		require.NoError(t, <-done)
		b.settled("nobody came")
		b.deliver(b.slack.click(m, "U1", "duvotool_approve"))
		require.Contains(t, b.slack.lastAlone().Blocks, "nobody came")
		require.False(t, *b.duvo.Jobs()[0].Requests[0].Response.Approved)
	})
}

// What cannot be shown whole in Slack waits at the desk; without one nobody is asked.
func TestAskedWhatDoesNotFit(t *testing.T) {
	long := "Refund|" + strings.Repeat("harmless\n", 3000)
	posting(t, func(b *bench) {
		b.policy = appOf{b}
		b.stop()
		b.start()
		done := b.run("refunds", long)
		require.NoError(t, <-done)
		require.Len(t, b.reg.Pending(), 1)
		require.Contains(t, b.asked().Blocks, "Read it whole and decide at the desk")
		require.NotContains(t, b.asked().buttons(), "duvotool_approve")
	})
	app, err := slack.New(slack.Config{Client: (&fakeSlack{}).client(), To: func(hitl.Request) string { return channelC }, People: people})
	require.NoError(t, err)
	d, err := app.Decide(t.Context(), duvotooltest.Approval("Refund", func(r *hitl.Request) { r.Input = long }))
	require.NoError(t, err)
	require.True(t, d.NobodyAsked())
	d, err = app.Decide(t.Context(), duvotooltest.Question([]duvo.QuestionItem{{Question: "a"}, {Question: "a"}}))
	require.NoError(t, err)
	require.True(t, d.NobodyAsked())
}

func TestNewRefusesNonsense(t *testing.T) {
	good := slack.Config{Client: (&fakeSlack{}).client(), To: func(hitl.Request) string { return "" }, People: people}
	for want, change := range map[string]func(*slack.Config){
		"Client": func(c *slack.Config) { c.Client = nil }, "To": func(c *slack.Config) { c.To = nil }, "People": func(c *slack.Config) { c.People = nil },
	} {
		c := good
		change(&c)
		_, err := slack.New(c)
		require.ErrorContains(t, err, "Config."+want)
	}
	app, err := slack.New(good)
	require.NoError(t, err)
	require.Error(t, app.Run(t.Context(), nil))
	d, err := app.Decide(t.Context(), duvotooltest.Approval("x"))
	require.NoError(t, err)
	require.True(t, d.NobodyAsked(), "it is posted nowhere")
}

// appOf asks the app of the process that is under way.
type appOf struct{ b *bench }

func (a appOf) Decide(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
	return a.b.app.Decide(ctx, r)
}

// run calls a tool whose policy asks.
func (b *bench) run(tool, input string) <-chan error {
	b.Helper()
	b.started++
	tl, err := b.reg.Tool(tool)
	require.NoError(b, err)
	done := make(chan error, 1)
	go func() {
		_, err := tl.Run(duvotool.WithOperationKey(context.Background(), fmt.Sprint(b.started)), input)
		done <- err
	}()
	b.pass(15 * time.Second)
	return done
}
