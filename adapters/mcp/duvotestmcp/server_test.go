package duvotestmcp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const agentID = "a9000000-0000-4000-8000-000000000001"

// bearer is a foreign client's way of sending its key.
type bearer struct {
	key  string
	next http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	r.Header.Set("Idempotency-Key", "k")
	return b.next.RoundTrip(r)
}

// host connects with the SDK alone, without anything of ours.
func host(t *testing.T, d *duvotest.Duvo, s *duvotestmcp.Server) *sdk.ClientSession {
	session, err := sdk.NewClient(&sdk.Implementation{Name: "any"}, nil).Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: duvotest.MemoryURL + "/v2/mcp", HTTPClient: &http.Client{Transport: bearer{d.Key(), duvotest.InMemory(s).Transport}}}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func emulator(t *testing.T, opts ...duvotestmcp.Option) (*duvotest.Duvo, *duvotestmcp.Server) {
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.Complete("done") }}))
	t.Cleanup(d.Close)
	s := duvotestmcp.New(d, opts...)
	t.Cleanup(s.Close)
	return d, s
}

// Every operation is a tool with flat arguments, and says whether it changes
// anything.
func TestTools(t *testing.T) {
	d, s := emulator(t)
	session := host(t, d, s)
	got := map[string]*sdk.Tool{}
	for tool, err := range session.Tools(t.Context(), nil) {
		require.NoError(t, err)
		got[tool.Name] = tool
	}
	for _, op := range duvotest.Operations() {
		tool := got[op.ID]
		if op.Upload {
			require.Nil(t, tool, op.ID)
			continue
		}
		require.NotNil(t, tool, op.ID)
		require.NotEmpty(t, tool.Description, "describe %s in forms", op.ID)
		require.Equal(t, op.Method == http.MethodGet, tool.Annotations.ReadOnlyHint, op.ID)
		raw, err := json.Marshal(tool.InputSchema)
		require.NoError(t, err)
		var schema struct {
			Type       string
			Properties map[string]json.RawMessage
			Required   []string
		}
		require.NoError(t, json.Unmarshal(raw, &schema))
		require.Equal(t, "object", schema.Type)
		for _, part := range strings.Split(op.Path, "/") {
			if name, isArgument := strings.CutPrefix(part, "{"); isArgument {
				name = strings.TrimSuffix(name, "}")
				require.Contains(t, schema.Properties, name, op.ID)
				require.Equal(t, name != "team_id", slices.Contains(schema.Required, name), "%s: %s", op.ID, name)
			}
		}
	}
	raw, err := json.Marshal(got["startRun"].InputSchema)
	require.NoError(t, err)
	for _, name := range []string{"agent_id", "message", "sandbox_id", "webhook_url", "team_id"} {
		require.Contains(t, string(raw), `"`+name+`"`)
	}
}

// A call is a request to the Duvo, whatever form its result has.
func TestCalls(t *testing.T) {
	for content, opts := range map[duvotestmcp.Content][]duvotestmcp.Option{
		duvotestmcp.Both: nil, duvotestmcp.Structured: {duvotestmcp.WithEvents()}, duvotestmcp.Text: {duvotestmcp.WithSessions()},
	} {
		d, s := emulator(t, append(opts, duvotestmcp.WithContent(content))...)
		session := host(t, d, s)
		call := func(name string, args map[string]any) *sdk.CallToolResult {
			res, err := session.CallTool(context.Background(), &sdk.CallToolParams{Name: name, Arguments: args})
			require.NoError(t, err)
			return res
		}
		res := call("startRun", map[string]any{"agent_id": agentID, "message": "x"})
		require.False(t, res.IsError)
		require.Equal(t, content != duvotestmcp.Text, res.StructuredContent != nil)
		require.Len(t, res.Content, map[bool]int{true: 0, false: 1}[content == duvotestmcp.Structured])
		require.Equal(t, "x", d.Jobs()[0].Input)
		require.Equal(t, "k", d.Jobs()[0].IdempotencyKey)
		call("startRun", map[string]any{"agent_id": agentID, "message": "x"})
		require.Len(t, d.Jobs(), 1, "the same key")
		require.True(t, d.Requests()[1].Replay)

		res = call("getRun", map[string]any{"run_id": agentID})
		require.True(t, res.IsError)
		require.JSONEq(t, `{"error":"not_found","message":"There is no such run.","status":404}`, res.Content[0].(*sdk.TextContent).Text)
		res = call("getRun", nil)
		require.Contains(t, res.Content[0].(*sdk.TextContent).Text, "run_id is missing")
		res = call("listRuns", map[string]any{"limit": 1000})
		require.Contains(t, res.Content[0].(*sdk.TextContent).Text, `"status":400`)
		require.Equal(t, "1000", d.Requests()[len(d.Requests())-1].Query.Get("limit"))

		all, calls := s.Posts()
		require.Equal(t, 5, calls)
		require.Greater(t, all, calls)
		_, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "noSuchTool"})
		require.ErrorContains(t, err, "noSuchTool")
	}
}

// REST is served beside it, with the same state.
func TestBesideREST(t *testing.T) {
	d, s := emulator(t)
	resp, err := duvotest.InMemory(s).Do(must(http.NewRequestWithContext(t.Context(), http.MethodGet, duvotest.MemoryURL+"/base/v2/teams", nil)))
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Equal(t, 1, d.Count("listMyTeams"))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
