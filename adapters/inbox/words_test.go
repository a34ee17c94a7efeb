package inbox_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pages have no words of their own, but for single keys: all stand in words.go.
func TestPagesHaveNoWordsOfTheirOwn(t *testing.T) {
	action, tag := regexp.MustCompile(`\{\{[^}]*\}\}`), regexp.MustCompile(`<[^>]*>`)
	inTags := regexp.MustCompile(`(?:aria-label|placeholder|title|alt)="[^"]*[A-Za-z]{2,}`)
	files, err := filepath.Glob("pages/*.html")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		bare := action.ReplaceAllString(string(text), "")
		require.Empty(t, inTags.FindAllString(bare, -1), file)
		require.Empty(t, regexp.MustCompile(`[A-Za-z]{2,}`).FindAllString(tag.ReplaceAllString(bare, " "), -1), file)
	}
}
