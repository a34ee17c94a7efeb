package duvotest_test

import (
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Ten thousand Jobs wait at once, are read, answered and listed.
func TestManyJobs(t *testing.T) {
	many := 10_000
	if testing.Short() {
		many = 1_000
	}
	inMemory(t, func(t *testing.T, w *world) {
		ids := make([]string, many)
		for i := range ids {
			j, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID, Message: strconv.Itoa(i)})
			require.NoError(t, err)
			ids[i] = j.ID
		}
		synctest.Wait()
		yes := true
		for i, id := range ids {
			j, err := w.client.Job(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, duvo.StatusWaiting, j.Status)
			if i%2 == 0 {
				require.NoError(t, w.client.Respond(t.Context(), duvo.Response{JobID: id, RequestID: j.Pending.ID, Approved: &yes}))
			}
		}
		synctest.Wait()
		for status, want := range map[duvo.Status]int{"": many, duvo.StatusWaiting: many / 2, duvo.StatusCompleted: many / 2} {
			n := 0
			for _, err := range w.client.Jobs(t.Context(), duvo.JobFilter{Status: status, OldestFirst: true}) {
				require.NoError(t, err)
				n++
			}
			require.Equal(t, want, n, status)
		}
	}, duvotest.WithAssignment(refunds()))
}

// What a tool is given is an object on the wire, or the Job fails and says why.
func TestToolArgumentsAreAnObject(t *testing.T) {
	for name, args := range map[string]any{"text": "x", "list": []int{1}, "number": 7} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, w *world) {
				job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
				w.untilStatus(job, duvo.StatusFailed)
				all := w.job(job).Messages
				require.Contains(t, all[len(all)-1].Text, "arguments are no JSON object")
			}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.CallTool("t", args, nil) }}))
		})
	}
}
