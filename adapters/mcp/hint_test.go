package mcp

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// A wrong key or team is told with the variable to look at, over MCP as over
// REST.
func TestWrongKeyAndTeamNameTheirVariables(t *testing.T) {
	d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
	defer d.Close()
	server := duvotestmcp.New(d)
	const team = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b99"
	_, err := Connect(t.Context(), With(append(server.Options(), duvo.WithAPIKey("dv_wrong"))...))
	require.ErrorIs(t, err, duvo.ErrUnauthorized)
	require.ErrorContains(t, err, "check DUVO_API_KEY")
	c, err := Connect(t.Context(), With(append(server.Options(), duvo.WithTeam(team))...))
	require.NoError(t, err)
	defer c.Close()
	for _, b := range []duvotool.Backend{c, d.Client(duvo.WithTeam(team))} {
		_, err = duvotool.Discover(t.Context(), b)
		require.ErrorContains(t, err, "check DUVO_TEAM_ID")
	}
	_, err = duvotool.Discover(t.Context(), d.Client(duvo.WithAPIKey("dv_wrong")))
	require.ErrorContains(t, err, "check DUVO_API_KEY")
	require.NotContains(t, err.Error(), "dv_wrong")
}
