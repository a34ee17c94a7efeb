package mcp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/stretchr/testify/require"
)

// byPerson authorizes by a person, who says yes for as long as says reports it.
func byPerson(t *testing.T, h *http.Client, says func(scope string) error) auth.OAuthHandler {
	handler, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient: credentials("client-secret"), RedirectURL: "http://127.0.0.1/callback", Client: h,
		AuthorizationCodeFetcher: func(_ context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			u, err := url.Parse(a.URL)
			if err != nil {
				return nil, err
			}
			if err := says(u.Query().Get("scope")); err != nil {
				return nil, err
			}
			return &auth.AuthorizationResult{Code: "code", State: u.Query().Get("state")}, nil
		}})
	require.NoError(t, err)
	return handler
}

// A person who declines is asked once, whatever is retried, and not again with each
// request that follows.
func TestAPersonWhoDeclines(t *testing.T) {
	withIssuer(t, func(t *testing.T, d *duvotest.Duvo, i *issuer, _ *duvotestmcp.Server, h *http.Client) {
		asked, declines := 0, true
		handler := byPerson(t, h, func(string) error {
			if asked++; declines {
				return errors.New("access_denied: not today")
			}
			return nil
		})
		opts := []mcp.Option{mcp.WithOAuth(handler), mcp.With(duvo.WithBaseURL(issuerURL), duvo.WithHTTPClient(h))}
		_, err := mcp.Connect(t.Context(), opts...)
		require.ErrorIs(t, err, duvo.ErrUnauthorized)
		require.False(t, duvo.Temporary(err))
		require.Equal(t, 1, asked)

		declines, asked = false, 0
		c, err := mcp.Connect(t.Context(), opts...)
		require.NoError(t, err)
		defer c.Close()
		require.Equal(t, 1, asked)
		i.revoke()
		declines = true
		for range 3 {
			_, err = c.Folders(t.Context())
			require.ErrorIs(t, err, duvo.ErrUnauthorized)
			require.ErrorContains(t, err, "not today")
			require.False(t, duvo.Temporary(err))
		}
		_, err = c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "x"})
		require.ErrorIs(t, err, duvo.ErrUnauthorized)
		require.False(t, duvo.MayHaveTakenEffect(err))
		require.Equal(t, 2, asked, "once")
		require.Zero(t, d.Count("startRun"))
		time.Sleep(2 * time.Minute)
		declines = false
		_, err = c.Folders(t.Context())
		require.NoError(t, err)
		require.Equal(t, 3, asked)
	})
}

// A token that is good for too little is stepped up once; a second refusal is told.
func TestStepUp(t *testing.T) {
	for name, enough := range map[string]bool{"enough then": true, "never enough": false} {
		t.Run(name, func(t *testing.T) {
			withIssuer(t, func(t *testing.T, d *duvotest.Duvo, i *issuer, s *duvotestmcp.Server, h *http.Client) {
				var scopes []string
				refusals := 0
				i.mcp = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Mcp-Name") == "startRun" && (!enough || len(scopes) < 2) {
						refusals++
						w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="runs:write", resource_metadata="`+issuerURL+`/.well-known/oauth-protected-resource/v2/mcp"`)
						w.WriteHeader(http.StatusForbidden)
						return
					}
					s.ServeHTTP(w, r)
				})
				handler := byPerson(t, h, func(scope string) error { scopes = append(scopes, scope); return nil })
				c, err := mcp.Connect(t.Context(), mcp.WithOAuth(handler), mcp.With(duvo.WithBaseURL(issuerURL), duvo.WithHTTPClient(h)))
				require.NoError(t, err)
				defer c.Close()
				_, err = c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "x"})
				require.Len(t, scopes, 2)
				require.Equal(t, "runs", scopes[0])
				require.ElementsMatch(t, []string{"runs", "runs:write"}, strings.Fields(scopes[1]))
				if enough {
					require.NoError(t, err)
					require.Equal(t, 1, refusals)
					require.Len(t, d.Jobs(), 1)
					return
				}
				require.ErrorIs(t, err, duvo.ErrForbidden)
				require.False(t, duvo.MayHaveTakenEffect(err))
				require.Equal(t, 2, refusals)
				require.Empty(t, d.Jobs())
			})
		})
	}
}
