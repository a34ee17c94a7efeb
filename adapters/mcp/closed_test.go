package mcp_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

type counted struct{ n atomic.Int64 }

func (c *counted) Name() string        { return "counted" }
func (c *counted) Description() string { return "Counts." }
func (c *counted) Call(context.Context, string) (string, error) {
	c.n.Add(1)
	return "counted", nil
}

// Calls that come after Close are refused, as it says.
func TestNothingRunsAfterClose(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(refunds))
	defer d.Close()
	reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(time.Millisecond))
	require.NoError(t, err)
	defer reg.Close(context.Background())
	own := &counted{}
	s, err := mcp.NewServer(reg, mcp.WithTools(own))
	require.NoError(t, err)
	ours, theirs := sdk.NewInMemoryTransports()
	go func() { _ = s.Run(t.Context(), ours) }()
	c, err := sdk.NewClient(&sdk.Implementation{Name: "h", Version: "1"}, nil).Connect(t.Context(), theirs, nil)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, s.Close(t.Context()))
	res, err := c.CallTool(t.Context(), &sdk.CallToolParams{Name: "counted", Arguments: map[string]any{"input": "x"}})
	if err == nil {
		t.Log(res.Content[0], res.IsError)
	}
	require.Zero(t, own.n.Load(), "it was run")
	require.True(t, err != nil || res.IsError)
}
