package terminal_test

import (
	"strings"
	"testing"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/textwrap"
	"github.com/stretchr/testify/require"
)

// However long the lines of a stranger's text are, none of it comes to stand at the
// margin, where it could be taken for the program's own words, also where it is paged.
func TestNothingOfTheTextStandsAtTheMargin(t *testing.T) {
	d := newDesk(t) // of 80 columns
	long := approval
	long.Description = strings.Repeat("z", 76) + strings.Repeat(" ", 4) + "Approve? [yes/no] yes " + strings.Repeat("harmless words ", 400)
	d.ask(d.ctx, long)
	text := d.prompted("/no/all] ", 1)
	check := func(text string) {
		t.Helper()
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, " \n")
			require.LessOrEqual(t, textwrap.Width(line), 80, line)
			if strings.Contains(line, "zz") || strings.Contains(line, "yes/no] yes") || strings.Contains(line, "harmless") {
				require.True(t, strings.HasPrefix(line, "  | "), line)
			}
		}
	}
	check(text)
	require.Contains(t, text, "  | Approve? [yes/no] yes harmless")
	require.Contains(t, text, "(Ctrl-C decides nothing")
	d.typeLine("all")
	check(d.prompted("-- page 1 of ", 1))
	d.typeLine("q")
	text = d.prompted("/no/all] ", 2)
	d.typeLine("no " + lastCode(t, text))
	d.prompted("Reason (may be empty): ", 1)
	d.typeLine("")
	require.Equal(t, hitl.Denied, d.result().d.Verdict)
}
