package mcp_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/stretchr/testify/require"
)

// With the secret that a server holds anybody could sign the states of calls.
func TestAPrintedServerTellsNoSecret(t *testing.T) {
	s := &mcp.Server{}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "server", s)
	require.Contains(t, logged.String(), "server=mcp.Server\n")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		require.Equal(t, "mcp.Server", fmt.Sprintf(verb, s))
	}
}
