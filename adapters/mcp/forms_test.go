package mcp_test

import (
	"encoding/json"
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A form has fields of the types that the host's revision knows: up to 2025-06-18
// no lists, and so one field for each option.
func TestFormsOfTheRevision(t *testing.T) {
	which := duvo.QuestionItem{Question: "Which?", MultiSelect: true, Options: []duvo.Choice{{Label: "a"}, {Label: "b"}, {Label: "c"}}}
	for name, c := range map[string]struct {
		content map[string]any
		answer  string
	}{
		"two":      {map[string]any{"q01": []any{"a", "c"}, "q01_01": true, "q01_02": false, "q01_03": true}, "a, c"},
		"one":      {map[string]any{"q01": []any{"b"}, "q01_02": true}, "b"},
		"none":     {map[string]any{"q01": []any{}, "q01_01": false}, ""},
		"no field": {map[string]any{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			withServer(t, asking(which), mcp.Elicit(nil), fill(c.content), func(t *testing.T, h *host) {
				res, err := h.CallTool(t.Context(), params("refunds", "x", "", nil))
				if c.answer != "" { // else a host may check the form itself
					require.NoError(t, err)
				}
				lists := h.InitializeResult().ProtocolVersion >= "2025-11-25"
				raw, err := json.Marshal(h.forms[0].RequestedSchema)
				require.NoError(t, err)
				var schema struct {
					Properties map[string]struct{ Type string }
				}
				require.NoError(t, json.Unmarshal(raw, &schema))
				require.Len(t, schema.Properties, map[bool]int{true: 1, false: 3}[lists])
				for _, p := range schema.Properties {
					require.Equal(t, map[bool]string{true: "array", false: "boolean"}[lists], p.Type)
				}
				if c.answer == "" {
					require.Zero(t, h.d.Count("respondToHumanRequest"))
					return
				}
				require.Contains(t, text(t, res, err), "answered "+c.answer)
			})
		})
	}
}

// A host without forms has a reason of its own, with the link where a person can
// answer, if there is one that can be trusted.
func TestALinkForHostsWithoutForms(t *testing.T) {
	for link, told := range map[string]bool{"https://duvo.example.com/jobs/": true, "http://duvo.example.com/": false, "javascript:alert(1)//": false,
		"https://user:pass@duvo.example.com/": false, "": false} {
		withServer(t, refunds, mcp.Elicit(nil, hitl.For(refundsID)), nil, func(t *testing.T, h *host) {
			out := h.call(t, "refunds", "x")
			require.Contains(t, out, "the MCP host shows no forms")
			if told {
				require.Contains(t, out, "a person can answer at "+link+h.d.Jobs()[0].ID)
			} else {
				require.NotContains(t, out, "can answer at")
			}
		}, mcp.WithAnswerLink(func(r hitl.Request) string { return link + r.JobID }))
	}
	withServer(t, refunds, mcp.Elicit(nil, hitl.For(refundsID)), nil, func(t *testing.T, h *host) {
		res, err := h.CallTool(t.Context(), params("refunds", "x", "", nil))
		require.Contains(t, text(t, res, err), "the MCP host shows no forms")
	}, mcp.WithAnswerLink(func(hitl.Request) string { panic("no") }))
	_, err := mcp.NewServer(nil)
	require.Error(t, err)
}
