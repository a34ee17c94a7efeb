package mcp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/stretchr/testify/require"
)

// Who is refused is told why, and where tokens are given out.
func TestChallenges(t *testing.T) {
	h := serveHost(t, []duvotest.Assignment{refunds}, mcp.Elicit(nil))
	verify := func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		if token != "good" {
			return nil, auth.ErrInvalidToken
		}
		return &auth.TokenInfo{Scopes: []string{"runs:read"}, Expiration: time.Now().Add(time.Hour)}, nil
	}
	const meta = "https://example.com/.well-known/oauth-protected-resource"
	handler, err := h.s.Handler(verify, &auth.RequireBearerTokenOptions{ResourceMetadataURL: meta, Scopes: []string{"runs:write"}})
	require.NoError(t, err)
	for token, want := range map[string]struct {
		status int
		told   string
	}{
		"":     {401, `Bearer resource_metadata="` + meta + `", scope="runs:write"`},
		"bad":  {401, `Bearer error="invalid_token", resource_metadata="` + meta + `", scope="runs:write"`},
		"good": {403, `Bearer error="insufficient_scope", resource_metadata="` + meta + `", scope="runs:write"`},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, want.status, w.Code, token)
		require.Equal(t, want.told, w.Header().Get("WWW-Authenticate"), token)
	}
}
