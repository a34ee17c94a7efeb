package langchaingo_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/stretchr/testify/require"
)

// With the secret that an agent holds anybody could sign its marks.
func TestAPrintedAgentTellsNoSecret(t *testing.T) {
	a := &langchaingo.Agent{}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "agent", a)
	require.Contains(t, logged.String(), "agent=langchaingo.Agent\n")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		require.Equal(t, "langchaingo.Agent", fmt.Sprintf(verb, a))
	}
}
