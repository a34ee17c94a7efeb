package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"github.com/stretchr/testify/require"
)

// An issuer is an authorization server, and the MCP server that trusts it.
type issuer struct {
	mcp http.Handler

	mu      sync.Mutex
	valid   map[string]time.Time // until when
	issued  int
	grants  []string // that were asked for
	refused bool     // no client is known
}

const issuerURL = "http://127.0.0.1"

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	say := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/.well-known/oauth-protected-resource/v2/mcp":
		say(200, map[string]any{"resource": issuerURL + "/v2/mcp", "authorization_servers": []string{issuerURL}, "scopes_supported": []string{"runs"}})
	case "/.well-known/oauth-authorization-server":
		say(200, map[string]any{"issuer": issuerURL, "authorization_endpoint": issuerURL + "/authorize", "token_endpoint": issuerURL + "/token",
			"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
			"grant_types_supported": []string{"client_credentials", "authorization_code", "refresh_token"}, "token_endpoint_auth_methods_supported": []string{"client_secret_post"}})
	case "/token":
		_ = r.ParseForm()
		i.mu.Lock()
		defer i.mu.Unlock()
		i.grants = append(i.grants, r.Form.Get("grant_type"))
		if i.refused || r.Form.Get("client_id") != "duvotool" || r.Form.Get("client_secret") != "client-secret" {
			say(401, map[string]any{"error": "invalid_client", "error_description": "no such client"})
			return
		}
		i.issued++
		token := fmt.Sprintf("access-token-%d", i.issued)
		i.valid[token] = time.Now().Add(time.Hour)
		say(200, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh-token"})
	case "/v2/mcp":
		i.mcp.ServeHTTP(w, r)
	default:
		say(404, map[string]any{"error": "not_found"})
	}
}

func (i *issuer) authorize(token string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !time.Now().Before(i.valid[token]) {
		return errors.New("not valid")
	}
	return nil
}

func (i *issuer) revoke() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.valid = map[string]time.Time{}
}

// withIssuer runs a test with a Duvo whose MCP server wants tokens.
func withIssuer(t *testing.T, test func(t *testing.T, d *duvotest.Duvo, i *issuer, s *duvotestmcp.Server, h *http.Client), opts ...duvotestmcp.Option) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignments(refunds, survey))
		t.Cleanup(d.Close)
		i := &issuer{valid: map[string]time.Time{}}
		s := duvotestmcp.New(d, append(opts, duvotestmcp.WithAuthorization(i.authorize, `Bearer resource_metadata="`+issuerURL+`/.well-known/oauth-protected-resource/v2/mcp"`))...)
		t.Cleanup(s.Close)
		i.mcp = s
		test(t, d, i, s, duvotest.InMemory(i))
	})
}

func credentials(secret string) *oauthex.ClientCredentials {
	return &oauthex.ClientCredentials{ClientID: "duvotool", ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: secret}}
}

func clientCredentials(t *testing.T, h *http.Client, secret string) auth.OAuthHandler {
	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{Credentials: credentials(secret), HTTPClient: h})
	require.NoError(t, err)
	return handler
}

// Metadata leads to the authorization server; tokens are renewed when their
// time is over, and when the server no longer takes them.
func TestOAuthClientCredentials(t *testing.T) {
	for name, opts := range map[string][]duvotestmcp.Option{"newest": nil, "sessions": {duvotestmcp.WithSessions()}} {
		t.Run(name, func(t *testing.T) {
			withIssuer(t, func(t *testing.T, d *duvotest.Duvo, i *issuer, s *duvotestmcp.Server, h *http.Client) {
				c, err := mcp.Connect(t.Context(), mcp.WithOAuth(clientCredentials(t, h, "client-secret")), mcp.With(duvo.WithBaseURL(issuerURL), duvo.WithHTTPClient(h)))
				require.NoError(t, err)
				defer c.Close()
				require.Equal(t, 1, i.issued)
				reg, err := duvotool.Discover(t.Context(), c)
				require.NoError(t, err)
				defer reg.Close(context.Background())
				require.Equal(t, 1, i.issued)

				time.Sleep(2 * time.Hour)
				res, err := mustTool(reg, "Refunds").Run(t.Context(), "order 4711")
				require.NoError(t, err)
				require.Equal(t, "Not refunded.", res.Output)
				require.Equal(t, 2, i.issued, "renewed once its time was over")

				i.revoke()
				before := d.Count("startRun")
				_, err = c.StartJob(duvo.WithoutResend(t.Context()), duvo.StartJob{AssignmentID: refundsID, Message: "x"})
				require.NoError(t, err)
				require.Equal(t, 3, i.issued, "renewed once it was refused")
				require.Equal(t, before+1, d.Count("startRun"))

				i.revoke()
				s.Restart()
				_, err = c.Folders(t.Context())
				require.NoError(t, err, "both at once")

				i.revoke()
				i.refused = true
				_, err = c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "y"})
				require.Error(t, err)
				require.False(t, duvo.MayHaveTakenEffect(err))
				require.NotContains(t, err.Error(), "client-secret")
				require.NotContains(t, err.Error(), "access-token")
			}, opts...)
		})
	}
}

func TestOAuthFailures(t *testing.T) {
	withIssuer(t, func(t *testing.T, _ *duvotest.Duvo, i *issuer, _ *duvotestmcp.Server, h *http.Client) {
		_, err := mcp.Connect(t.Context(), mcp.WithOAuth(clientCredentials(t, h, "another-secret")), mcp.With(duvo.WithBaseURL(issuerURL), duvo.WithHTTPClient(h)))
		require.ErrorIs(t, err, duvo.ErrUnauthorized)
		require.ErrorContains(t, err, "invalid_client")
		require.NotContains(t, err.Error(), "another-secret")
		require.Equal(t, []string{"client_credentials"}, i.grants, "a refusal is not repeated")

		_, err = mcp.Connect(t.Context(), mcp.WithOAuth(nil))
		require.ErrorContains(t, err, "nil")
		_, err = mcp.Connect(t.Context(), mcp.WithOAuth(clientCredentials(t, h, "x")), mcp.With(duvo.WithAPIKey("dv_key")))
		require.ErrorContains(t, err, "both")
	})
}

// A person's consent once, refreshed without them.
func TestOAuthAuthorizationCode(t *testing.T) {
	withIssuer(t, func(t *testing.T, _ *duvotest.Duvo, i *issuer, _ *duvotestmcp.Server, h *http.Client) {
		asked := 0
		handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
			PreregisteredClient: credentials("client-secret"), RedirectURL: "http://127.0.0.1/callback", Client: h,
			AuthorizationCodeFetcher: func(_ context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
				asked++
				u, err := url.Parse(a.URL)
				if err != nil {
					return nil, err
				}
				return &auth.AuthorizationResult{Code: "code", State: u.Query().Get("state")}, nil
			}})
		require.NoError(t, err)
		c, err := mcp.Connect(t.Context(), mcp.WithOAuth(handler), mcp.With(duvo.WithBaseURL(issuerURL), duvo.WithHTTPClient(h)))
		require.NoError(t, err)
		defer c.Close()
		time.Sleep(2 * time.Hour)
		_, err = c.Folders(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, asked)
		require.Equal(t, []string{"authorization_code", "refresh_token"}, i.grants)
	})
}
