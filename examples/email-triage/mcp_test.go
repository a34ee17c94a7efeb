package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

func TestThroughMCP(t *testing.T) {
	noEnv(t)
	for approve, says := range map[string]string{"yes": "refund of 120 EUR", "no": "store credit"} {
		o, code, errs := triageJSON(t, "-approve", approve, "-transport", "mcp")
		require.Zero(t, code, errs)
		require.Equal(t, "completed", o.Status)
		require.Contains(t, o.Output, says)
		require.Contains(t, errs, "through MCP 2026-07-28")
	}
}

// A server that is not the emulator: it has the documented tools, sessions, and
// answers with a text block.
func TestThroughAForeignMCPServer(t *testing.T) {
	noEnv(t)
	var mu sync.Mutex
	calls := map[string]int{}
	var approved any
	const at = "2026-01-02T03:04:05Z"
	server := sdk.NewServer(&sdk.Implementation{Name: "foreign"}, nil)
	add := func(name string, do func(args map[string]any) any) {
		server.AddTool(&sdk.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)}, func(_ context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
			mu.Lock()
			defer mu.Unlock()
			calls[name]++
			var args map[string]any
			if err := json.Unmarshal(r.Params.Arguments, &args); err != nil {
				return nil, err
			}
			v := do(args)
			res := &sdk.CallToolResult{}
			if text, failed := v.(string); failed {
				res.IsError = true
				res.Content = []sdk.Content{&sdk.TextContent{Text: text}}
				return res, nil
			}
			b, err := json.Marshal(v)
			res.Content = []sdk.Content{&sdk.TextContent{Text: string(b)}}
			return res, err
		})
	}
	type object = map[string]any
	run := func() object {
		status := "waiting"
		if approved != nil {
			status = "completed"
		}
		return object{"id": runID, "agent_id": agentID, "build_id": buildID, "status": status, "created_at": at, "updated_at": at}
	}
	add("listMyTeams", func(object) any { return object{"teams": []any{object{"id": teamID, "name": "T"}}} })
	add("listAgents", func(args object) any {
		if args["team_id"] != teamID {
			return "Error 403: not your team"
		}
		return object{"total": 1, "agents": []any{object{"id": agentID, "name": "Complaints", "latest_build": object{"id": buildID, "revision_description": "Handles complaints about damaged orders and refunds."}}}}
	})
	add("listAgentFolders", func(object) any { return object{"folders": []any{}} })
	add("listRuns", func(object) any { return object{"data": []any{run()}, "total": 1} })
	add("startRun", func(args object) any {
		if args["agent_id"] != agentID || !strings.Contains(fmt.Sprint(args["message"]), "4711") {
			return `{"error":"invalid_request"}`
		}
		return object{"run": run()}
	})
	add("getRun", func(args object) any {
		if args["run_id"] != runID {
			return `{"error":"not_found"}`
		}
		r := object{"run": run()}
		if approved == nil {
			r["pending_human_request"] = object{"id": askID, "type": "approval", "title": "Refund?", "created_at": at}
		}
		return r
	})
	add("listRunMessages", func(object) any {
		return object{"total": 1, "messages": []any{object{"id": "m", "type": "message", "role": "assistant", "timestamp": at, "text_content": "refunded"}}}
	})
	add("respondToHumanRequest", func(args object) any {
		if args["run_id"] != runID || args["request_id"] != askID {
			return `{"error":"not_found"}`
		}
		approved = args["approved"]
		return object{"human_request": object{"id": askID}}
	})
	add("postRunMessage", func(object) any { return object{} })
	add("stopRun", func(object) any { return object{"success": true} })
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, nil)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer dv_foreign" || r.URL.Path != "/v2/mcp" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer web.Close()
	t.Setenv("DUVO_API_KEY", "dv_foreign")
	t.Setenv("DUVO_API_BASE_URL", web.URL)
	o, code, errs := triageJSON(t, "-approve", "yes", "-poll", "50ms", "-transport", "mcp")
	require.Zero(t, code, errs)
	require.Equal(t, "refunded", o.Output)
	require.Equal(t, true, approved)
	require.Equal(t, 1, calls["startRun"])
	require.Equal(t, 1, calls["respondToHumanRequest"])
	require.Contains(t, errs, "through MCP 2025-11-25")
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
