package mcp_test

import (
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// What is described without a body reaches the API without one, with its key, over
// REST and over MCP.
func TestOperationsWithoutABody(t *testing.T) {
	inMemory(t, func(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) {
		for way, c := range map[string]*duvo.Client{"REST": d.Client(), "MCP": connect(t, s).Client} {
			j, err := d.StartElsewhere(refundsID, "x")
			require.NoError(t, err)
			require.NoError(t, c.StopJob(t.Context(), j))
			_, err = c.CreateSandbox(t.Context())
			require.NoError(t, err)
			for _, r := range d.Requests()[len(d.Requests())-2:] {
				require.Contains(t, []string{"stopRun", "createSandbox"}, r.Op)
				require.Empty(t, r.Body, way)
				require.Empty(t, r.Header.Values("Content-Type"), way)
				require.Len(t, r.Header.Values("Idempotency-Key"), 1, way)
			}
		}
	})
}
