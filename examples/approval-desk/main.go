// Command approval-desk runs a desk at which people approve what Jobs ask, beside an
// agent that keeps handing work over.
//
//	go run ./examples/approval-desk
//
// It prints an address; open it, sign in as one of two people, and approve a refund.
// Without DUVO_API_KEY the Jobs run on the embedded emulator. With it, it is a desk for
// real Jobs: who is signed in hands work over at /new, signing in takes a code that the
// program prints, and journal, audit and hold stay in the folder of -data, so that a
// restart goes on where this one was.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
)

var help = usage.Text{
	Does: "Runs a desk in the browser at which people approve what Jobs ask.",
	About: `It prints an address: open it, sign in as one of two people, and decide what
waits. Without DUVO_API_KEY an agent keeps handing work to an emulator inside this process.
With it, it is a desk for real Jobs: who is signed in hands work over at /new, signing in
takes a code that the program prints, and a restart goes on from the folder of -data.`,
	Env:      usage.Duvo("without it an emulator inside this process is used"),
	Exit:     []usage.Entry{{Name: "0", Means: "it was stopped by ctrl-C"}, {Name: "1", Means: "it cannot serve; stderr says why"}},
	Examples: []string{"approval-desk", "approval-desk -addr 127.0.0.1:8080 -every 5s"},
}

func main() {
	fs := flag.NewFlagSet("approval-desk", flag.ContinueOnError)
	addr := fs.String("addr", "127.0.0.1:0", "the `ADDRESS` to serve on; port 0 takes a free one")
	every := fs.Duration("every", 20*time.Second, "how often the agent hands something over")
	data := fs.String("data", "approval-desk-data", "with DUVO_API_KEY: the `FOLDER` that journal and audit are kept in")
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	if *every <= 0 {
		os.Exit(usage.Complain(fs.Name(), errors.New("-every must be positive"), os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *data, *every, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves the desk until ctx ends.
func run(ctx context.Context, addr, data string, every time.Duration, out io.Writer) error {
	client, emulator, err := connect()
	if err != nil {
		return err
	}
	dir, keep, err := folder(data, emulator != nil)
	if err != nil {
		return err
	}
	if emulator != nil {
		defer emulator.Close()
		defer func() { _ = os.RemoveAll(dir) }()
	}
	if keep != nil {
		defer func() { _ = keep.Close() }()
	}
	path := filepath.Join(dir, "audit.jsonl")
	record, err := audit.OpenFile(path)
	if err != nil {
		return err
	}
	defer func() { _ = record.Close() }()

	hold := hitl.NewHold(hitl.HoldFile(filepath.Join(dir, "hold.json")), audit.Switches(record))
	opts := []duvotool.Option{
		duvotool.WithPolicy(hold.Over(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil }))),
		duvotool.WithAudit(record),
	}
	if emulator != nil {
		opts = append(opts, duvotool.WithPollInterval(200*time.Millisecond)) // Duvo itself is read as it advises
	}
	if keep != nil {
		opts = append(opts, duvotool.WithJournal(keep))
	}
	reg, err := duvotool.Discover(ctx, client, opts...)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close(context.Background()) }()

	sessions := newSessions(emulator == nil)
	desk, err := inbox.New(inbox.Config{
		Registries: []inbox.Registry{reg},
		Person:     sessions.person,
		May:        inbox.Everyone,
		BasePath:   "/desk",
		SignIn:     "/signin",
		SignOut:    "/signout",
		Audit:      inbox.AuditFile(path),
		Hold:       hold,
	})
	if err != nil {
		return err
	}
	defer desk.Close()

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	greet(out, listener.Addr(), dir, sessions)
	if emulator != nil {
		go delegate(ctx, reg, every)
	}
	return serve(ctx, pages(desk, sessions, reg), listener, desk)
}

// pages has the desk and what stands around it.
func pages(desk *inbox.Desk, sessions *sessions, reg *duvotool.Registry) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/desk/", http.StripPrefix("/desk", desk))
	sessions.serve(mux)
	serveNew(mux, sessions, reg)
	mux.Handle("/{$}", http.RedirectHandler("/desk/", http.StatusSeeOther))
	return mux
}

// greet tells where the desk is, and how people and duvoctl get in.
func greet(out io.Writer, addr net.Addr, dir string, sessions *sessions) {
	_, _ = fmt.Fprintf(out, "The desk is at http://%s/desk/, and work is handed over at http://%s/new.\n", addr, addr)
	if sessions.codes == nil {
		_, _ = fmt.Fprintln(out, "Ctrl-C ends it; what waits then is lost with the emulator.")
	} else {
		_, _ = fmt.Fprintf(out, "Ctrl-C ends it; what waits then is taken up again from %s.\n", dir)
		for _, p := range people {
			_, _ = fmt.Fprintf(out, "%s signs in with %s\n", p.Login, sessions.codes[p.Login])
		}
	}
	_, _ = fmt.Fprintf(out, "For duvoctl, as %s, paste:\nexport DUVOCTL_DESK=http://%s/desk\nexport DUVOCTL_DESK_TOKEN=%s\n", people[0].Login, addr, sessions.token(people[0]))
}

// serve serves until ctx ends.
func serve(ctx context.Context, handler http.Handler, listener net.Listener, desk *inbox.Desk) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		desk.Close()
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(within)
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// delegate is the agent: it hands over one thing after another, and does not wait.
func delegate(ctx context.Context, reg *duvotool.Registry, every time.Duration) {
	for n := 0; ; n++ {
		job := work[n%len(work)]
		if tool, err := reg.Tool(job.tool); err == nil {
			own := duvotool.WithCaller(duvotool.WithOperationKey(ctx, fmt.Sprintf("ticket-%d", 88213+n)), hitl.Caller{User: "support-agent"})
			if _, err := tool.Run(own, fmt.Sprintf(job.input, 4711+n)); err != nil && ctx.Err() == nil {
				slog.Warn("handing over failed", "error", err)
			}
		}
		wait := every
		if n < len(work)-1 {
			wait = 0 // the desk is not empty when it is opened
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// folder is where what outlives the process is kept, with the journal there. On the
// emulator, whose Jobs end with it, it is a temporary one without a journal.
func folder(data string, emulated bool) (dir string, j *bolt.Journal, err error) {
	if emulated {
		dir, err = os.MkdirTemp("", "approval-desk-")
		return dir, nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return "", nil, err
	}
	j, err = bolt.Open(filepath.Join(data, "journal.db"))
	return data, j, err
}

// connect returns a client of the real Duvo, where a key is set, or of an emulator.
func connect() (*duvo.Client, emulator, error) {
	if os.Getenv("DUVO_API_KEY") != "" {
		client, err := duvo.FromEnv()
		return client, nil, err
	}
	e := newEmulator()
	return e.Client(), e, nil
}
