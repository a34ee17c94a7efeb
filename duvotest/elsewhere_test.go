package duvotest_test

import (
	"net/http"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestStartElsewhere(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignments(refunds(), duvotest.Assignment{Name: "Draft", NoBuild: true}))
	defer d.Close()
	id, err := d.StartElsewhere(agentID, "by hand")
	require.NoError(t, err)
	job, ok := d.Job(id)
	require.True(t, ok)
	require.Equal(t, "by hand", job.Input)
	require.Zero(t, d.Count("startRun"))
	_, err = d.StartElsewhere("none", "")
	require.ErrorContains(t, err, "no Assignment")
	d.Close()
	_, err = d.StartElsewhere(agentID, "")
	require.ErrorContains(t, err, "closed")
}

func TestSetRateLimit(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds()))
	defer d.Close()
	get := func() *http.Response {
		req, _ := http.NewRequest("GET", duvotest.MemoryURL+"/v2/teams", nil)
		req.Header.Set("Authorization", "Bearer "+d.Key())
		resp, err := d.HTTPClient().Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp
	}
	require.Empty(t, get().Header.Get("X-RateLimit-Limit"))
	d.SetRateLimit(1)
	require.Equal(t, "1", get().Header.Get("X-RateLimit-Limit"))
	require.Equal(t, 429, get().StatusCode)
	require.Equal(t, 1, d.CountStatus(429))
	d.SetRateLimit(0)
	require.Equal(t, 200, get().StatusCode)
	require.Panics(t, func() { d.SetRateLimit(-1) })
}

func TestFiltersThatAreNotRight(t *testing.T) {
	for name, c := range map[string]struct {
		quirks duvotest.Quirks
		want   int
	}{
		"right":   {duvotest.Quirks{}, 0},
		"ignored": {duvotest.Quirks{FilterIgnored: true}, 4},
	} {
		inMemory(t, func(t *testing.T, w *world) {
			for range 4 {
				_, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
				require.NoError(t, err)
			}
			page, err := w.client.JobPage(t.Context(), duvo.JobFilter{Status: duvo.StatusFailed})
			require.NoError(t, err)
			require.Len(t, page.Jobs, c.want, name)
		}, duvotest.WithAssignment(refunds()), duvotest.WithQuirks(c.quirks))
	}
	inMemory(t, func(t *testing.T, w *world) {
		for range 4 {
			_, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
			require.NoError(t, err)
		}
		n := 0
		for _, s := range []duvo.Status{duvo.StatusPending, duvo.StatusStarting, duvo.StatusRunning, duvo.StatusWaiting} {
			page, err := w.client.JobPage(t.Context(), duvo.JobFilter{Status: s})
			require.NoError(t, err)
			n += len(page.Jobs)
		}
		require.LessOrEqual(t, n, 2)
	}, duvotest.WithAssignment(refunds()), duvotest.WithQuirks(duvotest.Quirks{FilterMisses: true}))
}
