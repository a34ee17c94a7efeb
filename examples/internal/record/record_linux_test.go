package record

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "make the picture anew")

const picture = "../../../docs/images/email-triage.svg"

// What differs from run to run, and from one person's machine to another's.
var differs = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`(?m)^\[ *\d.*$`), ""}, // progress that may go by faster than it is read
	{regexp.MustCompile(`\d+\.\d ?s\b`), "TIME"},
	{regexp.MustCompile(`[│┌└─|\s]+`), " "}, // how it is laid out
	{regexp.MustCompile(`\bby [^\s:]+`), "by SOMEBODY"},
}

// steady are the words of a run that are the same in each, in some order.
func steady(lines []string) []string {
	text := strings.Join(lines, "\n")
	for _, d := range differs {
		text = d.what.ReplaceAllString(text, d.as)
	}
	words := strings.Fields(text)
	slices.Sort(words)
	return words
}

// TestThePictureShowsTheProgram runs the demo and holds the README's picture against it.
func TestThePictureShowsTheProgram(t *testing.T) {
	program := filepath.Join(t.TempDir(), "email-triage")
	out, err := exec.Command("go", "build", "-o", program, "../../email-triage").CombinedOutput()
	require.NoError(t, err, "%s", out)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.Command(program)
	c.Env = environment(t.TempDir())
	reading, key := time.Duration(0), time.Duration(0)
	if *update {
		reading, key = 1500*time.Millisecond, 180*time.Millisecond
	}
	s, err := run(ctx, c, 66, reading, key, "yes")
	require.NoError(t, err)
	drawn := s.svg("go run ./examples/email-triage")
	if *update {
		require.NoError(t, os.WriteFile(picture, []byte(drawn), 0o644))
	}
	shown, err := os.ReadFile(picture)
	require.NoError(t, err)
	lines, err := read(bytes.NewReader(shown))
	require.NoError(t, err)
	require.Equal(t, steady(s.lines()), steady(lines), "the picture is of another program: go test ./examples/internal/record -update")
	again, err := read(strings.NewReader(drawn))
	require.NoError(t, err)
	require.Equal(t, steady(s.lines()), steady(again))
}

// TestScreen: what programs draw over, take off and wrap is seen as at a terminal.
func TestScreen(t *testing.T) {
	s := newScreen(10)
	s.write([]byte("one\x1b[?7l, waiting for all\x1b[?7h\r\x1b[Ktwo \x1b[1mbold\x1b["), time.Second)
	s.write([]byte("0m\r\n0123456789abc\n\rd\xc3"), 2*time.Second)
	s.write([]byte("\xa9\bx\n\r\x1b[32mgreen & <so>\x1b[0m on"), 9*time.Second)
	require.Equal(t, []string{"two bold", "0123456789abc", "dx", "green & <so> on"}, s.lines())
	drawn := s.svg("a \"title\"")
	lines, err := read(strings.NewReader(drawn))
	require.NoError(t, err)
	require.Equal(t, s.lines(), lines)
	require.Contains(t, drawn, `<text class="green" x="18"`)
	require.Contains(t, drawn, `animation-delay:4.0s`) // 9 s, with the long pause made shorter
}
