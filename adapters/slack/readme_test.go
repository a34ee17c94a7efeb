package slack_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the README shows is compiled.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	example, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	snippet := regexp.MustCompile("(?s)<!-- example_test.go -->\n```go\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, snippet)
	require.Contains(t, string(example), string(snippet[1]))
}
