package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/examples/refunds/refundstest"
	"github.com/duvotool/duvotool/internal/pty"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asProgram has the test's own program be the one that is tested.
const asProgram = "DUVOTOOL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// The program is killed while a person thinks: run again it asks again, pays once, and
// from then on knows the receipt.
func TestKilled(t *testing.T) {
	shop := refundstest.New()
	defer shop.Close()
	dir := t.TempDir()
	path, err := os.Executable()
	require.NoError(t, err)
	start := func() (c *exec.Cmd, keyboard io.WriteCloser, screen *pty.Screen) {
		c = exec.CommandContext(t.Context(), path, "-poll", "20ms", "-folder", filepath.Join(dir, "data"), "4711", "120")
		c.Env = append(os.Environ(), append(shop.Env(), asProgram+"=1", "REFUNDS_ASSIGNMENT="+shop.Assignment(), "USER=kim")...)
		screen = &pty.Screen{}
		c.Stdout, c.Stderr = screen, screen
		keyboard, err := c.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		return c, keyboard, screen
	}
	asked := func(screen *pty.Screen) {
		t.Helper()
		_, err := screen.Wait(t.Context(), func(s string) bool { return strings.HasSuffix(s, "anything else not to: ") })
		require.NoError(t, err)
	}
	first, _, screen := start()
	asked(screen)
	require.NoError(t, first.Process.Kill())
	_ = first.Wait()

	for range 2 {
		again, keyboard, screen := start()
		if len(shop.Paid("4711")) == 0 {
			asked(screen)
			_, err := io.WriteString(keyboard, "4711\n")
			require.NoError(t, err)
		}
		require.NoError(t, again.Wait(), "%s", screen)
		require.Contains(t, screen.String(), "Order 4711: 120.00 EUR refunded, payment P-4711")
	}
	require.Equal(t, []int64{12000}, shop.Paid("4711"))
	require.Len(t, shop.Duvo().Jobs(), 1)
	require.Equal(t, 1, shop.Duvo().Count("respondToHumanRequest"))
}

func TestProgram(t *testing.T) {
	t.Setenv("DUVO_API_KEY", "")
	for _, c := range []struct {
		args  []string
		typed string
		code  int
		says  string
	}{
		{[]string{"4711", "20"}, "", 0, "Order 4711: 20.00 EUR refunded"},
		{[]string{"4711", "50.01"}, "4711\n", 0, "50.01 EUR refunded"},
		{[]string{"4711", "51"}, "yes\n", 1, "not refunded"},
		{[]string{"4711", "51"}, "", later, "call again"},
		{[]string{"47 11", "51"}, "", 1, "not valid"},
		{[]string{"4711"}, "", 2, "an amount are needed"},
		{[]string{"4711", "1e3"}, "", 2, "an amount are needed"},
		{[]string{"4711", "1", "2"}, "", 2, "an amount are needed"},
	} {
		var out bytes.Buffer
		require.Equal(t, c.code, program(t.Context(), c.args, strings.NewReader(c.typed), &out, &out), "%v: %s", c.args, out.String())
		require.Contains(t, strings.Join(strings.Fields(out.String()), " "), c.says)
	}
}

func TestInCents(t *testing.T) {
	for text, want := range map[string]int64{"20": 2000, "20.50": 2050, "0": 0, "999999.99": 99999999} {
		got, ok := inCents(text)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "-1", "1.5", "1,50", "NaN", "1000000", " 1"} {
		_, ok := inCents(text)
		require.False(t, ok, text)
	}
}
