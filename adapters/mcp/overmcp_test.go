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
// DUVOTOOL_OVER_MCP=all.
const crowds = "^(TestSweeps|TestTrustLists|TestListsThatLieAtRandom|TestListsWithoutEnd|TestListsHeal|TestRowsAgainstReads)$"

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

	const steps = "DUVOTOOL_PROPERTY_STEPS"
	args := []string{"test", "-v", "-timeout", "15m", "-overlay", config}
	if os.Getenv("DUVOTOOL_OVER_MCP") != "all" {
		args = append(args, "-skip", crowds)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, ".", "./hitl")...)
	cmd.Dir = root
	cmd.Args = append(cmd.Args, "./trials/property")
	if os.Getenv(steps) == "" {
		cmd.Env = append(os.Environ(), steps+"=500")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	failed := regexp.MustCompile(`(?m)^\s*--- FAIL: .*$`).FindAllString(out.String(), -1)
	t.Logf("%d tests passed over MCP, %d failed", strings.Count(out.String(), "--- PASS: "), len(failed))
	if err != nil {
		t.Fatalf("%s\n%s", strings.Join(failed, "\n"), out.String()[max(0, out.Len()-20000):])
	}
}
