package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What docs/recipes.md shows stands in the programs, and what it names is there.
func TestRecipes(t *testing.T) {
	page, err := os.ReadFile("../docs/recipes.md")
	require.NoError(t, err)
	text := string(page)
	snippets := regexp.MustCompile("(?s)<!-- (\\S+) -->\n```go\n(.*?)```").FindAllStringSubmatch(text, -1)
	require.Len(t, snippets, strings.Count(text, "```go"), "each is of a file")
	for _, s := range snippets {
		file, err := os.ReadFile(filepath.Join("..", s[1]))
		require.NoError(t, err)
		require.Contains(t, string(file), strings.TrimSpace(s[2]), s[1])
	}
	for _, m := range regexp.MustCompile(`\]\(\.\./([^)#]+)`).FindAllStringSubmatch(text, -1) {
		_, err := os.Stat(filepath.Join("..", m[1]))
		require.NoError(t, err)
	}
	commands := regexp.MustCompile(`(?m)^go run \./examples/(\S+)(.*)$`).FindAllStringSubmatch(text, -1)
	require.GreaterOrEqual(t, len(commands), 4)
	for _, c := range commands {
		source, err := os.ReadFile(filepath.Join(c[1], "main.go"))
		require.NoError(t, err)
		for _, f := range regexp.MustCompile(` -([a-z-]+)`).FindAllStringSubmatch(c[2], -1) {
			require.Contains(t, string(source), `"`+f[1]+`", `, "the flag -%s of %s", f[1], c[1])
		}
	}
	for _, name := range regexp.MustCompile("`(Test\\w+|fromHeader|Err\\w+)`").FindAllStringSubmatch(text, -1) {
		found := false
		for _, dir := range []string{"service", "chat-bot", "nightly", "refunds", "refund-shop"} {
			files, err := filepath.Glob(dir + "/*.go")
			require.NoError(t, err)
			for _, f := range files {
				source, err := os.ReadFile(f)
				require.NoError(t, err)
				found = found || regexp.MustCompile(`\b`+name[1]+`\b`).Match(source)
			}
		}
		require.True(t, found, name[1])
	}
}
