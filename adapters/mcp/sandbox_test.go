package mcp_test

import (
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Files are staged over MCP too: what a tool takes as a tool, the bytes of a
// file by REST or to the upload URL.
func TestSandboxes(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	s := duvotestmcp.New(d)
	defer s.Close()
	url := s.Listen()
	own := &http.Transport{}
	defer own.CloseIdleConnections()
	c := connect(t, s, mcp.With(duvo.WithHTTPClient(&http.Client{Transport: own}), duvo.WithBaseURL(url)))
	big := make([]byte, duvo.MaxDirectUpload+1)
	id, err := c.StageFiles(t.Context(), fstest.MapFS{"orders.csv": {Data: []byte("4711\n")}, "deep/big": {Data: big}})
	require.NoError(t, err)
	require.Len(t, d.SandboxFiles(id), 2)
	require.Equal(t, "4711\n", string(d.SandboxFiles(id)["/workspace/orders.csv"]))
	require.Len(t, d.SandboxFiles(id)["/workspace/deep/big"], len(big))
	files, err := c.SandboxFiles(t.Context(), id, "")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	require.Equal(t, 1, d.Count("createSandbox"))
	require.Equal(t, 1, d.Count("uploadSandboxFile"))
	require.Equal(t, 1, d.Count("createSandboxUploadUrl"))
	_, calls := s.Posts()
	require.Equal(t, 4, calls, "listMyTeams, createSandbox, createSandboxUploadUrl, listSandboxFiles")
}
