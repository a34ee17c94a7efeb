package mcp_test

import (
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/stretchr/testify/require"
)

// What is no host is refused where it is named; cmd/duvo-mcp tests what is let through.
func TestAllowHosts(t *testing.T) {
	for _, bad := range [][]string{nil, {""}, {" "}, {"https://mcp.example.com"}, {"mcp.example.com/mcp"}, {"*.example.com"}, {"a b"}, {"kim@example.com"}, {"mcp.example.com", ""}} {
		_, err := mcp.Awaiting(0, mcp.AllowHosts(bad...))
		require.ErrorContains(t, err, "AllowHosts", bad)
	}
	for _, good := range [][]string{{"mcp.example.com"}, {"MCP.example.com:443", "[2001:db8::1]:443", "2001:db8::1", "10.1.2.3"}} {
		_, err := mcp.Awaiting(0, mcp.AllowHosts(good...))
		require.NoError(t, err, good)
	}
}
