package duvotest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Whoever shows nothing that this Duvo gave out fills no memory with what he
// sends, however much and often.
func TestStrangersFillNoMemory(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		big := bytes.Repeat([]byte("x"), 200<<10)
		targets := []struct{ method, path string }{
			{"POST", "/v2/teams/" + w.TeamID() + "/runs"}, {"POST", "/nowhere"}, {"POST", "/v2/sandboxes/x/files"},
			{"PUT", "/duvotest-uploads/none"}, {"GET", "/" + string(big)}, {"GET", "/v2/teams?q=" + string(big)},
		}
		const rounds = 250
		for range rounds {
			for _, to := range targets {
				r, err := http.NewRequest(to.method, w.url+to.path, bytes.NewReader(big))
				require.NoError(t, err)
				r.Header.Set("X-Filler", string(big))
				resp, err := w.http.Do(r)
				require.NoError(t, err)
				require.GreaterOrEqual(t, resp.StatusCode, 400)
				require.NoError(t, resp.Body.Close())
			}
		}
		kept := 0
		for _, r := range w.Requests() {
			kept += len(r.Body) + len(r.Path) + len(r.Query.Encode()) + len(fmt.Sprint(r.Header))
		}
		require.Less(t, kept, 4<<20)
		require.Len(t, w.Requests(), 1000)
		require.Equal(t, rounds, w.Count("startRun"), "all are counted")

		// Whoever has the key is told whole, now too.
		_, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID, Message: string(big)})
		require.NoError(t, err)
		all := w.Requests()
		require.Greater(t, len(all[len(all)-1].Body), len(big))
	}, duvotest.WithAssignment(refunds()))
}
