package main

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the program prints for duvoctl lets it in as the first of the people, and nobody
// gets in without.
func TestTheDeskTakesTheTokenThatItPrints(t *testing.T) {
	t.Setenv("DUVO_API_KEY", "")
	ctx, leave := context.WithCancel(t.Context())
	read, written, err := os.Pipe()
	require.NoError(t, err)
	over := make(chan error, 1)
	go func() { over <- run(ctx, "127.0.0.1:0", "", time.Hour, written) }()
	env := map[string]string{}
	for lines := bufio.NewScanner(read); len(env) < 2 && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "export "); ok {
			name, value, _ := strings.Cut(text, "=")
			env[name] = value
		}
	}
	for token, want := range map[string]int{env["DUVOCTL_DESK_TOKEN"]: http.StatusOK, "another": http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env["DUVOCTL_DESK"]+"/api/me", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.Equal(t, want, res.StatusCode)
		var me struct{ Login string }
		require.NoError(t, json.NewDecoder(res.Body).Decode(&me))
		require.NoError(t, res.Body.Close())
		if want == http.StatusOK {
			require.Equal(t, people[0].Login, me.Login)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	leave()
	require.NoError(t, <-over)
	require.NoError(t, written.Close())
	require.NoError(t, read.Close())
}
