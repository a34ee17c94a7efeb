package duvotest_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// IDs derived from a name are the same in every Duvo.
func TestClose(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		var ended atomic.Int32
		script := func(name string, wait func(*duvotest.Job)) {
			require.NoError(t, w.AddAssignment(duvotest.Assignment{Name: name, Script: func(j *duvotest.Job) {
				defer ended.Add(1)
				wait(j)
				j.Say("Never.")
			}}))
		}
		script("sleeps", func(j *duvotest.Job) { j.Sleep(time.Hour) })
		script("asks", func(j *duvotest.Job) { j.AskApproval("Go?", "") })
		script("heeds its context", func(j *duvotest.Job) { <-j.Context().Done() })
		for _, id := range w.get("/v2/teams/"+w.TeamID()+"/agents").rows("agents", "id") {
			w.start(`{"agent_id":"`+id.(string)+`"}`, "Idempotency-Key", id.(string))
			synctest.Wait()
		}
		w.Close()
		require.EqualValues(t, 3, ended.Load())
		w.Close()

		w.get("/v2/teams").refused(503, "unavailable")
		id := w.Jobs()[0].AssignmentID
		w.post("/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+id+`"}`).refused(503, "unavailable")
		w.post("/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+id+`"}`, "Idempotency-Key", id).refused(503, "unavailable")
		for _, r := range w.Jobs() { // they can still be read
			require.Empty(t, r.Messages)
			require.False(t, r.Status.Terminal())
		}
		require.NoError(t, w.StopJob(w.Jobs()[0].ID))
	})
}

func TestCloseEndsRequests(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.Hang}, duvotest.Fault{Latency: time.Hour})
		ends := make(chan string, 2)
		for range 2 {
			go func() {
				a, err := w.try("GET", "/v2/teams", "")
				if err != nil {
					ends <- "broken"
				} else {
					ends <- a.text("error")
				}
			}()
			synctest.Wait()
		}
		began := time.Now()
		w.Close()
		require.ElementsMatch(t, []string{"broken", "unavailable"}, []string{<-ends, <-ends})
		require.Equal(t, began, time.Now())
	})
}

func TestHandler(t *testing.T) {
	d := duvotest.New()
	defer d.Close()
	rec := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/base/v2/teams", nil)
	r.Header.Set("Authorization", "Bearer "+d.Key())
	d.ServeHTTP(rec, r)
	require.Equal(t, http.StatusOK, rec.Code)
}
