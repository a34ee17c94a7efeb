package mcp_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/hitl"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// The user may take longer than the budget: the call returns its handle, the form
// goes on, and its answer counts.
func TestFormOpenPastTheBudget(t *testing.T) {
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
		time.Sleep(20 * time.Minute)
		return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}, nil
	}, func(t *testing.T, h *host) {
		begin := time.Now()
		out := h.call(t, "refunds", "order 4711")
		if h.InitializeResult().ProtocolVersion < "2026-07-28" { // there the host asks its user itself, and comes back
			require.Equal(t, 90*time.Second, time.Since(begin))
			require.Contains(t, out, "still waits for a person")
			require.Empty(t, h.approvals())
			handle := out[strings.Index(out, "job-"):][:30]
			time.Sleep(20 * time.Minute)
			require.Equal(t, map[string]bool{"Refund 120 EUR": true}, h.approvals(), "with no call there")
			for range 20 {
				if out = h.call(t, "check_job", handle); strings.Contains(out, "completed") {
					break
				}
			}
			require.Len(t, h.forms, 2)
		}
		require.Contains(t, out, "Refunded.")
		require.Len(t, h.d.Jobs(), 1)
	}, duvotool.WithWaitBudget(90*time.Second))
}

// A host that ends its call while the form is open has decided nothing; the next
// call shows the form again.
func TestFormIsShownAgain(t *testing.T) {
	shown := 0
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
		if shown++; shown%3 == 1 {
			time.Sleep(time.Hour)
		}
		return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}, nil
	}, func(t *testing.T, h *host) {
		if h.InitializeResult().ProtocolVersion >= "2026-07-28" {
			t.Skip("there the call that asks has ended")
		}
		out := h.call(t, "refunds", "order 4711")
		handle := out[strings.Index(out, "job-"):][:30]
		time.Sleep(5 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := h.CallTool(ctx, &sdk.CallToolParams{Name: "check_job", Arguments: map[string]any{"handle": handle}})
		cancel()
		require.Error(t, err)
		synctest.Wait()
		require.Empty(t, h.approvals())
		require.Contains(t, h.call(t, "check_job", handle), "still waits")
		require.Equal(t, 1, shown, "it is open")
		time.Sleep(2 * time.Minute) // but perhaps the host has closed it
		for range 5 {
			if out = h.call(t, "check_job", handle); strings.Contains(out, "completed") {
				break
			}
		}
		require.Contains(t, out, "Refunded.")
		require.Equal(t, 3, shown)
		shown = 0
	}, duvotool.WithWaitBudget(20*time.Second))
}
