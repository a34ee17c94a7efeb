package duvotestmcp_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// A fault's body that is an object is what the tool hands on, whatever type it is
// told to be; a page in its place is no answer of the protocol.
func TestBodiesOfFaults(t *testing.T) {
	d, s := emulator(t)
	session := host(t, d, s)
	teams := func() (*sdk.CallToolResult, error) {
		return session.CallTool(t.Context(), &sdk.CallToolParams{Name: "listMyTeams", Arguments: map[string]any{}})
	}
	d.Inject(duvotest.Fault{Op: "listMyTeams", Kind: duvotest.NotJSON, Body: `{"teams":[],"Teams":[]}`})
	res, err := teams()
	require.NoError(t, err)
	require.Equal(t, `{"teams":[],"Teams":[]}`, res.Content[0].(*sdk.TextContent).Text)
	d.Inject(duvotest.Fault{Op: "listMyTeams", Kind: duvotest.NotJSON})
	_, err = teams()
	require.Error(t, err)
}
