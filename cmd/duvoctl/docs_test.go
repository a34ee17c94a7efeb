package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every verb tells what it does, with examples that it takes.
func TestEveryVerbHasHelp(t *testing.T) {
	b := atDuvoBench(t)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Name() == "help" || sub.Name() == "completion" || sub.Parent().Name() == "completion" {
				continue
			}
			walk(sub)
		}
		require.NotEmpty(t, c.Long, c.CommandPath())
		require.NotEmpty(t, c.Example, c.CommandPath())
		args := strings.Fields(c.CommandPath())[1:]
		help := b.ok(append(args, "-h")...)
		require.Contains(t, help, c.Example)
		for _, line := range strings.Split(help, "\n") {
			assert.LessOrEqual(t, len([]rune(line)), 80, c.CommandPath()+": "+line)
		}
		for _, example := range strings.Split(c.Example, "\n") {
			_, example, _ = strings.Cut(example, "duvoctl ")
			words := shellWords(strings.Split(example, " | ")[0])
			root := newApp(nil, nil, nil).root()
			found, rest, err := root.Find(words)
			require.NoError(t, err, example)
			require.True(t, strings.HasPrefix(found.CommandPath(), c.CommandPath()), example)
			require.NoError(t, found.ParseFlags(rest), example)
			if found.Args != nil {
				require.NoError(t, found.Args(found, found.Flags().Args()), example)
			}
		}
	}
	walk(newApp(nil, nil, nil).root())
}

var word = regexp.MustCompile(`'[^']*'|\S+`)

// shellWords are the words of a line, of those that the examples have.
func shellWords(line string) (out []string) {
	for _, w := range word.FindAllString(line, -1) {
		out = append(out, strings.Trim(w, "'"))
	}
	return out
}

var block = regexp.MustCompile("(?s)<!-- run: (\\w+) -->\n```sh\n(.*?)```")

// The README's lines work as they stand: they are run by a shell, with the names of what
// waits put in.
func TestTheREADMEsCommands(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	seen := map[string]int{}
	for _, m := range block.FindAllStringSubmatch(string(text), -1) {
		kind, script := m[1], m[2]
		seen[kind]++
		t.Run(kind, func(t *testing.T) {
			if strings.Contains(script, "jq ") {
				if _, err := exec.LookPath("jq"); err != nil {
					t.Skip("there is no jq")
				}
			}
			b := atDeskBench(t)
			tool, input := "refunds", "Refund 20 EUR|For order 4711."
			if kind == "question" {
				tool, input = "addresses", "Order 4698"
			}
			request := b.starts(tool, input)
			ref, digest := b.shown(request.JobID)
			script = strings.NewReplacer("REQUEST", ref, "DIGEST", digest, "audit.jsonl", b.path).Replace(script)
			if strings.Contains(script, "duvoctl approve "+ref+"\n") { // which asks at a terminal
				script = strings.Replace(script, "duvoctl approve "+ref+"\n", "", 1)
			}
			b.shell(t, script)
			answered := kind == "question" || kind == "script" || strings.Contains(script, "approve "+ref) || strings.Contains(script, "deny "+ref)
			require.Equal(t, answered, b.response(request.JobID) != nil)
		})
	}
	for _, kind := range []string{"desk", "question", "denial", "duvo", "script", "hold", "audit"} {
		require.NotZero(t, seen[kind], kind)
	}
	for _, m := range regexp.MustCompile(`(?m)^go (?:run|build -o duvoctl) (\./\S+)`).FindAllStringSubmatch(string(text), -1) {
		_, err := os.Stat("../../" + m[1])
		require.NoError(t, err)
	}
	// Whoever follows the page has the desk of that example, and what is asked there.
	asked, err := os.ReadFile("../../examples/approval-desk/emulator.go")
	require.NoError(t, err)
	answer := regexp.MustCompile(`--answer '[12]=([^']+)'`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, answer, 2)
	for _, m := range answer {
		for label := range strings.SplitSeq(m[1], ", ") {
			require.Contains(t, string(asked), strconv.Quote(label))
		}
	}
}

// shell runs a script, in which duvoctl is this program.
func (b *bench) shell(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	own, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/duvoctl", []byte("#!/bin/sh\nexec env "+asProgram+"=1 '"+own+"' \"$@\"\n"), 0o700))
	c := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, out)
	require.NotContains(t, string(out), b.d.Key())
}
