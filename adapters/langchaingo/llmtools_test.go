package langchaingo_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/stretchr/testify/require"
)

func TestFunctionName(t *testing.T) {
	for in, want := range map[string]string{
		"refunds": "refunds", "Google Search": "Google_Search", "9 lives": "_9_lives", "-x": "_x", "": "_", "日本": "__",
		strings.Repeat("a", 80): strings.Repeat("a", 63),
	} {
		got := langchaingo.FunctionName(in)
		require.Equal(t, want, got)
		require.Regexp(t, regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,62}$`), got)
	}
}
