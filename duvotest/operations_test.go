package duvotest_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestOperations(t *testing.T) {
	paths := map[string]string{}
	for _, op := range duvotest.Operations() {
		require.NotContains(t, paths, op.ID)
		require.NotContains(t, op.Path, "{}")
		paths[op.ID] = op.Method + " " + op.Path
	}
	require.Equal(t, "POST /v2/runs/{run_id}/human-requests/{request_id}/respond", paths["respondToHumanRequest"])
	require.Equal(t, "POST /v2/teams/{team_id}/runs", paths["startRun"])
	require.Equal(t, "GET /v2/sandboxes/{sandbox_id}/files", paths["listSandboxFiles"])
	require.NotContains(t, paths, duvotest.UploadToURL)
	require.Equal(t, "GET /v2/agents/{agent_id}", paths["getAgent"])
}
