package duvotool_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every snippet of the README that names a file is in that file, word for
// word, and so is compiled and tested with it.
func TestReadmeSnippets(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	snippets := regexp.MustCompile("(?s)<!-- (\\S+) -->\n```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.GreaterOrEqual(t, len(snippets), 3)
	for _, s := range snippets {
		file, err := os.ReadFile(s[1])
		require.NoError(t, err)
		require.True(t, strings.Contains(string(file), strings.TrimSpace(s[2])), "the README's snippet differs from %s", s[1])
	}
}
