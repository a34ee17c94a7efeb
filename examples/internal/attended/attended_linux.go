package attended

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/pty"
	"github.com/stretchr/testify/require"
)

// still is how long nothing may follow the prompt.
const still = 600 * time.Millisecond

var prompt = regexp.MustCompile(`Approve\? \[.*\] $`)

// A Visit is one run of a program at a terminal.
type Visit struct {
	t        *testing.T
	ctx      context.Context
	keyboard io.Writer
	tty      *os.File
	Screen   *pty.Screen
	program  *exec.Cmd
	asked    int // prompts so far
}

// A Place is where a program runs. Its zero value is a terminal of no known size.
type Place struct {
	Columns, Rows int
	Env           []string // besides what every visit has
	Args          []string
	TypedAhead    string   // is in the terminal's queue before the program starts
	Stdout        *os.File // in place of the terminal; nil: the terminal
}

// Start starts a program with nothing in its environment that reaches a real
// service. What is typed ahead is in the terminal's queue before it starts.
func Start(t *testing.T, program, typedAhead string) *Visit {
	t.Helper()
	return Place{TypedAhead: typedAhead}.Start(t, program)
}

// Start starts a program there.
func (p Place) Start(t *testing.T, program string) *Visit {
	t.Helper()
	keyboard, tty, screen, closeAll, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(closeAll)
	if p.Columns > 0 {
		require.NoError(t, pty.Resize(tty, p.Columns, p.Rows))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	v := &Visit{t: t, ctx: ctx, keyboard: keyboard, tty: tty, Screen: screen, program: exec.CommandContext(ctx, program, p.Args...)}
	if p.TypedAhead != "" {
		v.Type(p.TypedAhead)
		for n := 0; n < len(p.TypedAhead); time.Sleep(time.Millisecond) {
			n, err = pty.Queued(tty)
			require.NoError(t, err)
			require.NoError(t, ctx.Err())
		}
	}
	v.program.Env = append([]string{"TERM=xterm", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "USER=kim", asProgram + "=1", "GORACE=atexit_sleep_ms=0"}, p.Env...)
	v.program.Stdout = p.Stdout
	require.NoError(t, pty.Start(v.program, tty))
	t.Cleanup(func() { _ = v.program.Process.Signal(syscall.SIGKILL) })
	return v
}

// Type types.
func (v *Visit) Type(text string) {
	v.t.Helper()
	_, err := io.WriteString(v.keyboard, text)
	require.NoError(v.t, err)
}

// Asked waits for the next prompt, and checks that for a while it stays the last
// thing on the screen. It returns what can be seen.
func (v *Visit) Asked() string {
	v.t.Helper()
	v.asked++
	asked, err := v.Screen.Wait(v.ctx, func(s string) bool {
		return strings.Count(s, "Approve? [") == v.asked && prompt.MatchString(s)
	})
	require.NoError(v.t, err)
	ctx, cancel := context.WithTimeout(v.ctx, still)
	defer cancel()
	text, err := v.Screen.Wait(ctx, func(s string) bool { return s != asked })
	require.Error(v.t, err, "after the prompt the screen changed to:\n%s", text)
	return asked
}

// Ends waits until the program has ended well, and returns what can be seen.
func (v *Visit) Ends() string {
	v.t.Helper()
	return v.EndsWith(0)
}

// EndsWith waits until the program has ended with this code, and returns what can be
// seen.
func (v *Visit) EndsWith(code int) string {
	v.t.Helper()
	_ = v.program.Wait()
	require.Equal(v.t, code, v.program.ProcessState.ExitCode(), "%s", v.Screen)
	// The screen may be a moment behind.
	done := fmt.Sprintf("(ended %d)", v.program.Process.Pid)
	_, err := fmt.Fprintln(v.tty, done)
	require.NoError(v.t, err)
	text, err := v.Screen.Wait(v.ctx, func(s string) bool { return strings.Contains(s, done) })
	require.NoError(v.t, err)
	return text
}
