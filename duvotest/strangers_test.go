package duvotest_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// heap returns the bytes that are in use.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Whoever shows nothing that this Duvo gave out fills no memory with what he
// sends, however much and often.
func TestStrangersFillNoMemory(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		big := bytes.Repeat([]byte("x"), 200<<10)
		targets := []struct{ method, path string }{
			{"POST", "/v2/teams/" + w.TeamID() + "/runs"}, {"POST", "/nowhere"}, {"POST", "/v2/sandboxes/x/files"},
			{"PUT", "/duvotest-uploads/none"}, {"GET", "/" + string(big)}, {string(big), "/v2/teams"},
			{"GET", "/" + string(big) + "?q=short"}, {"GET", "/v2/teams?q=" + string(big)},
		}
		const rounds = 150
		before := heap()
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
		require.Less(t, heap()-before, int64(12<<20), "nor holds on to what its parts were cut from")
		kept := 0
		for _, r := range w.Requests() {
			kept += len(r.Method) + len(r.Body) + len(r.Path) + len(r.Query.Encode()) + len(fmt.Sprint(r.Header))
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
