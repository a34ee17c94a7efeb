// Service hands work to Duvo over HTTP and lets people decide what the Jobs ask:
// the model of a program that runs for months. Its journal and its audit are files;
// it may be killed at any moment, and started again while Duvo is down.
//
//	POST /jobs                       {"key", "assignment", "input"}: start work, once for each key
//	GET  /jobs                       what is in flight
//	GET  /jobs/{key}                 how the work with a key stands, or ended
//	GET  /requests                   what waits for a person, each with its digest
//	POST /jobs/{key}/requests/{id}   {"digest", "verdict", "reason", "answers"}: decide
//	POST /duvo                       Duvo's webhook, where DUVO_WEBHOOK_URL and _SECRET are set
//	GET  /health                     how it is: what waits, what does not work
//	GET  /healthz                    503 where only a new start helps; for a supervisor
//	GET  /readyz                     503 where work should go elsewhere, or come later
//
// With DUVO_API_KEY set (and DUVO_API_BASE_URL, DUVO_TEAM_ID where needed) it works
// with that Duvo. Without, it runs on an emulator in this process, with a journal
// that is removed at the end:
//
//	go run ./examples/service
//	curl -H 'X-Person: kim' -d '{"key":"order 4711","assignment":"Complaint handler","input":"Refund order 4711"}' localhost:8080/jobs
//	curl -H 'X-Person: kim' localhost:8080/requests
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
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/duvotool/duvotool/journal"
)

const (
	discoverWithin = 5 * time.Second     // then it starts with what the journal knows
	closeWithin    = 25 * time.Second    // less than what a supervisor gives it before it kills
	auditSize      = 64 << 20            // bytes of one file of the audit: some 24,000 Jobs; then it goes on in another
	remembered     = 30 * 24 * time.Hour // a key that comes again within this time is the same work
)

type config struct {
	listen, data, personHeader string
	poll                       time.Duration
}

var help = usage.Text{
	Does: "Serves work in Duvo over HTTP: start it, see how it stands, decide what it asks.",
	About: `It may be killed at any moment: what was taken is gone on with, and nothing is
done twice. Without DUVO_API_KEY it runs on an emulator inside this process, where the
header X-Person says who calls.

POST /jobs starts work, GET /jobs lists what is in flight, and GET /jobs/KEY tells how
one stands. GET /requests lists what waits for people, with the path to post each decision
to, and its digest: {"digest", "verdict", "reason", "answers"}, where the verdict is
approve, deny or answer. GET /health tells how the service is, as docs/operations.md
explains; a supervisor asks /healthz and /readyz.`,
	Env: slices.Concat(usage.Duvo("without it an emulator inside this process is used"), []usage.Entry{
		{Name: "DUVO_WEBHOOK_URL", Means: "where Duvo's webhook reaches POST /duvo of this service; Jobs are then read sooner"},
		{Name: "DUVO_WEBHOOK_SECRET", Means: "its signing secret, as Duvo shows it"},
	}),
	Exit: []usage.Entry{{Name: "0", Means: "it was stopped by ctrl-C or SIGTERM"}, {Name: "1", Means: "it cannot serve; the log on stderr says why"}},
	Examples: []string{
		"service",
		`curl -H 'X-Person: kim' localhost:8080/jobs -d '{"key":"order 4711",`,
		`      "assignment":"Complaint handler","input":"Refund order 4711"}'`,
		"service -data /var/lib/duvo -person-header X-Forwarded-User",
	},
}

func main() {
	var c config
	fs := flag.NewFlagSet("service", flag.ContinueOnError)
	fs.StringVar(&c.listen, "listen", "127.0.0.1:8080", "the `ADDRESS` to serve")
	fs.StringVar(&c.data, "data", "", "the `FOLDER` of the journal and the audit, which outlive the process; it must exist; needed with DUVO_API_KEY")
	fs.StringVar(&c.personHeader, "person-header", "", "the `HEADER` in which your authenticating proxy tells who calls; needed with DUVO_API_KEY")
	fs.DurationVar(&c.poll, "poll", 0, "how often a Job is read; 0 is by its age, from 5s, as Duvo advises")
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := inDuvo(ctx, c, log)
	stop()
	if err != nil {
		log.Error("service: " + hitl.SafeLine(err.Error(), 1000))
		os.Exit(1)
	}
	log.Info("stopped")
}

// inDuvo runs the service on the Duvo that the environment names, or else on an
// emulator.
func inDuvo(ctx context.Context, c config, log *slog.Logger) error {
	if os.Getenv(duvo.EnvAPIKey) != "" {
		if c.data == "" || c.personHeader == "" {
			return errors.New("-data and -person-header are needed with " + duvo.EnvAPIKey + ": work must outlive the process, and nobody unknown may decide")
		}
		client, err := duvo.FromEnv(duvo.WithLogger(log))
		if err != nil {
			return err
		}
		return run(ctx, c, client, log)
	}
	if host, _, err := net.SplitHostPort(c.listen); err != nil || !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("-listen %s: without %s anybody could say who they are, so it must be a loopback address", c.listen, duvo.EnvAPIKey)
	}
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()), duvotest.WithHistory(1000))
	defer d.Close()
	var err error
	if c.data, err = os.MkdirTemp("", "duvotool-service-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.data) // the emulator's Jobs end with it
	c.personHeader, c.poll = "X-Person", 100*time.Millisecond
	log.Info("runs on an emulator; set " + duvo.EnvAPIKey + " to use the real Duvo. Say who you are by the header X-Person")
	return run(ctx, c, d.Client(), log)
}

// run serves until ctx ends. What it opens first it closes last.
func run(ctx context.Context, c config, client *duvo.Client, log *slog.Logger) error {
	if _, err := os.Stat(c.data); err != nil { // and none is made: it may be a volume that is not mounted
		return fmt.Errorf("the folder of -data must be there, with the journal in it unless this is the first start: %w", err)
	}
	l, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	defer l.Close()
	jobs, err := bolt.Open(filepath.Join(c.data, "journal.db"))
	if err != nil {
		return err // ErrLocked: another process is at work; two must not share the file
	}
	defer jobs.Close()
	records, err := openAudit(c.data, auditSize)
	if err != nil {
		return err
	}
	defer records.Close()
	opts := options(jobs, records, log)
	if url := os.Getenv("DUVO_WEBHOOK_URL"); url != "" {
		opts = append(opts, duvotool.WithWebhook(url, os.Getenv("DUVO_WEBHOOK_SECRET")))
	}
	if c.poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(c.poll))
	}
	starting, cancel := context.WithTimeout(ctx, discoverWithin)
	reg, err := duvotool.Discover(starting, client, opts...)
	cancel()
	if err != nil {
		return err
	}
	log.Info("serving", "url", "http://"+l.Addr().String(), "assignments_known", reg.Discovered(), "taken_up", len(reg.Resumed()))
	return serve(ctx, l, newService(reg, fromHeader(c.personHeader), log), log)
}

// openAudit opens the audit, which goes on in another file where one has grown large:
// finished ones lie beside it, and may be moved away. Windows renames no open file, so
// there it is one.
func openAudit(data string, size int64) (*audit.File, error) {
	path := filepath.Join(data, "audit.jsonl")
	if runtime.GOOS == "windows" {
		return audit.OpenFile(path)
	}
	return audit.OpenFile(path, audit.MaxSize(size))
}

// options are those of the registry. Every request is put off, so that a person may
// take days over it, over restarts too, and nothing runs meanwhile.
func options(j journal.Journal, a audit.Log, log *slog.Logger) []duvotool.Option {
	putOff := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	return []duvotool.Option{
		duvotool.DiscoverLater(), duvotool.WithJournal(j), duvotool.WithAudit(a), duvotool.WithPolicy(putOff),
		duvotool.WithRetention(remembered), duvotool.WithRefreshEvery(10 * time.Minute), duvotool.WithLogger(log),
	}
}

// serve answers until ctx ends, and then closes the registry and the server. While
// the registry closes, whoever comes is told to come again.
func serve(ctx context.Context, l net.Listener, s *service, log *slog.Logger) error {
	srv := &http.Server{
		Handler: s.handler(), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		log.Info("stopping")
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	return errors.Join(err, s.reg.Close(closing), srv.Shutdown(closing))
}
