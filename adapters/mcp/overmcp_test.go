package mcp_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// crowds are the tests that read lists of hundreds of Jobs for hours of their time:
// what they weigh is what lists tell, and a page of a list has tests of its own
// over MCP. They are three quarters of the work, so they are left out, but for
// DUVOTOOL_OVER_MCP=all. So are those that take long and send little: of tens of
// megabytes of messages, and of how long keys take to make.
const crowds = "^(TestSweeps|TestTrustLists|TestListsThatLieAtRandom|TestListsWithoutEnd|TestListsHeal|TestRowsAgainstReads|" +
	"TestRowsAreHints|TestUnlistedJobs|TestOutage|TestBurstOfStartsAtALimit|TestRefusedInputsAreBounded|" +
	"TestErrorsOfToolsAreBounded|TestManyLargeMessages|TestKeyThatLooksLikeAScopes|TestAWebhooksTokenIsTheKeysOwn|TestPersonKeyOfAKey)$"

// shards are what is run at once: a folder, and which of its tests. The two of the
// root take as long as each other.
var shards = []struct{ folder, program, run string }{
	{".", "duvotool.test", "^(Test[A-J]|Fuzz|Example)"},
	{".", "duvotool.test", "^Test[^A-J]"},
	{"hitl", "hitl.test", "."},
	{"trials/property", "property.test", "."},
}

// The tests of the engine and of the policies, with MCP beneath: wherever they
// reach a Duvo in memory, their requests go as tool calls to its MCP server. It
// takes a minute or two, so it is asked for: DUVOTOOL_OVER_MCP=1.
func TestTheEnginesTestsOverMCP(t *testing.T) {
	if os.Getenv("DUVOTOOL_OVER_MCP") == "" {
		t.Skip("set DUVOTOOL_OVER_MCP=1 to run it")
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	root := filepath.Join(here, "..", "..")
	dir := t.TempDir()
	overlay := map[string]string{}
	put := func(path, content string) {
		t.Helper()
		file := filepath.Join(dir, strings.NewReplacer("/", "_", ".go", "", "..", "").Replace(path)+".go")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		overlay[filepath.Join(root, path)] = file
	}
	read := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(b)
	}
	memory := read(filepath.Join(root, "duvotest", "memory.go"))
	const was = "func (d *Duvo) HTTPClient() *http.Client { return InMemory(d) }"
	require.Contains(t, memory, was)
	put("duvotest/memory.go", strings.Replace(memory, was, `func (d *Duvo) HTTPClient() *http.Client {
	if Hook == nil {
		return InMemory(d)
	}
	t, done := Hook(d)
	context.AfterFunc(d.ctx, func() { _ = done() })
	return &http.Client{Transport: t}
}

// Hook makes another way to a Duvo in memory.
var Hook func(*Duvo) (http.RoundTripper, func() error)`, 1))
	put("adapters/mcp/over.go", read("testdata/overmcp/transport.go.txt"))
	hook := read("testdata/overmcp/hook_test.go.txt")
	put("over_mcp_test.go", strings.Replace(hook, "PACKAGE", "duvotool_test", 1))
	put("trials/property/over_mcp_test.go", strings.Replace(hook, "PACKAGE", "property", 1))
	put("hitl/over_mcp_test.go", strings.Replace(hook, "PACKAGE", "hitl_test", 1))
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	require.NoError(t, err)
	config := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(config, list, 0o600))

	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", config, "-o", dir+"/", ".", "./hitl", "./trials/property")
	build.Dir = root
	told, err := build.CombinedOutput()
	require.NoError(t, err, string(told))
	t.Run("shards", func(t *testing.T) {
		for _, s := range shards {
			t.Run(s.folder+" "+s.run, func(t *testing.T) {
				t.Parallel()
				runShard(t, filepath.Join(dir, s.program), filepath.Join(root, s.folder), s.run)
			})
		}
	})
}

// runShard runs some tests of a program in its folder.
func runShard(t *testing.T, program, folder, run string) {
	const steps = "DUVOTOOL_PROPERTY_STEPS"
	args := []string{"-test.v", "-test.timeout", "15m", "-test.run", run}
	if os.Getenv("DUVOTOOL_OVER_MCP") != "all" {
		args = append(args, "-test.skip", crowds)
	}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = folder
	if os.Getenv(steps) == "" {
		cmd.Env = append(os.Environ(), steps+"=500")
	}
	out, err := cmd.CombinedOutput()
	failed := regexp.MustCompile(`(?m)^\s*--- FAIL: .*$`).FindAllString(string(out), -1)
	passed := bytes.Count(out, []byte("--- PASS: "))
	t.Logf("%d tests passed over MCP, %d failed", passed, len(failed))
	require.NoError(t, err, "%s\n%s", strings.Join(failed, "\n"), out[max(0, len(out)-20000):])
	require.Positive(t, passed)
}
