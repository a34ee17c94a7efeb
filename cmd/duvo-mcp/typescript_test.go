package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// missing leaves out a test for want of a tool. Where CI is set, as CI services do,
// that is a failure: a test that nobody runs holds nothing.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// A host of another ecosystem, where Node and npm are there: both lines of the
// TypeScript SDK, over stdio and Streamable HTTP. The script works by itself,
// too.
func TestTypeScriptHost(t *testing.T) {
	if testing.Short() {
		t.Skip("it installs packages")
	}
	for _, program := range []string{"bash", "node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program+" is not there")
		}
	}
	if out, err := exec.CommandContext(t.Context(), "npm", "view", "@modelcontextprotocol/client", "version").CombinedOutput(); err != nil {
		missing(t, "npm reaches no registry: "+string(out))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "bash", "testdata/typescript/run.sh").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, 4, strings.Count(string(out), "\nok\n"), string(out))
	require.Equal(t, 16, strings.Count(string(out), ": not approved\n"), string(out))
}
