package mcp_test

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// servers are the forms in which an MCP server may be met.
var servers = map[string][]duvotestmcp.Option{
	"newest revision":       nil,
	"events":                {duvotestmcp.WithEvents(), duvotestmcp.WithContent(duvotestmcp.Structured)},
	"sessions":              {duvotestmcp.WithSessions(), duvotestmcp.WithContent(duvotestmcp.Text)},
	"2025-06-18":            {duvotestmcp.WithRevisions("2025-06-18"), duvotestmcp.WithSessions(), duvotestmcp.WithEvents()},
	"2025-03-26":            {duvotestmcp.WithRevisions("2025-03-26"), duvotestmcp.WithSessions()},
	"errors in the results": {duvotestmcp.WithToolErrors()},
}

func connect(t testing.TB, s *duvotestmcp.Server, opts ...mcp.Option) *mcp.Client {
	t.Helper()
	c, err := mcp.Connect(t.Context(), append([]mcp.Option{mcp.With(s.Options()...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// What holds of the client over REST holds over MCP, whatever the server.
func TestBackend(t *testing.T) {
	for name, opts := range servers {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "newest revision" {
				t.Skip("it takes long; it runs without -short")
			}
			duvotooltest.TestBackend(t, func(t *testing.T, d *duvotest.Duvo) duvotool.Backend {
				return connect(t, duvotestmcp.New(d, opts...))
			})
		})
	}
}
