package duvo

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a wrong setting comes to says which setting it is.
func TestErrorsOfASetUpNameTheSetting(t *testing.T) {
	for _, name := range []string{EnvAPIKey, EnvTeamID, EnvBaseURL} {
		t.Setenv(name, "")
	}
	_, err := FromEnv()
	require.EqualError(t, err, "duvo: there is no API key: set DUVO_API_KEY, or pass WithAPIKey or WithTokenSource")
	require.ErrorIs(t, err, ErrUnauthorized)
	_, err = New(WithAPIKey("dv_1"), WithBaseURL("127.0.0.1:8400"))
	require.ErrorContains(t, err, "DUVO_API_BASE_URL or WithBaseURL, cannot be parsed; it looks like https://")

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, base := range []string{"http://" + closed.Addr().String(), "https://" + plain.Listener.Addr().String()} {
		c, err := New(WithAPIKey("dv_1"), WithBaseURL(base), WithRetries(1, 0), WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
		require.NoError(t, err)
		_, err = c.Teams(t.Context())
		require.ErrorContains(t, err, "; check DUVO_API_BASE_URL, or what WithBaseURL was given")
		require.ErrorIs(t, err, ErrUnavailable)
	}
}

// A server that was reached is no sign of a wrong URL, and its sentence goes on with
// what is to be done.
func TestHintsGoOnWithTheSentence(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer dv_cut" {
			panic(http.ErrAbortHandler)
		}
		http.Error(w, `{"code":"unauthorized","message":"The API key is not valid."}`, http.StatusUnauthorized)
	})
	server := httptest.NewServer(answer)
	defer server.Close()
	ask := func(key string) error {
		c, err := New(WithAPIKey(key), WithBaseURL(server.URL), WithRetries(1, 0), WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}))
		require.NoError(t, err)
		_, err = c.Teams(t.Context())
		return err
	}
	require.ErrorContains(t, ask("dv_wrong"), "The API key is not valid; check DUVO_API_KEY, or what WithAPIKey was given")
	cut := ask("dv_cut")
	var broken *TransportError
	require.True(t, errors.As(cut, &broken))
	require.NotContains(t, cut.Error(), EnvBaseURL)
}
