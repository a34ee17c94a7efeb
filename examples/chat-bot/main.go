// Chat-bot is an agent in Slack: whoever mentions it in a thread gets the answer there,
// and what its Jobs want to have approved is asked there too. It may be killed at any
// moment: it goes on with what it was asked, starts nothing twice and asks nothing twice.
//
// It is served by HTTP: give the Slack app the address of /slack/events for the event
// app_mention, and of /slack/actions for interactivity. adapters/slack/README.md tells how
// the app is made; this one needs the scope app_mentions:read as well.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	api "github.com/slack-go/slack"
)

var help = usage.Text{
	Does: "Answers mentions in Slack with Duvo's Assignments, and asks approvals there.",
	About: `Who mentions the bot gets its answer in the thread, in which the people of -people
approve what its Jobs ask. What was mentioned is kept in -data until it is answered, so a
bot that was killed goes on where it was.`,
	Env: slices.Concat(usage.Duvo("needed"), []usage.Entry{
		{Name: "SLACK_BOT_TOKEN", Means: "the app's bot token, xoxb-...; needed"},
		{Name: "SLACK_SIGNING_SECRET", Means: "with which Slack signs what it sends; needed"},
		{Name: "SLACK_API_URL", Means: "where Slack is, if not at its usual address"},
	}, usage.Model),
	Exit:     []usage.Entry{{Name: "0", Means: "it was stopped by ctrl-C or SIGTERM"}, {Name: "1", Means: "it cannot serve; the log on stderr says why"}},
	Examples: []string{"chat-bot -people U012AB3CD=kim@example.com,U045EF6GH=lee@example.com"},
}

type config struct {
	listen, data string
	people       map[string]string
	poll         time.Duration
}

func main() {
	c := config{people: map[string]string{}}
	fs := flag.NewFlagSet("chat-bot", flag.ContinueOnError)
	fs.StringVar(&c.listen, "listen", "127.0.0.1:8080", "the `ADDRESS` to serve; TLS goes in front of it")
	fs.StringVar(&c.data, "data", "chat-bot-data", "the `FOLDER` that outlives the process")
	fs.DurationVar(&c.poll, "poll", 0, "how often a Job is read; 0 is by its age, from 5s")
	fs.Func("people", "who may decide: `ID=LOGIN` of Slack users, comma-separated; needed", func(text string) error {
		for pair := range strings.SplitSeq(text, ",") {
			id, login, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok || id == "" || login == "" {
				return errors.New("it must look like U012AB3CD=kim@example.com")
			}
			c.people[id] = login
		}
		return nil
	})
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	if len(c.people) == 0 || c.poll < 0 {
		os.Exit(usage.Complain(fs.Name(), errors.New("-people is needed, and -poll cannot be negative"), os.Stderr))
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := c.run(ctx, log)
	stop()
	if err != nil {
		log.Error("chat-bot: " + hitl.SafeLine(err.Error(), 1000))
		os.Exit(usage.Failed)
	}
}

// run serves until ctx ends. What it opens first it closes last.
func (c config) run(ctx context.Context, log *slog.Logger) error {
	token, secret := os.Getenv("SLACK_BOT_TOKEN"), os.Getenv("SLACK_SIGNING_SECRET")
	if token == "" || secret == "" {
		return errors.New("SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET are needed")
	}
	var at []api.Option
	if url := os.Getenv("SLACK_API_URL"); url != "" {
		at = append(at, api.OptionAPIURL(url))
	}
	client, err := duvo.FromEnv(duvo.WithLogger(log))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return err
	}
	journal, err := bolt.Open(filepath.Join(c.data, "journal.db"))
	if err != nil {
		return err
	}
	defer journal.Close()
	record, err := audit.OpenFile(filepath.Join(c.data, "audit.jsonl"))
	if err != nil {
		return err
	}
	defer record.Close()
	b := &bot{slack: api.New(token, at...), secret: secret, people: c.people, log: log, mentions: mentions{dir: filepath.Join(c.data, "mentions")}}
	opts := []duvotool.Option{duvotool.WithJournal(journal), duvotool.WithAudit(record), duvotool.WithLogger(log), duvotool.WithRefreshEvery(10 * time.Minute)}
	if c.poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(c.poll))
	}
	model, name, err := setup.Model(script)
	if err != nil {
		return err
	}
	if err := b.open(ctx, client, model, slack.Dir(filepath.Join(c.data, "posts")), opts...); err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.listen)
	if err != nil {
		return errors.Join(err, b.close())
	}
	log.Info("serving", "url", "http://"+l.Addr().String(), "model", name)
	return errors.Join(b.serve(ctx, l), b.close())
}

// serve serves until ctx ends.
func (b *bot) serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: b.handler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return srv.Shutdown(closing)
}

// script is the stand-in's for the model: it hands the message to what fits it best, and
// says what came of it.
func script(t setup.Turn) (calls []setup.Call, words string) {
	if len(t.Results) > 0 {
		return nil, t.Results[0]
	}
	return []setup.Call{{Tool: t.Fitting(t.Task), Arguments: map[string]string{"input": t.Task}}}, ""
}
