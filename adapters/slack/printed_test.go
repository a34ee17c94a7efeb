package slack_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/hitl"
	api "github.com/slack-go/slack"
	"github.com/stretchr/testify/require"
)

// What is printed of an app, and of what it was made of, tells neither the bot's token
// nor the secret that deliveries are signed with.
func TestAnAppPrintsNoSecrets(t *testing.T) {
	cfg := slack.Config{Client: api.New("xoxb-the-bot's-token"), SigningSecret: "what deliveries are signed with",
		To: func(hitl.Request) string { return "" }, People: slack.Users(nil)}
	app, err := slack.New(cfg)
	require.NoError(t, err)
	for _, v := range []any{app, cfg, &cfg, struct{ App *slack.App }{app}, []slack.Config{cfg}} {
		var text strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&text, verb, v)
		}
		slog.New(slog.NewTextHandler(&text, nil)).Info("made", "what", v)
		slog.New(slog.NewJSONHandler(&text, nil)).Info("made", "what", v)
		for _, secret := range []string{"xoxb-the-bot's-token", cfg.SigningSecret} {
			for _, as := range []string{"%s", "%x", "%d"} {
				require.NotContains(t, text.String(), strings.Trim(fmt.Sprintf(as, []byte(secret)), "[]"))
			}
		}
	}
}
