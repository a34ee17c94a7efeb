// Command mail sends a mail when a Job waits for a decision, with a link to the desk
// at which it is decided.
//
//	SMTP_ADDR=mail.example.com:587 SMTP_USER=duvo SMTP_PASSWORD=... \
//	MAIL_FROM=duvo@example.com MAIL_TO=kim@example.com \
//	DESK_PASSWORD=... go run ./examples/mail
//
// The link opens a page, and decides nothing: mail scanners follow links. On the page
// kim signs in with that password, and decides. The Jobs run on the embedded emulator.
// For Teams, or whatever else takes a message by HTTP, give notify.Config another Send.
package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/adapters/notify"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
)

var help = usage.Text{
	Does: "Mails a link to the desk when a Job waits for a decision.",
	About: `The link opens a page, and decides nothing: mail scanners follow links. On the
page MAIL_TO signs in with DESK_PASSWORD. The Job runs on an emulator inside this process,
until ctrl-C.`,
	Env: []usage.Entry{
		{Name: "SMTP_ADDR", Means: "the mail server, such as mail.example.com:587; needed"},
		{Name: "SMTP_USER", Means: "who signs in there, with SMTP_PASSWORD; empty: nobody"},
		{Name: "SMTP_PASSWORD", Means: "the password for that"},
		{Name: "MAIL_FROM", Means: "the sender; needed"},
		{Name: "MAIL_TO", Means: "who is told, and decides; needed"},
		{Name: "DESK_PASSWORD", Means: "with which that person signs in at the desk; needed"},
	},
	Examples: []string{"SMTP_ADDR=localhost:25 MAIL_FROM=duvo@example.com MAIL_TO=kim@example.com \\", "      DESK_PASSWORD=secret mail"},
}

func main() {
	if code, done := help.Parse(flag.NewFlagSet("mail", flag.ContinueOnError), os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	m := mailer{addr: os.Getenv("SMTP_ADDR"), user: os.Getenv("SMTP_USER"), password: os.Getenv("SMTP_PASSWORD"), from: os.Getenv("MAIL_FROM"), to: os.Getenv("MAIL_TO")}
	if err := run(ctx, m, os.Getenv("DESK_PASSWORD")); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves a desk, and tells of what waits there, until ctx ends.
func run(ctx context.Context, m mailer, password string) error {
	if m.addr == "" || m.from == "" || m.to == "" || password == "" {
		return errors.New("set SMTP_ADDR, MAIL_FROM, MAIL_TO and DESK_PASSWORD")
	}
	emulator := duvotest.New(duvotest.WithAssignments(refunds))
	defer emulator.Close()
	reg, err := duvotool.Discover(ctx, emulator.Client(), duvotool.WithPolicy(hitl.PolicyFunc(
		func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })), duvotool.WithPollInterval(200*time.Millisecond))
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close(context.Background()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	desk, err := inbox.New(inbox.Config{Registries: []inbox.Registry{reg}, May: inbox.Everyone,
		Person: func(r *http.Request) (inbox.Person, error) {
			user, _, _ := r.BasicAuth()
			return inbox.Person{Login: user}, nil
		}})
	if err != nil {
		return err
	}
	defer desk.Close()
	notifier, err := notify.New(notify.Config{
		Registries: []notify.Registry{reg},
		Link: func(r hitl.Request) string {
			return fmt.Sprintf("http://%s/requests/%s", listener.Addr(), inbox.Ref(r))
		},
		Send: m.send,
	})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: signedIn(desk, m.to, password), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	tool, err := reg.Tool("refunds")
	if err != nil {
		return err
	}
	if _, err := tool.Run(ctx, "order 4711"); err != nil { // pending: somebody is to decide
		return err
	}
	return notifier.Run(ctx)
}

// signedIn lets the one person of this example in. A real program signs people in with
// its company's accounts.
func signedIn(next http.Handler, user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(u+"\n"+p), []byte(user+"\n"+password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="desk"`)
			http.Error(w, "sign in", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var refunds = duvotest.Assignment{Name: "Refunds", Description: "Refunds an order.", Script: func(j *duvotest.Job) {
	if j.AskApproval("Refund 120.00 EUR – "+j.Input(), "It arrived damaged.") {
		j.Complete("Refunded.")
	}
	j.Complete("Not refunded.")
}}
