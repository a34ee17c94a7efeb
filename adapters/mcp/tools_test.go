package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// changing is a tool of the program's own whose schema and answer can change.
type changing struct {
	schema *string
	call   func(json.RawMessage) (string, error)
}

func (changing) Name() string                                 { return "own" }
func (changing) Description() string                          { return strings.Repeat("Much to say. ", 1000) }
func (changing) Call(context.Context, string) (string, error) { return "", errors.New("has arguments") }
func (c changing) Schema() json.RawMessage                    { return json.RawMessage(*c.schema) }
func (c changing) CallArguments(_ context.Context, args json.RawMessage) (string, error) {
	return c.call(args)
}

// A tool of the program's own is offered in the form that all hosts take, within their
// limits; one that cannot be offered any more is left out, and what is offered besides
// stays.
func TestAToolOfTheProgramsOwnIsOfferedLikeOthers(t *testing.T) {
	synctestHost(t, mcp.Elicit(nil), func(t *testing.T, h *host) {
		schema := `{"type":"object","$ref":"#/$defs/R","description":"Who.","$defs":{"R":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}}`
		says := func(json.RawMessage) (string, error) { return "", nil }
		var log bytes.Buffer
		s, err := mcp.NewServer(h.reg, mcp.WithTools(changing{&schema, func(a json.RawMessage) (string, error) { return says(a) }}, h.reg.SearchTool()),
			mcp.WithServerLogger(slog.New(slog.NewTextHandler(&log, nil))))
		require.NoError(t, err)
		defer s.Close(context.Background())
		h.s = s
		session := h.connect(t, "2025-11-25", nil)
		defer session.Close()
		list, err := session.ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, list.Tools, 2)
		own := list.Tools[1]
		require.Equal(t, "own", own.Name)
		raw, err := json.Marshal(own.InputSchema)
		require.NoError(t, err)
		require.JSONEq(t, `{"type":"object","description":"Who.","properties":{"name":{"type":"string"}},"required":["name"]}`, string(raw))
		require.Len(t, []rune(own.Description), 1024)
		call := func() *sdk.CallToolResult {
			res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "own", Arguments: map[string]any{"name": "x"}})
			require.NoError(t, err)
			return res
		}
		require.Equal(t, "The tool said nothing.", text(t, call(), nil))
		says = func(a json.RawMessage) (string, error) { return "read " + string(a), nil }
		res := call()
		require.False(t, res.IsError)
		require.Equal(t, `read {"name":"x"}`, text(t, res, nil))
		says = func(json.RawMessage) (string, error) { return "what was read", errors.New("secret") }
		res = call()
		require.True(t, res.IsError)
		require.NotContains(t, text(t, res, nil), "secret")
		require.NotContains(t, text(t, res, nil), "what was read")

		schema = `{"type":"string"}`
		s.Update()
		list, err = session.ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, list.Tools, 1)
		require.Equal(t, "duvo_search", list.Tools[0].Name)
		require.Contains(t, log.String(), `the tool \"own\"`)
		_, err = mcp.NewServer(h.reg, mcp.WithTools(changing{&schema, says}))
		require.ErrorContains(t, err, `"own"`)
	})
}
