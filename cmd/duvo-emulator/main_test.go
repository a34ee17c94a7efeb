package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asProgram lets the test binary be the program itself.
const asProgram = "DUVO_EMULATOR_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestSignals(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		self, err := os.Executable()
		require.NoError(t, err)
		program := exec.CommandContext(t.Context(), self, "-addr", "127.0.0.1:0")
		program.Env = append(os.Environ(), asProgram+"=yes")
		out, err := program.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, program.Start())
		for lines := bufio.NewScanner(out); lines.Scan() && !strings.HasPrefix(lines.Text(), "export "+duvo.EnvBaseURL); {
		}
		require.NoError(t, program.Process.Signal(signal))
		require.NoError(t, program.Wait(), "it exits with 0")
	}
}

// emulator runs the program and returns what it printed, as an environment,
// and a function that stops it and returns its exit code and its log.
func emulator(t *testing.T, args ...string) (env map[string]string, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var log bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, in, &log)
		in.Close()
	}()
	env = map[string]string{}
	lines := bufio.NewScanner(out)
	for len(env) < 3 && lines.Scan() {
		if name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "="); ok {
			env[name] = value
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	var once sync.Once
	stop = func() (c int, l string) {
		once.Do(func() {
			cancel()
			c = <-code
			l = log.String()
		})
		return c, l
	}
	t.Cleanup(func() { stop() })
	require.Len(t, env, 3)
	return env, stop
}

func client(t *testing.T, env map[string]string) *duvo.Client {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	c, err := duvo.FromEnv(duvo.WithHTTPClient(&http.Client{Transport: transport}), duvo.WithRetries(1, 0))
	require.NoError(t, err)
	return c
}

func TestServesWhatItPrintsAndStopsOnASignal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scenario.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"assignments":[{"name":"One","steps":[{"complete":"hello"}]}]}`), 0o600))
	env, stop := emulator(t, "-addr", "127.0.0.1:0", "-scenario", file, "-key", "dv_own", "-rate", "100")
	require.Equal(t, "dv_own", env[duvo.EnvAPIKey])
	require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, env[duvo.EnvBaseURL])
	c := client(t, env)
	var names []string
	for a, err := range c.Assignments(t.Context()) {
		require.NoError(t, err)
		names = append(names, a.Name)
	}
	require.Equal(t, []string{"One"}, names)
	code, log := stop()
	require.Equal(t, 0, code)
	require.Regexp(t, `(?m)^\d\d:\d\d:\d\d listAgents 200 /v2/teams/[0-9a-f-]{36}/agents$`, log)
	require.NotContains(t, log, "dv_own", "the key is not logged")
	require.NotContains(t, log, "warning")
}

func TestTheBuiltInDemoNeedsNoFlags(t *testing.T) {
	env, stop := emulator(t, "-addr", "127.0.0.1:0")
	c := client(t, env)
	var names []string
	for a, err := range c.Assignments(t.Context()) {
		require.NoError(t, err)
		names = append(names, a.Name)
	}
	require.GreaterOrEqual(t, len(names), 4)
	code, _ := stop()
	require.Equal(t, 0, code)
}

func TestRateLimit(t *testing.T) {
	env, _ := emulator(t, "-addr", "127.0.0.1:0", "-rate", "1")
	c := client(t, env)
	_, err := c.Teams(t.Context())
	require.NoError(t, err)
	_, err = c.Teams(t.Context())
	require.ErrorIs(t, err, duvo.ErrRateLimited)
}

// A Job that waits, and a request that hangs, keep it from nothing.
func TestStopsWhileJobsWait(t *testing.T) {
	env, stop := emulator(t, "-addr", "127.0.0.1:0")
	c := client(t, env)
	for a, err := range c.Assignments(t.Context()) {
		require.NoError(t, err)
		_, err := c.StartJob(t.Context(), duvo.StartJob{AssignmentID: a.ID, Message: "hello"})
		require.NoError(t, err)
	}
	code, _ := stop()
	require.Equal(t, 0, code)
	_, err := c.Teams(t.Context())
	require.Error(t, err, "nobody listens any more")
}

func TestListeningEverywhere(t *testing.T) {
	env, stop := emulator(t, "-addr", ":0")
	require.Regexp(t, `^http://127\.0\.0\.1:\d+$`, env[duvo.EnvBaseURL], "an address that can be dialled")
	_, err := client(t, env).Teams(t.Context())
	require.NoError(t, err)
	_, log := stop()
	require.Contains(t, log, "warning: others can reach this address")
}

func TestKeysArePrintedForAShell(t *testing.T) {
	for key, want := range map[string]string{"dv_a-1.b+c=/:@%": "dv_a-1.b+c=/:@%", "$HOME": `'$HOME'`, "a'b": `'a'\''b'`, "a;b": "'a;b'", "#": "'#'"} {
		require.Equal(t, want, quote(key))
	}
}

func TestClearErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"assignments":[{"name":"x","steps":[{}]}]}`), 0o600))
	none, typo := filepath.Join(t.TempDir(), "none.json"), filepath.Join(t.TempDir(), "typo.json")
	require.NoError(t, os.WriteFile(none, []byte(" \n"), 0o600))
	require.NoError(t, os.WriteFile(typo, []byte(`{"assignments":[{"name":"x","stps":[]}]}`), 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"empty scenario":    {[]string{"-scenario", none}, 1, `the scenario is empty; the least is {"assignments"`},
		"unknown field":     {[]string{"-scenario", typo}, 1, `there is no field "stps"; is it "steps"? There are steps, id, name, description, folder`},
		"port names a flag": {[]string{"-addr", taken.Addr().String()}, 1, "give another address with -addr"},
		"port taken":        {[]string{"-addr", taken.Addr().String()}, 1, "address already in use"},
		"no file":           {[]string{"-scenario", "/nowhere.json"}, 1, "no such file"},
		"bad scenario":      {[]string{"-scenario", bad}, 1, "assignments[0].steps[0] must do one thing"},
		"unknown flag":      {[]string{"-nonsense"}, 2, "nonsense"},
		"argument":          {[]string{"x"}, 2, `unexpected argument "x"`},
		"rate":              {[]string{"-rate", "-1"}, 2, "negative"},
		"key":               {[]string{"-key", "a b"}, 2, "-key"},
		"help":              {[]string{"-help"}, 0, "without an account"},
		"bad address":       {[]string{"-addr", "nowhere"}, 1, "missing port"},
		"bad rate":          {[]string{"-rate", "x"}, 2, "invalid value"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.Equal(t, c.code, run(t.Context(), c.args, &out, &errs))
			require.Contains(t, out.String()+errs.String(), c.says)
			if c.code == 1 {
				require.Equal(t, 1, strings.Count(errs.String(), "\n"), "one line")
			}
		})
	}
}
