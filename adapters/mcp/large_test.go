package mcp_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// A page of messages that is over the bound of an MCP answer, where each text may
// stand twice, is asked for in parts, and no attempt is repeated as it was.
func TestPagesOverTheBoundOfAnAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	synctest.Test(t, func(t *testing.T) { // no machine is too slow for the time of a request then
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
			for range 50 {
				j.Say(strings.Repeat("x", 500<<10))
			}
		}}))
		defer d.Close()
		s := duvotestmcp.New(d)
		defer s.Close()
		c := connect(t, s, mcp.With(duvo.WithMaxBody(64<<20)))
		j, err := c.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID})
		require.NoError(t, err)
		synctest.Wait()
		n := 0
		for m, err := range c.Messages(t.Context(), j.ID) {
			require.NoError(t, err)
			require.Len(t, m.Text, 500<<10)
			n++
		}
		require.Equal(t, 50, n)
		require.Less(t, d.Count("listRunMessages"), 5)
	})
}
