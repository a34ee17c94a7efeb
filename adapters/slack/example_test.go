package slack_test

import (
	"context"
	"log"
	"net/http"
	"os"
	"os/signal"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	api "github.com/slack-go/slack"
)

// Approvals go to a channel, over Socket Mode: nothing of the program is reachable from
// outside.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	client := api.New(os.Getenv("SLACK_BOT_TOKEN"), api.OptionAppLevelToken(os.Getenv("SLACK_APP_TOKEN")))
	app, err := slack.New(slack.Config{
		Client:     client,
		SocketMode: true,
		To: func(r hitl.Request) string {
			if r.Assignment.Name == "Refunds" {
				return "C012AB3CD" // the channel of the refunds team
			}
			return "U012AB3CD" // kim
		},
		People: slack.Users(map[string]string{"U012AB3CD": "kim@example.com", "U045EF6GH": "lee@example.com"}),
		Store:  slack.Dir("slack-posts"),
	})
	if err != nil {
		log.Fatal(err)
	}
	jobs, err := duvo.FromEnv() // DUVO_API_KEY
	if err != nil {
		log.Fatal(err)
	}
	reg, err := duvotool.Discover(ctx, jobs,
		duvotool.WithPolicy(app), duvotool.WithObserver(app.Observe))
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Print(app.Run(ctx, reg)) }()
	// ... run an agent with reg.Tools()
}

// Over HTTP: the app's Request URL for interactivity is https://example.com/slack.
func ExampleApp_ServeHTTP() {
	client := api.New(os.Getenv("SLACK_BOT_TOKEN"))
	app, err := slack.New(slack.Config{
		Client:        client,
		SigningSecret: os.Getenv("SLACK_SIGNING_SECRET"),
		To:            func(hitl.Request) string { return "C012AB3CD" },
		People:        slack.InGroups(client, slack.Users(map[string]string{"U012AB3CD": "kim@example.com"}), "S012AB3CD"),
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("POST /slack", app)
}
