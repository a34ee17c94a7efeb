package duvotest_test

import (
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestAssignments(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		require.NoError(t, w.AddAssignment(duvotest.Assignment{ID: strings.ToUpper(agentID), Name: "First"}))
		require.ErrorContains(t, w.AddAssignment(refunds()), `the Assignments "First" and "Refunds" have the same ID`)
		job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		w.untilStatus(job, duvo.StatusCompleted)
		build := w.get("/v2/runs/" + job).text("run.build_id")

		require.NoError(t, w.UpdateAssignment(agentID, func(a *duvotest.Assignment) {
			a.ID, a.Name, a.Folder = "", "Second", "New/Place"
			a.Script = func(j *duvotest.Job) { j.Fail("") }
		}))
		require.Error(t, w.UpdateAssignment(otherID, func(*duvotest.Assignment) {}))
		a := w.get("/v2/agents/" + agentID)
		require.Equal(t, "Second", a.text("agent.name"))
		require.Equal(t, w.get("/v2/teams/"+w.TeamID()+"/agent-folders").rows("folders", "id")[1], a.text("agent.folder_id"))
		second := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		w.untilStatus(second, duvo.StatusFailed)
		require.NotEqual(t, build, w.get("/v2/runs/"+second).text("run.build_id"))
		require.Equal(t, build, w.get("/v2/runs/"+job).text("run.build_id"))

		require.NoError(t, w.RemoveAssignment(agentID))
		require.Error(t, w.RemoveAssignment(agentID))
		w.get("/v2/agents/"+agentID).refused(404, "not_found")
		require.Equal(t, 201, w.message(job, "Are you there?").status) // its Jobs go on
		w.until("it goes on", func() bool { return len(w.job(job).Messages) == 2 })
	})
}

func TestStableIDs(t *testing.T) {
	ids := func(name string) []any {
		var out []any
		inMemory(t, func(t *testing.T, w *world) {
			out = w.get("/v2/teams/"+w.TeamID()+"/agents").rows("agents", "id")
		}, duvotest.WithAssignment(duvotest.Assignment{Name: name}))
		return out
	}
	require.Equal(t, ids("A"), ids("A"))
	require.NotEqual(t, ids("A"), ids("B"))
}
