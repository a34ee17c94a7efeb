package temporal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// These tests need a Temporal server, which takes minutes to compile. They run where
// DUVOTOOL_TEMPORAL_SERVER is set: to "build", to build and run that of ./servertest, or
// to the path of its program.
const serverVar = "DUVOTOOL_TEMPORAL_SERVER"

// workerVar makes a process of the test's program a worker; see TestMain.
const workerVar = "DUVOTOOL_TEMPORAL_WORKER"

func TestMain(m *testing.M) {
	if address := os.Getenv(workerVar); address != "" {
		if err := work(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A server is a Temporal server in a process of its own.
type server struct {
	t       *testing.T
	program string
	file    string
	port    int
	cmd     *exec.Cmd
}

func startServer(t *testing.T) *server {
	program := os.Getenv(serverVar)
	if program == "" {
		t.Skip("it needs a Temporal server; " + serverVar + "=build builds and runs one")
	}
	if program == "build" {
		program = filepath.Join(t.TempDir(), "server")
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir, build.Env = "servertest", append(os.Environ(), "GOWORK=off")
		out, err := build.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &server{t: t, program: program, file: filepath.Join(t.TempDir(), "temporal.db"), port: l.Addr().(*net.TCPAddr).Port}
	require.NoError(t, l.Close())
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// start begins the server, with what it knew when it was killed.
func (s *server) start() {
	s.cmd = exec.Command(s.program, "-file", s.file, "-port", fmt.Sprint(s.port))
	s.cmd.Stderr = os.Stderr
	require.NoError(s.t, s.cmd.Start())
}

// kill ends the server as a crash does.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// dial returns a client, once the server answers.
func dial(ctx context.Context, address string) (client.Client, error) {
	quiet := log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	for {
		c, err := client.Dial(client.Options{HostPort: address, Logger: quiet})
		if err == nil {
			if _, err = c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{}); err == nil {
				return c, nil
			}
			c.Close()
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

func (s *server) client(t *testing.T) client.Client {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c, err := dial(ctx, s.address())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// TestServerBehaviour runs the suite against a real server.
func TestServerBehaviour(t *testing.T) {
	s := startServer(t)
	c := s.client(t)
	duvotooltest.TestBehaviour(t, duvotooltest.Kit{
		Options: func(t *testing.T) []duvotool.Option {
			return []duvotool.Option{On(c, t.Name(), WithHeartbeat(6*time.Second)), duvotool.WithPollInterval(200 * time.Millisecond),
				duvotool.WithPostTimeout(5 * time.Second), duvotool.WithSettleTime(2 * time.Second)}
		},
	})
}

// work is a worker in a process of its own: it puts off what its policy is asked.
func work(address string) error {
	c, err := dial(context.Background(), address)
	if err != nil {
		return err
	}
	b, err := duvo.FromEnv()
	if err != nil {
		return err
	}
	_, err = duvotool.Discover(context.Background(), b, workerOptions(c, putOff)...)
	if err != nil {
		return err
	}
	select {} // until it is killed
}

func workerOptions(c client.Client, p hitl.Policy, opts ...Option) []duvotool.Option {
	return []duvotool.Option{On(c, "crash", append(opts, WithHeartbeat(3*time.Second))...), duvotool.WithPolicy(p), duvotool.WithPollInterval(200 * time.Millisecond),
		duvotool.WithPostTimeout(5 * time.Second), duvotool.WithSettleTime(2 * time.Second)}
}

var putOff = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })

func startWorker(t *testing.T, s *server, d *duvotest.Server) *exec.Cmd {
	own, err := os.Executable()
	require.NoError(t, err)
	w := exec.Command(own)
	w.Env, w.Stderr = append(append(os.Environ(), d.Env()...), workerVar+"="+s.address()), os.Stderr
	require.NoError(t, w.Start())
	t.Cleanup(func() { kill(w) })
	return w
}

func kill(w *exec.Cmd) {
	_ = w.Process.Kill()
	_ = w.Wait()
}

// slowStart lets the first start take long, and tells that it has come.
func slowStart(started chan<- struct{}) func(op string, r *http.Request) *duvotest.Fault {
	var first sync.Once
	return func(op string, _ *http.Request) (f *duvotest.Fault) {
		if op == "startRun" {
			first.Do(func() { f = &duvotest.Fault{Latency: 2 * time.Second} })
			started <- struct{}{}
		}
		return f
	}
}

// TestServerCrashes kills the worker while a start is on its way, and while a decision
// is waited for, and the server after it: one start has an effect, one response is sent.
func TestServerCrashes(t *testing.T) {
	s := startServer(t)
	d := duvotest.NewServer(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Description: "Refunds.", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund 120 EUR", "") {
			j.Complete("refunded " + j.Input())
		}
		j.Complete("not refunded")
	}}))
	defer d.Close()
	started := make(chan struct{}, 100)
	d.InjectFunc(slowStart(started))
	first := startWorker(t, s, d)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	reg, err := duvotool.Discover(ctx, d.Client(), workerOptions(s.client(t), putOff, CallsOnly())...)
	require.NoError(t, err)
	defer func() { _ = reg.Close(context.Background()) }()
	type called struct {
		res *outcome.Result
		err error
	}
	call := func() <-chan called {
		out := make(chan called, 1)
		go func() {
			res, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "order 1"), "order 1")
			out <- called{res, err}
		}()
		return out
	}
	waiting := call()
	<-started
	kill(first) // its start has reached Duvo, or will

	second := startWorker(t, s, d)
	got := <-waiting
	require.NoError(t, got.err)
	require.Equal(t, outcome.OutcomePending, got.res.Outcome)
	require.Len(t, d.Jobs(), 1)
	kill(second)
	s.kill()
	s.start()
	startWorker(t, s, d)

	pending := pendingOf(ctx, t, reg)
	require.NoError(t, reg.Decide(ctx, pending, hitl.Decision{Verdict: hitl.Approved, By: "kim@example.com"}))
	got = <-call()
	require.NoError(t, got.err)
	require.Equal(t, "refunded order 1", got.res.Output)
	require.Len(t, got.res.Decisions, 1)
	require.Len(t, d.Jobs(), 1)
	require.Equal(t, 1, d.Count("respondToHumanRequest"))
	t.Logf("%d starts were sent, with one key", d.Count("startRun"))
}

func pendingOf(ctx context.Context, t *testing.T, reg *duvotool.Registry) hitl.Request {
	for {
		if all := reg.Pending(); len(all) == 1 {
			return all[0]
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			require.NoError(t, ctx.Err())
		}
	}
}

// TestServerExample runs the example twice: the second time there is nothing to decide.
func TestServerExample(t *testing.T) {
	s := startServer(t)
	s.client(t) // once it answers
	d := duvotest.NewServer(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Description: "Refunds.", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund 120 EUR", "") {
			j.Complete("refunded")
		}
		j.Complete("not refunded")
	}}))
	defer d.Close()
	for _, asked := range []bool{true, false} {
		run := exec.Command("go", "run", ".", "-address", s.address(), "-tool", "Refunds", "-approve", "yes")
		run.Dir, run.Env = "../../examples/temporal", append(os.Environ(), d.Env()...)
		out, err := run.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "completed: refunded")
		require.Equal(t, asked, strings.Contains(string(out), "Approve?"), string(out))
	}
	require.Len(t, d.Jobs(), 1)
	require.Equal(t, 1, d.Count("respondToHumanRequest"))
}
