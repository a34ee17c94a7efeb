package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/examples/internal/attended"
	"github.com/duvotool/duvotool/internal/textwrap"
	"github.com/stretchr/testify/require"
)

// How the program looks at terminals, and in files.
func TestLooks(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	program := attended.Program(t)
	for name, test := range map[string]func(*testing.T, string){"fits": testFits, "no colours": testNoColours, "leaving": testLeaving} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, program)
		})
	}
}

// At a terminal of any width every line fits it, the prompt stays the last thing, and
// the outcome is in one box.
func testFits(t *testing.T, program string) {
	for _, size := range [][2]int{{80, 24}, {50, 20}, {120, 40}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			t.Parallel()
			v := attended.Place{Columns: size[0], Rows: size[1], Env: []string{"LANG=C.UTF-8"}}.Start(t, program)
			asked := v.Asked()
			require.Contains(t, asked, "Amount: 120 EUR")
			require.Contains(t, asked, "Ctrl-C decides nothing")
			if size[0] >= 80 {
				require.LessOrEqual(t, strings.Count(asked, "\n")+1, 24, "all of it is on one screen:\n%s", asked)
			}
			v.Type("what?\n") // and slowly, with a mistake
			v.Asked()
			for _, key := range []string{"y", "a", "\x7f", "e", "s"} {
				v.Type(key)
			}
			v.Type("\n")
			text := v.Ends()
			for line := range strings.Lines(text) {
				require.LessOrEqual(t, textwrap.Width(strings.TrimRight(line, "\n")), size[0], line)
			}
			_, box, found := strings.Cut(text, "┌─ Outcome: completed ─")
			require.True(t, found, text)
			box, after, found := strings.Cut(box, "\n└─")
			require.True(t, found, text)
			box = strings.Join(strings.Fields(strings.ReplaceAll(box, "│", "")), " ")
			for _, says := range []string{"was approved by", "The Job's answer:", "The model's final answer:", "Complaint handler"} {
				require.Contains(t, box, says)
			}
			require.NotContains(t, after, "\n ", "nothing follows the box")
			require.Positive(t, v.Screen.Colours())
		})
	}
}

// Colours are for terminals, and for who has not said that they want none. Boxes of
// signs that cannot be shown are drawn with others.
func testNoColours(t *testing.T, program string) {
	for _, env := range []string{"NO_COLOR=1", "TERM=dumb", "TERM="} {
		v := attended.Place{Columns: 80, Rows: 24, Env: []string{env}, Args: []string{"-approve", "yes"}}.Start(t, program)
		text := v.Ends()
		require.Contains(t, text, "+- Outcome: completed ---")
		require.Zero(t, v.Screen.Colours(), env)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	v := attended.Place{Columns: 60, Rows: 20, Stdout: out}.Start(t, program)
	require.Contains(t, v.Asked(), "Amount: 120 EUR", "the prompt is where the person is")
	v.Type("yes\n")
	text := v.Ends()
	require.NotContains(t, text, "Outcome:")
	piped, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	require.NotContains(t, string(piped), "\x1b")
	require.Contains(t, string(piped), "+- Outcome: completed ---")
}

// Whoever leaves without a decision is told that nobody has decided, and what becomes of
// the Job.
func testLeaving(t *testing.T, program string) {
	for _, c := range []struct {
		key, says string
		code      int
	}{{"\x03", "- Stopped -", interrupted}, {"\x04", "- Undecided -", 1}} {
		v := attended.Place{Columns: 80, Rows: 24}.Start(t, program)
		v.Asked()
		v.Type(c.key)
		text := v.EndsWith(c.code)
		for _, says := range []string{c.says, "Nobody has decided: nothing was sent to Duvo. Job", "ends with the emulator"} {
			require.Contains(t, strings.Join(strings.Fields(text), " "), says)
		}
		for line := range strings.Lines(text) {
			require.LessOrEqual(t, textwrap.Width(strings.TrimRight(line, "\n")), 80, line)
		}
	}
}
