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
	program := attended.Program(t)
	runs := 1
	if s := os.Getenv("DUVOTOOL_TERMINAL_RUNS"); s != "" {
		var err error
		runs, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	for range runs {
		v := attended.Start(t, program, "")
		require.Contains(t, v.Asked(), "Erase 17 records of a customer")
		v.Type("what?\n")
		require.Contains(t, v.Asked(), `"what?" is no answer to this. Type "yes" or "no".`)
		v.Type("yes\nyes\n") // there is one request
		text := v.Ends()
		require.Contains(t, text, "17 records were erased.")
		require.NotContains(t, text, "\\x1b", "a control sequence that nothing needs")

		v = attended.Start(t, program, "yes\n")
		require.Contains(t, v.Asked(), "What was typed before this was shown does not count")
		v.Type("no\ntoo much\n")
		text = v.Ends()
		require.Contains(t, text, "Nothing was erased.")
		require.Contains(t, text, "too much")
	}
}
