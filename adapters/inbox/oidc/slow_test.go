package oidc_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox/oidc"
	"github.com/stretchr/testify/require"
)

// A bounded is a connection that notes until when a body may come.
type bounded struct {
	*httptest.ResponseRecorder
	until []time.Time
}

func (b *bounded) SetReadDeadline(t time.Time) error {
	b.until = append(b.until, t)
	return nil
}

// Nobody has for ever to send what they post, whatever the server's own timeouts.
func TestABodyIsTimed(t *testing.T) {
	h, err := oidc.New(t.Context(), oidc.Config{Issuer: newProvider(t).URL, ClientID: "desk", CallbackURL: "https://desk.example.com/callback", SessionKey: make([]byte, 32)})
	require.NoError(t, err)
	w := &bounded{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/out", strings.NewReader("x")))
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.NotEmpty(t, w.until, "or whoever sends a byte now and then holds the connection")
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
