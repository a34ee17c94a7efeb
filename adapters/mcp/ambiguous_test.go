package mcp_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// TestAmbiguousResults: a result that says two things says nothing. One that
// says one thing twice, or has prose beside it, is read.
func TestAmbiguousResults(t *testing.T) {
	const job = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b09"
	run := func(status string) string { return fmt.Sprintf(`{"run":{"id":%q,"status":%q}}`, job, status) }
	both := func(structured, text string) string {
		return `{"structuredContent":` + structured + `,"content":[{"type":"text","text":` + strconv.Quote(text) + `}]}`
	}
	d := duvotest.New()
	defer d.Close()
	h := &hostile{good: duvotestmcp.New(d)}
	c, err := mcp.Connect(t.Context(), mcp.With(duvo.WithAPIKey(d.Key()), duvo.WithTeam(d.TeamID()), duvo.WithBaseURL(duvotest.MemoryURL),
		duvo.WithHTTPClient(duvotest.InMemory(h)), duvo.WithRetries(1, 0)))
	require.NoError(t, err)
	defer c.Close()
	h.method.Store("getRun")
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, string){
		"structured beside text": result(both(run("waiting"), run("completed"))),
		"structured twice":       result(`{"structuredContent":` + run("waiting") + `,"StructuredContent":` + run("completed") + `}`),
		"a text twice":           result(`{"content":[{"type":"text","text":` + strconv.Quote(run("waiting")) + `,"text":` + strconv.Quote(run("completed")) + `}]}`),
		"within the text":        result(`{"content":[{"type":"text","text":` + strconv.Quote(`{"run":{"id":"`+job+`","status":"waiting","Status":"completed"}}`) + `}]}`),
		"two responses": say("application/json", `[{"jsonrpc":"2.0","id":ID,"result":{"structuredContent":`+run("waiting")+`}},{"jsonrpc":"2.0","id":ID,"result":{"structuredContent":`+
			run("completed")+`}}]`),
	} {
		h.bad = answer
		_, err := c.Job(t.Context(), job)
		require.ErrorIs(t, err, duvo.ErrMalformed, name)
		require.NotErrorIs(t, err, duvo.ErrNotFound, name)
	}
	h.bad = say("application/json", `{"jsonrpc":"2.0","id":ID,"result":{"structuredContent":`+run("waiting")+`},"Result":{"structuredContent":`+run("completed")+`}}`)
	_, err = c.Job(t.Context(), job)
	require.Error(t, err, "results in two spellings")
	for name, answer := range map[string]string{
		"the same twice": both(run("waiting"), " "+run("waiting")), "prose beside it": both(run("waiting"), "The run waits."), "a list beside it": both(run("waiting"), "[1]"),
	} {
		h.bad = result(answer)
		j, err := c.Job(t.Context(), job)
		require.NoError(t, err, name)
		require.Equal(t, duvo.StatusWaiting, j.Status)
	}
}
