package oidc_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/inbox/oidc"
	"github.com/duvotool/duvotool/internal/inbody/inbodytest"
	"github.com/stretchr/testify/require"
)

// Nobody has for ever to send what they post, whatever the server's own timeouts.
func TestABodyIsTimed(t *testing.T) {
	h, err := oidc.New(t.Context(), oidc.Config{Issuer: newProvider(t).URL, ClientID: "desk", CallbackURL: "https://desk.example.com/callback", SessionKey: make([]byte, 32)})
	require.NoError(t, err)
	inbodytest.Timed(t, h, "/out", http.StatusSeeOther)
}

// Who was never sent to the provider cannot fill the log.
func TestRefusedSignInsAreLoggedNowAndThen(t *testing.T) {
	var logged strings.Builder
	h, err := oidc.New(t.Context(), oidc.Config{Issuer: newProvider(t).URL, ClientID: "desk", CallbackURL: "https://desk.example.com/callback", SessionKey: make([]byte, 32),
		Log: slog.New(slog.NewTextHandler(&logged, nil))})
	require.NoError(t, err)
	for range 50 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/callback?state=x&code=y", http.NoBody))
		require.Equal(t, http.StatusBadRequest, w.Code)
	}
	require.Equal(t, 1, strings.Count(logged.String(), "was refused"), logged.String())
}
