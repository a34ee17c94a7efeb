package inbox_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/stretchr/testify/require"
)

// What is printed of a desk, by whatever verb or log handler, does not tell the secret
// that proves what was shown to whom.
func TestADeskPrintsNoSecret(t *testing.T) {
	desk, err := inbox.New(inbox.Config{Registries: []inbox.Registry{newCrowd(1)}, Person: person, May: inbox.Everyone})
	require.NoError(t, err)
	defer desk.Close()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		require.Equal(t, "inbox.Desk", fmt.Sprintf(verb, desk))
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("made", "desk", desk)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("made", "desk", desk)
	require.Contains(t, logged.String(), "desk=inbox.Desk\n")
	require.Contains(t, logged.String(), `"desk":"inbox.Desk"}`)
}
