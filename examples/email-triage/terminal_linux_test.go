package main

import (
	"os"
	"strconv"
	"testing"

	"github.com/duvotool/duvotool/examples/internal/attended"
	"github.com/stretchr/testify/require"
)

// A person at a real terminal finds the prompt at the end of the screen, and
// nothing that they typed before it approves. DUVOTOOL_TERMINAL_RUNS gives more
// runs.
func TestAtARealTerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	program := attended.Program(t)
	runs := 1
	if s := os.Getenv("DUVOTOOL_TERMINAL_RUNS"); s != "" {
		var err error
		runs, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	for range runs {
		t.Run("a wrong word", func(t *testing.T) {
			t.Parallel()
			v := attended.Start(t, program, "")
			require.Contains(t, v.Asked(), "Amount: 120 EUR")
			v.Type("what?\n")
			require.Contains(t, v.Asked(), `"what?" is no answer to this. Type "yes" or "no".`)
			v.Type("yes\nyes\n") // there is one request
			text := v.Ends()
			require.Contains(t, text, "The refund of 120 EUR")
			require.NotContains(t, text, "\\x1b", "a control sequence that nothing needs")
			require.NotContains(t, text, "waiting for the policy", "the live line leaves nothing behind")
		})
		t.Run("typed before", func(t *testing.T) {
			t.Parallel()
			v := attended.Start(t, program, "yes\n")
			require.Contains(t, v.Asked(), "What was typed before this was shown does not count")
			v.Type("no\ntoo much\n")
			text := v.Ends()
			require.Contains(t, text, "store credit")
			require.Contains(t, text, "too much")
		})
	}
}
