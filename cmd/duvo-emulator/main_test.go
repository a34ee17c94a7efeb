package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServesWhatItPrintsAndStopsOnASignal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scenario.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"assignments":[{"name":"One","steps":[{"complete":"hello"}]}]}`), 0o600))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, in := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-scenario", file, "-key", "dv_own", "-rate", "100"}, in, io.Discard)
		in.Close()
	}()
	printed := make([]byte, 0, 1024)
	for strings.Count(string(printed), "export ") < 3 || !strings.HasSuffix(string(printed), "\n") {
		buf := make([]byte, 512)
		n, err := out.Read(buf)
		require.NoError(t, err)
		printed = append(printed, buf[:n]...)
	}
	for _, line := range strings.Split(string(printed), "\n") {
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok {
			t.Setenv(name, value)
		}
	}
	require.Equal(t, "dv_own", os.Getenv(duvo.EnvAPIKey))
	client, err := duvo.FromEnv()
	require.NoError(t, err)
	var names []string
	for a, err := range client.Assignments(t.Context()) {
		require.NoError(t, err)
		names = append(names, a.Name)
	}
	require.Equal(t, []string{"One"}, names)
	stop()
	require.Equal(t, 0, <-done)
	client.CloseIdleConnections()
}

func TestClearErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	bad := filepath.Join(t.TempDir(), "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"assignments":[{"name":"x","steps":[{}]}]}`), 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"port taken":   {[]string{"-addr", taken.Addr().String()}, 1, "address already in use"},
		"no file":      {[]string{"-scenario", "/nowhere.json"}, 1, "no such file"},
		"bad scenario": {[]string{"-scenario", bad}, 1, "assignments[0].steps[0] must do one thing"},
		"unknown flag": {[]string{"-nonsense"}, 2, "nonsense"},
		"argument":     {[]string{"x"}, 2, `unexpected argument "x"`},
		"rate":         {[]string{"-rate", "-1"}, 2, "negative"},
		"key":          {[]string{"-key", "a b"}, 2, "-key"},
		"help":         {[]string{"-help"}, 0, "Assignments"},
	} {
		t.Run(name, func(t *testing.T) {
			var errs bytes.Buffer
			require.Equal(t, c.code, run(t.Context(), c.args, io.Discard, &errs))
			require.Contains(t, errs.String(), c.says)
		})
	}
}
