package oidc_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/inbox/oidc"
	"github.com/stretchr/testify/require"
)

// What is printed of a sign-in, and of what it was made of, tells neither the secret by
// which the provider knows the desk nor the key of sessions.
func TestASignInPrintsNoSecrets(t *testing.T) {
	cfg := oidc.Config{Issuer: newProvider(t).URL, ClientID: "desk", ClientSecret: "the desk's secret at the provider",
		CallbackURL: "https://desk.example.com/signin/callback", SessionKey: []byte("the key by which sessions are signed")}
	signIn, err := oidc.New(t.Context(), cfg)
	require.NoError(t, err)
	for _, v := range []any{signIn, cfg, &cfg, struct{ SignIn *oidc.SignIn }{signIn}, []oidc.Config{cfg}} {
		var text strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&text, verb, v)
		}
		slog.New(slog.NewTextHandler(&text, nil)).Info("made", "what", v)
		slog.New(slog.NewJSONHandler(&text, nil)).Info("made", "what", v)
		for _, secret := range []string{cfg.ClientSecret, string(cfg.SessionKey)} {
			for _, as := range []string{"%s", "%x", "%d"} {
				require.NotContains(t, text.String(), strings.Trim(fmt.Sprintf(as, []byte(secret)), "[]"))
			}
		}
	}
}
