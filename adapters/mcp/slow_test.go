package mcp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
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

// Who has no token has not for ever to send what they post, whatever the server's own
// timeouts.
func TestABodyIsTimed(t *testing.T) {
	s, err := mcp.Awaiting(0)
	require.NoError(t, err)
	verify, err := mcp.Token("a-token-of-a-host")
	require.NoError(t, err)
	h, err := s.Handler(verify, nil)
	require.NoError(t, err)
	w := &bounded{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x")))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.NotEmpty(t, w.until, "or whoever sends a byte now and then holds the connection")
}
