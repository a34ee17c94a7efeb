package mcp_test

import (
	"net/http"
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/internal/inbody/inbodytest"
	"github.com/stretchr/testify/require"
)

// Who has no token has not for ever to send what they post, whatever the server's own
// timeouts.
func TestABodyIsTimed(t *testing.T) {
	s, err := mcp.Awaiting(0)
	require.NoError(t, err)
	verify, err := mcp.Token("a-token-of-a-host")
	require.NoError(t, err)
	h, err := s.Handler(verify, nil)
	require.NoError(t, err)
	inbodytest.Timed(t, h, "/", http.StatusUnauthorized)
}
