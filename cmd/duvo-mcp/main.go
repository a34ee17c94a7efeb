// Duvo-mcp offers a team's Duvo Assignments as tools to an MCP host, over stdio
// or, with -http, over Streamable HTTP.
//
//	DUVO_API_KEY       the key; DUVO_TEAM_ID and DUVO_API_BASE_URL are read too
//	DUVO_MCP_TOKEN     the bearer token that hosts must send, with -http
//
// What a Job asks a person for is denied, unless -elicit lets the host's user
// decide it, or -fallback leave leaves it to Duvo's own inbox. Where that user
// cannot be asked or does not answer, nothing is sent, and the request stays open in
// Duvo. With -emulator no
// account is needed:
//
//	duvo-mcp -emulator -elicit all
//
// Hosts are greeted at once; the Assignments are listed meanwhile, and what is wrong
// with the key or the flags is told to hosts that ask for the tools, and on stderr.
// A host that gives up on a call and calls again gets the Job that it has, see
// -scope. With -journal, and -scope user, so does one that calls after a restart. For
// hosts that put the server's name before a tool's, -short-names bounds the rest.
//
// With -http, GET /healthz tells whether the process should be started anew, and
// /readyz whether calls should come to it, to whoever asks; see
// [duvotool.Registry.Liveness]. Behind a proxy, -allow-host names it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/duvotool/duvotool/internal/version"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// envToken is the environment variable of the token that hosts must send.
const envToken = "DUVO_MCP_TOKEN"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, nil)
	stop()
	os.Exit(code)
}

type flags struct {
	emulator  bool
	transport string
	http      string
	plainHTTP bool
	hosts     []string
	logFormat string
	elicit    []string
	fallback  string
	only      []string
	budget    time.Duration
	patience  time.Duration
	poll      time.Duration
	refresh   time.Duration
	listWait  time.Duration
	journal   string
	scope     string
	link      string
	names     int
	verbose   bool
	version   bool
}

// flagSet makes the flags, which are put into f.
func flagSet(f *flags) *flag.FlagSet {
	fs := flag.NewFlagSet("duvo-mcp", flag.ContinueOnError)
	fs.BoolVar(&f.emulator, "emulator", false, "serve the Assignments of an emulated Duvo inside this process")
	fs.StringVar(&f.transport, "transport", "rest", "how Duvo is reached: `rest|mcp`")
	fs.StringVar(&f.http, "http", "", "serve Streamable HTTP at this `ADDRESS`, such as 127.0.0.1:8080 (default: stdio)")
	fs.BoolVar(&f.plainHTTP, "allow-plain-http", false, "let -http listen on an address that is not a loopback one; put TLS in front")
	list := func(into *[]string) func(string) error {
		return func(s string) error {
			before := len(*into)
			for part := range strings.SplitSeq(s, ",") {
				if part = strings.TrimSpace(part); part != "" {
					*into = append(*into, part)
				}
			}
			if len(*into) == before {
				return errors.New("no ID is given")
			}
			return nil
		}
	}
	fs.Func("elicit", "let the host's user decide for the Assignments with these `IDS`, comma-separated, or for all; nobody vouches that the host asks a person", list(&f.elicit))
	fs.Func("allow-host", "with -http behind a proxy: the `HOSTS`, comma-separated, by which hosts reach it, such as mcp.example.com; all others are refused, but for loopback ones", func(s string) error {
		f.hosts = append(f.hosts, strings.Split(s, ",")...)
		return nil
	})
	fs.StringVar(&f.logFormat, "log-format", "text", "how it logs to stderr: `text|json`; json tells the story of each Job too, a line for each step")
	fs.StringVar(&f.fallback, "fallback", "deny", "what becomes of all other requests: `deny|leave`; leave waits for the reviewers in Duvo's own inbox")
	fs.Func("only", "offer the Assignments with these `IDS` only, comma-separated (default: all)", list(&f.only))
	fs.DurationVar(&f.budget, "wait", 45*time.Second, "how long a call waits for its Job before it returns a handle for check_job; 0: to the end")
	fs.DurationVar(&f.patience, "patience", time.Hour, "how long the host's user has to decide before the fallback does")
	fs.DurationVar(&f.poll, "poll", 0, "how often a Job is read (default: 100ms on the emulator, else by the Job's age, from 5s)")
	fs.DurationVar(&f.refresh, "refresh", 10*time.Minute, "how often the Assignments are listed again; 0: never")
	fs.DurationVar(&f.listWait, "list-wait", 50*time.Second, "how long a host that asks for the tools waits while the Assignments are listed for the first time; after that it gets none, and is told when they are there. Many hosts give up after a minute")
	fs.StringVar(&f.journal, "journal", "", "keep what was begun in this `FILE`, so that a restart goes on with it; it holds the Jobs' inputs and outputs")
	fs.StringVar(&f.scope, "scope", "session", "what a call that is repeated joins: `session|user|NAME`. session: the Job that is under way in the host's session; user: in any session of its user, and with -journal after a restart too; any other name: whatever was ever called under that name, which starts nothing twice")
	fs.StringVar(&f.link, "link", "", "where a person can answer when the host shows no forms: an https `URL`, in which {job} stands for the Job's ID")
	fs.IntVar(&f.names, "short-names", 0, "cut the tools' names to `N` characters, 24 to 63, for hosts that put the server's name before a tool's and bound both together: in Cursor 60 less the length of that name and 1, in Claude Code 64 less that length and 7 (default: 63)")
	fs.BoolVar(&f.verbose, "v", false, "log more to stderr")
	fs.BoolVar(&f.version, "version", false, "print the version and end")
	return fs
}

// check tells what is wrong with the flags' values.
func (f *flags) check() error {
	switch {
	case f.transport != "rest" && f.transport != "mcp":
		return fmt.Errorf("-transport is rest or mcp, not %q", f.transport)
	case f.fallback != "deny" && f.fallback != "leave":
		return fmt.Errorf("-fallback is deny or leave, not %q", f.fallback)
	case f.logFormat != "text" && f.logFormat != "json":
		return fmt.Errorf("-log-format is text or json, not %q", f.logFormat)
	case len(f.hosts) > 0 && f.http == "":
		return errors.New("-allow-host goes with -http")
	case f.budget < 0 || f.poll < 0 || f.refresh < 0 || f.listWait < 0 || f.patience <= 0:
		return errors.New("-wait, -poll, -refresh and -list-wait cannot be negative, and -patience must be positive")
	case strings.TrimSpace(f.scope) == "":
		return errors.New("-scope is session, user, or a name")
	case f.link != "" && !strings.HasPrefix(f.link, "https://"):
		return fmt.Errorf("-link: %q is no https URL", f.link)
	case f.names != 0 && (f.names < 24 || f.names > 63):
		return fmt.Errorf("-short-names: %d is not between 24 and 63", f.names)
	case len(f.elicit) > 1 && slices.Contains(f.elicit, "all"):
		return errors.New("-elicit is either all or IDs")
	}
	for _, id := range f.elicit {
		if id != "all" && len(f.only) > 0 && !contains(f.only, id) {
			return fmt.Errorf("-elicit names %q, which -only leaves out; name it there too, or not at all", hitl.SafeLine(id, 80))
		}
	}
	if f.http != "" {
		host, _, err := net.SplitHostPort(f.http)
		if err != nil {
			return fmt.Errorf("-http: %q is no address such as 127.0.0.1:8080", f.http)
		}
		if ip := net.ParseIP(host); !f.plainHTTP && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("-http: %q would let the token travel unencrypted; use a loopback address, or -allow-plain-http behind something that speaks TLS", f.http)
		}
	}
	return nil
}

// run is the program; it returns the exit code. listening, if not nil, is told
// the address of -http.
func run(ctx context.Context, args []string, in io.ReadCloser, out io.WriteCloser, errs io.Writer, listening func(net.Addr)) int {
	errs = &turns{w: errs}
	var f flags
	fs := flagSet(&f)
	if code, done := help.Parse(fs, args, out, errs); done {
		return code
	}
	if f.version {
		fmt.Fprintln(out, "duvo-mcp", version.Of("cmd/duvo-mcp"))
		return 0
	}
	if err := f.check(); err != nil {
		return usage.Complain(fs.Name(), err, errs)
	}
	err := serve(ctx, f, in, out, errs, listening)
	var told *toldError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &told):
		say(f, errs, slog.LevelError, hitl.SafeLine(err.Error(), 1000))
	}
	return 1
}

// A toldError is one that stands on stderr already.
type toldError struct{ error }

// turns lets several goroutines write, one after the other.
type turns struct {
	mu sync.Mutex
	w  io.Writer
}

func (t *turns) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(b)
}

func serve(ctx context.Context, f flags, in io.ReadCloser, out io.WriteCloser, errs io.Writer, listening func(net.Addr)) error {
	p := &program{flags: f, desk: mcp.NewDesk(), log: newLogger(f, errs), errs: errs}
	if !f.emulator && strings.TrimSpace(os.Getenv(duvo.EnvAPIKey)) == "" {
		return fmt.Errorf("set %s, or use -emulator", duvo.EnvAPIKey)
	}
	if f.journal != "" {
		j, err := bolt.Open(f.journal)
		if err != nil {
			return fmt.Errorf("-journal: %w", err)
		}
		defer j.Close()
		p.journal = j
	}
	s, err := mcp.Awaiting(f.listWait, p.serverOptions()...)
	if err != nil {
		return err
	}
	p.server = s
	discovering, stop := context.WithCancel(ctx)
	defer stop()
	discovered := make(chan error, 1)
	go func() { discovered <- p.discover(discovering) }()
	if f.http == "" {
		err = s.Run(ctx, &sdk.IOTransport{Reader: in, Writer: out})
		if errors.Is(err, io.EOF) {
			err = nil // the host is gone
		}
	} else {
		err = p.listen(ctx, listening)
	}
	if ctx.Err() != nil {
		err = nil // asked to end
	}
	if err == nil && ctx.Err() == nil { // what is wrong is told, also to a host that leaves at once
		time.AfterFunc(min(f.listWait, lingers), stop)
	} else {
		stop()
	}
	return errors.Join(err, <-discovered, p.close(ctx))
}

// lingers is how long the program goes on listing, to tell what is wrong, for a host
// that has left.
const lingers = 20 * time.Second

// policyFor makes the policy of the flags, with a check of the IDs they name.
func policyFor(f flags, desk *mcp.Desk) hitl.Policy {
	return hitl.FirstOf(flagNames{f}, decider(f, desk))
}

// flagNames is a policy without an opinion: it refuses flags that name what is
// not there.
type flagNames struct{ f flags }

func (flagNames) Decide(context.Context, hitl.Request) (hitl.Decision, error) {
	return hitl.Pass(), nil
}

func (flagNames) String() string { return "flags" }

func (c flagNames) CheckNames(n hitl.Names) error {
	if err := n.HaveIDs(c.f.only...); err != nil {
		return &flagError{"-only", err}
	}
	if slices.Contains(c.f.elicit, "all") {
		return nil
	}
	if err := n.HaveIDs(c.f.elicit...); err != nil {
		return &flagError{"-elicit", err}
	}
	return nil
}

// A flagError says what is wrong with a flag.
type flagError struct {
	flag string
	err  error
}

func (e *flagError) Error() string { return e.flag + ": " + e.err.Error() }
func (e *flagError) Unwrap() error { return e.err }

func contains(ids []string, id string) bool {
	return slices.ContainsFunc(ids, func(s string) bool { return strings.EqualFold(s, id) })
}

func decider(f flags, desk *mcp.Desk) hitl.Policy {
	fallback := hitl.AlwaysDeny()
	if f.fallback == "leave" {
		fallback = hitl.LeaveToDuvo()
	}
	if len(f.elicit) == 0 {
		return fallback
	}
	ask := hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
		id := r.Assignment.ID
		if f.elicit[0] != "all" && !contains(f.elicit, id) {
			return fallback.Decide(ctx, r)
		}
		return desk.Elicit(fallback, hitl.For(id)).Decide(ctx, r)
	})
	return hitl.Timeout(f.patience, ask, fallback)
}
