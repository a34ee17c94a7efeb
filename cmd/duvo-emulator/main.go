// Duvo-emulator serves a whole Duvo on a local address, for programs that have
// no account to try. It prints the environment with which duvo.FromEnv, and
// whatever else reads the same variables, reaches it.
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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/usage"
	"github.com/duvotool/duvotool/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

var help = usage.Text{
	Does: "Serves a whole Duvo on this machine, to try programs without an account.",
	About: `It has a few Assignments of an online shop, or those of -scenario. It prints
their IDs, and three lines to paste into the shell from which such a program is started,
and logs requests on stderr until it is stopped by ctrl-C. A read that repeats is counted,
and logged again once something else has happened. Nothing is kept afterwards.`,
	Exit:     []usage.Entry{{Name: "0", Means: "it was stopped by ctrl-C or SIGTERM"}, {Name: "1", Means: "it cannot serve; stderr says why"}},
	Examples: []string{"duvo-emulator", "duvo-emulator -addr 127.0.0.1:0 -scenario shop.json", "duvo-emulator -rate 60"},
}

// recorded bounds what is remembered of requests, since it may run for days.
const recorded = 1000

// run is the program: 0 after a signal, 1 when it cannot serve, 2 for flags
// that make no sense.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("duvo-emulator", flag.ContinueOnError)
	addr := fs.String("addr", "127.0.0.1:8400", "the `ADDRESS` to listen on; port 0 takes any free one")
	scenario := fs.String("scenario", "", "a JSON `FILE` with the Assignments, in the form of duvotest.LoadScenario (default: the built-in demo)")
	key := fs.String("key", "", "the API `KEY` to accept (default: a fixed one)")
	rate := fs.Int("rate", 0, "the most `REQUESTS` a minute, of all keys together; 0 is no limit")
	all := fs.Bool("log-all", false, "log each read, also one that repeats")
	tell := fs.Bool("version", false, "print the version and end")
	if code, done := help.Parse(fs, args, stdout, stderr); done {
		return code
	}
	complain := func(code int, err error) int {
		fmt.Fprintln(stderr, "duvo-emulator:", err)
		return code
	}
	if *tell {
		fmt.Fprintln(stdout, "duvo-emulator", version.Of(""))
		return 0
	}
	switch {
	case *rate < 0:
		return usage.Complain(fs.Name(), errors.New("-rate cannot be negative"), stderr)
	case strings.ContainsFunc(*key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return usage.Complain(fs.Name(), errors.New("-key has a character that no key can have"), stderr)
	}
	logger := slog.New(newRequestLog(stderr, *all))
	opts := []duvotest.Option{duvotest.WithRateLimit(*rate), duvotest.WithLog(logger), duvotest.WithHistory(recorded)}
	if *key != "" {
		opts = append(opts, duvotest.WithKey(*key))
	}
	assignments, err := load(*scenario)
	if err != nil {
		return complain(1, err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return complain(1, fmt.Errorf("%w; give another address with -addr, such as 127.0.0.1:0 for any free port", err))
	}
	d := duvotest.New(append(opts, duvotest.WithScenario(assignments))...)
	defer d.Close()

	fmt.Fprintf(stdout, "# Duvo emulator with %s:\n", safetext.Count(len(assignments.Assignments()), "Assignment", "Assignments"))
	for _, a := range assignments.Assignments() {
		fmt.Fprintf(stdout, "#   %s  %s\n", a.ID, safetext.OneLine(a.Name, 40))
	}
	fmt.Fprintln(stdout, "# Paste, where your program is started:")
	fmt.Fprintf(stdout, "export %s=%s\nexport %s=%s\nexport %s=http://%s\n", duvo.EnvAPIKey, quote(d.Key()), duvo.EnvTeamID, d.TeamID(), duvo.EnvBaseURL, dialable(listener.Addr()))
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		fmt.Fprintln(stderr, "duvo-emulator: warning: others can reach this address, and the key travels unencrypted")
	}
	if err := serve(ctx, d, listener, logger); err != nil {
		return complain(1, err)
	}
	return 0
}

// serve answers until ctx ends.
func serve(ctx context.Context, d *duvotest.Duvo, listener net.Listener, logger *slog.Logger) error {
	server := &http.Server{Handler: d, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	d.Close() // ends what hangs, so that the rest can finish
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(wait); err != nil {
		_ = server.Close()
	}
	<-served
	return nil
}

// dialable is the address under which a program on this machine reaches the
// listener: one that listens everywhere is reached through loopback.
func dialable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}

// quote makes a word of a shell's out of a key, as it is where nothing in it
// means something to a shell.
func quote(key string) string {
	if !strings.ContainsFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.+=/:@%", r))
	}) {
		return key
	}
	return "'" + strings.ReplaceAll(key, "'", `'\''`) + "'"
}

func load(file string) (*duvotest.Scenario, error) {
	if file == "" {
		return duvotest.Demo(), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := duvotest.LoadScenario(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}
