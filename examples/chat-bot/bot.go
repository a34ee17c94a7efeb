package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/hitl"
	api "github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
)

const instructions = "You are a bot in a chat. Hand what you are asked to the one tool that fits it best, with all details. " +
	"Then tell in a few sentences what came of it, also what was denied and why."

// A bot answers mentions.
type bot struct {
	slack    *api.Client
	secret   string
	people   map[string]string // logins by the IDs of Slack users
	log      *slog.Logger
	mentions mentions

	reg   *duvotool.Registry
	app   *slack.App
	agent *langchaingo.Agent

	asking context.Context // of the agents' runs
	leave  context.CancelFunc
	runs   sync.WaitGroup

	hush   context.CancelFunc // ends the app
	hushed chan error
}

// open makes the bot ready, and goes on with what was not answered.
func (b *bot) open(ctx context.Context, duvo duvotool.Backend, model llms.Model, posts slack.Store, opts ...duvotool.Option) error {
	open, err := b.mentions.open()
	if err != nil {
		return err
	}
	b.app, err = slack.New(slack.Config{
		Client: b.slack, SigningSecret: b.secret, People: slack.Users(b.people), Store: posts, Log: b.log,
		To:         func(r hitl.Request) string { return r.Caller.Tenant }, // the thread; see answer
		HideOutput: true,                                                   // the bot's answer has it
	})
	if err != nil {
		return err
	}
	b.reg, err = duvotool.Discover(ctx, duvo, append(opts,
		duvotool.WithPolicy(b.app), duvotool.WithObserver(b.app.Observe),
		duvotool.OncePerScope())...) // one Job of an Assignment for each message, however the model words it
	if err != nil {
		return err
	}
	b.agent, err = langchaingo.NewAgent(model, b.reg, langchaingo.WithSystem(instructions))
	if err != nil {
		return errors.Join(err, b.reg.Close(ctx))
	}
	run, hush := context.WithCancel(context.WithoutCancel(ctx))
	b.hush, b.hushed = hush, make(chan error, 1)
	go func() { b.hushed <- b.app.Run(run, b.reg) }()
	b.asking, b.leave = context.WithCancel(context.WithoutCancel(ctx))
	for _, m := range open {
		b.runs.Go(func() { b.answer(m) })
	}
	return nil
}

// close ends the bot. Who was not answered is by the next one.
func (b *bot) close() error {
	b.leave()
	b.runs.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := b.reg.Close(ctx) // before the app: a policy that is gone asks nobody
	b.hush()
	if ended := <-b.hushed; !errors.Is(ended, context.Canceled) {
		err = errors.Join(err, ended)
	}
	return err
}

// handler is what Slack calls.
func (b *bot) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /slack/actions", b.app)
	mux.HandleFunc("POST /slack/events", b.events)
	return mux
}

// events takes what Slack tells. It is answered once it is kept: what Slack is not
// answered it tells again.
func (b *bot) events(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	v, verr := api.NewSecretsVerifier(r.Header, b.secret)
	if err != nil || verr != nil {
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	if _, err = v.Write(body); err != nil || v.Ensure() != nil {
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	e, err := slackevents.ParseEvent(body, slackevents.OptionNoVerifyToken()) // it is signed
	if err != nil {
		http.Error(w, "no event", http.StatusBadRequest)
		return
	}
	switch what := e.Data.(type) {
	case *slackevents.EventsAPIURLVerificationEvent:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, what.Challenge)
		return
	}
	m, ok := e.InnerEvent.Data.(*slackevents.AppMentionEvent)
	if !ok || m.BotID != "" || b.asking.Err() != nil {
		return
	}
	said := mention{Channel: m.Channel, TS: m.TimeStamp, Thread: cmp.Or(m.ThreadTimeStamp, m.TimeStamp), User: m.User, Text: m.Text}
	switch fresh, err := b.mentions.keep(said); {
	case err != nil:
		b.log.Error("a mention cannot be kept", "error", err)
		http.Error(w, "come again", http.StatusServiceUnavailable)
	case fresh:
		b.runs.Go(func() { b.answer(said) })
	}
}

var mentioned = regexp.MustCompile(`<@[A-Z0-9]+(\|[^>]*)?>`)

// answer has the agent work on what was said, and answers in its thread. The thread goes
// with the call as its tenant: it is in every request and in the journal, so that approvals
// are asked there, after a restart too, and nothing of one thread is found from another.
// The message is the scope: however often it comes, it starts one Job of an Assignment.
func (b *bot) answer(m mention) {
	ctx := duvotool.WithCaller(b.asking, hitl.Caller{Tenant: slack.Thread(m.Channel, m.Thread), User: cmp.Or(b.people[m.User], "Slack user "+m.User)})
	ctx = duvotool.WithOperationScope(ctx, slack.Thread(m.Channel, m.TS))
	text, err := chains.Run(ctx, agents.NewExecutor(b.agent), strings.TrimSpace(mentioned.ReplaceAllString(m.Text, "")))
	if b.asking.Err() != nil {
		return // the next process answers
	}
	if err != nil {
		b.log.Error("a mention was not answered", "channel", m.Channel, "ts", m.TS, "error", hitl.SafeLine(err.Error(), 500))
		text = "That did not work. " + duvotool.ErrorText(err)
	}
	for wait := time.Second; ; wait = min(2*wait, time.Minute) { // until Slack takes it
		_, _, err := b.slack.PostMessageContext(b.asking, m.Channel, api.MsgOptionTS(m.Thread), api.MsgOptionText(hitl.SafeText(text, 3000), true),
			api.MsgOptionDisableLinkUnfurl(), api.MsgOptionDisableMediaUnfurl(), api.MsgOptionDisableMarkdown(), api.MsgOptionParse(false))
		if err == nil {
			break
		}
		b.log.Warn("an answer is late", "channel", m.Channel, "ts", m.TS, "error", hitl.SafeLine(err.Error(), 200))
		select {
		case <-time.After(wait):
		case <-b.asking.Done():
			return
		}
	}
	if err := b.mentions.answered(m); err != nil {
		b.log.Error("an answer cannot be noted, and may come again after a restart", "channel", m.Channel, "ts", m.TS, "error", err)
	}
}
